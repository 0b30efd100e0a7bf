"""The tutorial runs; links and names of tests in the docs exist."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from experiments.pretrained_interpreters import listen

ROOT = Path(__file__).parents[2]


def test_tutorial_runs():
    """The tutorial shows players, regions and figures."""
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": ROOT}})
    client.execute()
    shown = [
        output["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type in ("execute_result", "display_data")
    ]
    players = [data["text/html"] for data in shown if "text/html" in data]
    assert len(players) == 2 and all("audio/mpeg" in player for player in players)
    texts = [data.get("text/plain", "") for data in shown]
    assert any("Region(prompt='the sound of a siren'" in text for text in texts)
    assert any("image/png" in data for data in shown)


def test_tutorial_has_no_outputs():
    """The committed notebook has no outputs."""
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)


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
