"""Settings of Sphinx. ``make docs`` builds the documentation in ``docs/_build/html``."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from speechbrain_lmac import __version__  # noqa: E402

project = "speechbrain-lmac"
author = "The speechbrain-lmac authors"
version = release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "docs.executed_pages",
]
html_theme = "furo"
html_title = "speechbrain-lmac"
html_show_copyright = False
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # links to files of the repository; tests/integration/test_docs.py checks
]
apidoc_modules = [
    {
        "path": str(ROOT / "speechbrain_lmac"),
        "destination": "api",
        "exclude_patterns": [str(ROOT / "speechbrain_lmac" / "__main__.py")],
        "separate_modules": True,
        "automodule_options": {"members", "show-inheritance"},
    }
]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_custom_sections = [("Arguments", "params_style")]


def omit_aliases(app, what, name, obj, options, lines):
    """Omit the generated docstring of a named tuple's field that has none."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()


ACCESSIBILITY = """\
document.addEventListener("DOMContentLoaded", () => {
  const set = (all, name, value) =>
    document.querySelectorAll(all).forEach((e, i) => e.setAttribute(name, value(i)));
  set("[role=heading]:not([aria-level])", "aria-level", () => 2);
  set("pre", "tabindex", () => 0);
  set("aside:not([aria-label])", "aria-label", (i) => `Sidebar ${i + 1}`);
});
"""
"""Script for screen readers and keyboards: what the theme omits."""


def setup(app):
    """Connect the hook and add the script above."""
    app.connect("autodoc-process-docstring", omit_aliases)
    app.add_js_file(None, body=ACCESSIBILITY)
