"""Links and names of tests in the docs exist; README is short."""

import re
from pathlib import Path

import pytest

from experiments.pretrained_interpreters import listen

ROOT = Path(__file__).parents[2]


@pytest.mark.exhaustive
def test_listening_page_is_up_to_date(tmp_path):
    """The committed page has the headings of a page that is written anew."""
    path = tmp_path / "listen.html"
    listen.main(["--sounds", str(ROOT / "docs" / "samples"), "--output", str(path)])
    headings = [
        re.findall(r"<h[123][^>]*>(.*?)</h", text.read_text())
        for text in (path, ROOT / "docs" / "listen.html")
    ]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")) + [ROOT / "README.md"])
def test_docs_links_exist(page):
    """Every relative link leads to a file."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/reference/*.md")), ids=lambda p: p.name)
def test_docs_name_tests_that_exist(page):
    """Each row of the reference pages names a test of its property."""
    code = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    for name in re.findall(r"`(test_\w+)`", page.read_text()):
        assert f"def {name}(" in code, name


def test_docs_readme_is_short():
    """README has at most 120 lines; details are in docs/."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
