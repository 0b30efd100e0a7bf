"""Tutorials run, show what they describe, and are short."""

import re
from pathlib import Path

import pytest

from docs.executed_pages import BLOCK, PageRunner, as_notebook, with_outputs

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
PAGES = sorted(path for path in TUTORIALS.glob("*.md") if path.name != "README.md")
FINDINGS = {
    "compare_explainers": ["lmac is better on"],
    "day_of_recordings": ["2026-05-01 05:30:21", "rooster-clip-"],
    "explain_a_clap": ["('dog', 0.99", "the sound of a cat”: probably absent"],
    "thousand_files": ["complete: True, failed: 0", "old parts unchanged: True"],
    "train_and_publish": ["same masks: True", "decoder.safetensors"],
    "why_this_class": ["gradients: most at 5.0 kHz", "decoder: most at 5.0 kHz"],
}
"""Page, and texts that its outputs contain."""
FEWER = ('.glob("*.ogg")', '.glob("[dr]*.ogg")')
"""Pattern of all samples in the pages, and one of four samples, for less time."""
MOST_WORDS = 1500


@pytest.fixture(scope="module")
def runner():
    runner = PageRunner()
    yield runner
    runner.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial_runs(runner, page):
    """Every block runs; the page shows a figure with a description, a player and its finding."""
    text = page.read_text().replace(*FEWER)
    shown = with_outputs(text, runner.run(text))
    images = re.findall(r'<img alt="(.*?)" src="data:image/png', shown)
    assert images and all(images)
    assert "<audio" in shown or "&lt;audio" in shown
    for finding in FINDINGS[page.stem]:
        assert finding in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial_is_short(page):
    """Words and code are read in ten minutes, and each page is listed."""
    assert len(page.read_text().split()) <= MOST_WORDS
    assert f"({page.name})" in (TUTORIALS / "README.md").read_text()


def test_page_becomes_a_notebook():
    """Text and code keep their order; nothing is lost."""
    text = PAGES[0].read_text()
    cells = as_notebook(text).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert code == [match[2].strip() for match in BLOCK.finditer(text)]
    assert cells[0].source.startswith("# ") and cells[0].cell_type == "markdown"
