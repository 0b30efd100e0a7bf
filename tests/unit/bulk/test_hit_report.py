"""Report of hits: the strongest ones, with regions and the sounds that are stored."""

import re

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.bulk import hit_report
from speechbrain_lmac.bulk.store import open_store
from speechbrain_lmac.reports.hits import MAX_REGIONS, shown_regions
from tests.helpers.browser import needs_chromium, page
from tests.unit.bulk.conftest import PROMPTS, read_table


@pytest.fixture
def job(interpreter, clips, tmp_path):
    options = {"sounds_above": 0.05, "sounds_per_prompt": 1, "progress": False}
    explain_dataset(str(clips), PROMPTS, str(tmp_path / "out"), interpreter=interpreter, **options)
    return tmp_path / "out"


def presences(text):
    return [float(value) for value in re.findall(r'"Presence">([0-9.]+)<', text)]


def test_report_shows_hits_by_presence(job, tmp_path, capsys):
    """Every hit of the query is a row; stored sounds have a player, and files are relative."""
    path = tmp_path / "hits.html"
    assert main(["hits", str(job), "--above", "0.05", "--report", "--to", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    text = path.read_text()
    expected = [hit["presence"] for row in read_table(job) for hit in row["hits"]]
    assert presences(text) == [round(p, 2) for p in sorted(expected, reverse=True)]
    assert text.count("<audio") == len(list(job.rglob("*.flac"))) >= 1
    assert f"Files are in {tmp_path}/clips/" in text and f'row">{tmp_path}' not in text


def test_report_is_capped(job, tmp_path, monkeypatch):
    """Beyond a number of hits, those of highest presence are shown, and the number is stated."""
    monkeypatch.setattr(hit_report, "MAX_HITS", 2)
    path = tmp_path / "a.html"
    count = hit_report.write_report(path, open_store(str(job)), None, 0.05)
    text = path.read_text()
    expected = [hit["presence"] for row in read_table(job) for hit in row["hits"]]
    assert count == len(expected)
    assert presences(text) == [round(p, 2) for p in sorted(expected, reverse=True)[:2]]
    assert f"2 of {len(expected)} hits" in text


def test_report_without_hits_says_so(job, tmp_path, capsys):
    """A page without hits is written, and the command says which option to lower."""
    path = tmp_path / "hits.html"
    assert main(["hits", str(job), "--above", "1", "--report", "--to", str(path)]) == 0
    text = capsys.readouterr()
    assert text.out.strip() == str(path) and "no hits with a presence of at least 1" in text.err
    assert presences(path.read_text()) == []


def test_report_replaces_no_file_of_the_user(job, tmp_path, capsys):
    """A page that this package did not write stays, and the command says so."""
    path = tmp_path / "hits.html"
    path.write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main(["hits", str(job), "--report", "--to", str(path)])
    assert "must be an unchanged page" in capsys.readouterr().err and path.read_text() == "mine"


def test_shown_regions_are_the_strongest():
    """A stretch with many regions shows those of highest activity, in order of time."""
    regions = [{"start": float(i), "activity": (i * 7) % 10 / 10} for i in range(10)]
    shown = shown_regions(regions)
    assert len(shown) == MAX_REGIONS and min(r["activity"] for r in shown) == 0.4
    assert [r["start"] for r in shown] == sorted(r["start"] for r in shown)


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_report_fits_the_window(job, tmp_path, width):
    """Nothing is wider than the window, and the scripts run without an error."""
    path = tmp_path / "a.html"
    hit_report.write_report(path, open_store(str(job)), None, 0.05)
    with page(width=width) as (tab, errors):
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator("audio").count() >= 1
    assert not errors
