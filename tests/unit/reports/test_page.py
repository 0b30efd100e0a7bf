"""Listening reports as HTML; tests/integration/test_pages_in_browser.py opens them."""

import base64
import re

import pytest

from speechbrain_lmac.data.synthetic import SAMPLE_RATE
from speechbrain_lmac.reports.areas import shown_areas
from speechbrain_lmac.reports.clip import clip_section
from speechbrain_lmac.reports.media import decode_mp3
from speechbrain_lmac.reports.page import write_report


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
    assert "absent, faded out" in text  # the dog


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
