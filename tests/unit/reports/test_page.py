"""Listening reports as HTML; tests/integration/test_pages_in_browser.py opens them."""

import base64
import re

import pytest

from speechbrain_lmac.data.synthetic import SAMPLE_RATE
from speechbrain_lmac.reports.annotations import RegionRule
from speechbrain_lmac.reports.areas import shown_areas
from speechbrain_lmac.reports.clip import clip_section
from speechbrain_lmac.reports.findings import summarize
from speechbrain_lmac.reports.media import decode_mp3
from speechbrain_lmac.reports.page import write_report
from tests.unit.reports.conftest import PROMPTS


def test_report_has_excerpts_of_long_recordings(long_report):
    """Each region has an excerpt in which the rain is attenuated."""
    text = long_report.read_text()
    assert "2 regions" in text and "absent" in text
    assert text.count("<rect") == 2 and text.count("<audio") == 2 * 2
    encoded = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', text)
    for pair in zip(encoded[::2], encoded[1::2]):
        original, masked_in = (decode_mp3(base64.b64decode(sound)) for sound in pair)
        assert all(sound.abs().max() <= 1 for sound in (original, masked_in))
        assert len(original) / SAMPLE_RATE == pytest.approx(4, abs=0.5)
        siren, rain = slice(SAMPLE_RATE, 3 * SAMPLE_RATE), slice(0, SAMPLE_RATE // 4)
        before, after = (
            sound[siren].square().mean() / sound[rain].square().mean()
            for sound in (original, masked_in)
        )
        assert after > 3 * before  # the rain is attenuated


def test_report_is_self_contained(report):
    """Everything is in the file, and prompts are text, not HTML."""
    text = report.read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "<b>the" not in text and "&lt;b&gt;the" in text
    assert text.count("<details") - 1 == 2 and "absent (presence" in text  # the dogs are folded


def test_report_of_60_explanations_is_under_15_mb(interpretation, tmp_path):
    """Sounds grow from 2 s to 5 s, images have one size; 20 clips with 3 prompts each."""
    section = clip_section("street.wav", interpretation, shown_areas(20))
    report = write_report(tmp_path / "report.html", [section, section], "A test")
    text = report.read_text(encoding="utf-8")
    sounds = sum(map(len, re.findall(r"data:audio[^\"]*", text)))
    of_one = (sounds * 5 / 2 + len(text) - sounds) / (2 * 2)
    assert sounds > len(text) / 10 and of_one * 20 * 3 < 15e6


def test_report_states_the_smallest_areas(interpretation, report):
    """Sound, slider and sentence are those of the interpretation; areas can be left out."""
    areas, text = interpretation.areas[0], report.read_text(encoding="utf-8")
    assert f"{100 * areas.sufficient:.0f}\N{NO-BREAK SPACE}% of the sound suffices" in text
    assert text.count('type="range"') == 2 and 'class="step" hidden' in text
    section = clip_section("street.wav", interpretation, areas=())
    slider, absent = (card.areas for card in section.cards)
    assert [step.area for step in slider.steps] == [areas.sufficient] and absent is None
    assert slider.without.area == areas.necessary
    assert slider.steps[0].probability > slider.without.probability
    none = clip_section("street.wav", interpretation, areas=None)
    assert all(card.areas is None for card in none.cards)


def test_report_summarizes_files_and_prompts(interpretation, report):
    """The table has the presence of each prompt once, with a link to its card."""
    table = re.search(r"<nav.*?</nav>", report.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert table.count('scope="row"') == 2 and table.count('<th scope="col">') == 1 + 2
    text = report.read_text(encoding="utf-8")
    links = re.findall(r'href="#([^"]+)">([^<]*)</a></?(?:td|th)', table)
    assert len(links) == 2 * (1 + 2) and all(f'id="{name}"' in text for name, _ in links)
    assert table.count(">absent<") == 2
    shown = dict(links)["sound-2-1"]
    assert shown == f"{100 * interpretation.presence[0]:.0f}\N{NO-BREAK SPACE}%"


def test_report_summary_lists_predictions(interpretation):
    """Files with different prompts have a list of prompts each."""
    section = clip_section("street.wav", interpretation, areas=None)
    other = section._replace(findings=section.findings[:1])
    assert summarize([section, section]).prompts == tuple(interpretation.prompts)
    assert summarize([section, other]).prompts == () and summarize([section, other]).size == 3


def test_report_scores_equal_the_files(interpretation):
    """The table of a card holds the scores of ``scores.json``, and warnings name the same ones."""
    card, absent = clip_section("street.wav", interpretation, areas=None).cards
    row = interpretation.rows(areas=False)[0]
    expected = [row[f"presence{part}"] for part in ("", "_masked_in", "_masked_out")]
    assert card.scores[-1] == ("presence", True, *expected) and card.value == row["presence"]
    assert not card.notes and "nearly silent" in " ".join(absent.notes)


def test_clip_section_has_activity_and_regions(interpretation):
    """A clip has the activity and the regions of a recording, by the same rule."""
    timeline = interpretation.timeline
    regions = [region for region in timeline.regions() if region.prompt == PROMPTS[0]]
    card = clip_section("street.wav", interpretation, areas=None).cards[0]
    assert len(card.boxes) == len(card.curve.spans) == len(regions) > 0
    assert max(card.curve.values) == pytest.approx(timeline.activity[0].max().item())
    assert all(box.left >= 0 and box.left + box.width <= 1 for box in card.boxes)
    strict = RegionRule(min_duration=60.0)
    (none, *_) = clip_section("street.wav", interpretation, None, strict).cards
    assert not none.boxes and not none.curve.spans and none.curve.values == card.curve.values
