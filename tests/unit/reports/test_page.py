"""The listening report, as text and in a browser."""

import base64
import re

import pytest

from speechbrain_lmac.data.synthetic import SAMPLE_RATE
from speechbrain_lmac.reports.media import decode_mp3
from tests.helpers.browser import needs_chromium, page

PLAY_ALL = """async () => {
    for (const sound of document.querySelectorAll("audio")) {
        await sound.play();
        for (let tries = 0; tries < 100 && !sound.currentTime; tries++)
            await new Promise((done) => setTimeout(done, 50));
        if (!(sound.currentTime > 0) || sound.error) return sound.ariaLabel;
    }
    return "all";
}"""
PLAYING = '[...document.querySelectorAll("audio")].filter((sound) => !sound.paused).length'
DESCRIBED = "[...document.images].every((image) => image.alt) && document.documentElement.lang"


def test_report_has_excerpts_of_long_recordings(long_report):
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


def test_report_of_60_explanations_is_under_15_mb(report):
    """Sounds grow from 2 s to 5 s, images have one size; 20 clips with 3 prompts each."""
    text = report.read_text(encoding="utf-8")
    sounds = sum(map(len, re.findall(r"data:audio[^\"]*", text)))
    of_one = (sounds * 5 / 2 + len(text) - sounds) / (2 * 2)
    assert sounds > len(text) / 10 and of_one * 20 * 3 < 15e6


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_report_in_a_browser(report, long_report, width, scheme, tmp_path):
    """Without a network: all players play, one at a time, and nothing is wider than the window."""
    with page(width, color_scheme=scheme) as (shown, errors):
        shown.goto(long_report.as_uri())
        fits = "document.documentElement.scrollWidth <= innerWidth"
        assert shown.evaluate(fits) and shown.get_by_role("img", name="activity of").count() == 2
        shown.goto(report.as_uri())
        players = shown.locator("audio")
        assert players.count() == 2 * (1 + 2 * 2)
        assert shown.evaluate(PLAY_ALL) == "all"
        assert shown.evaluate(PLAYING) == 1
        playhead = players.last.locator("xpath=ancestor::figure").locator("i")
        assert float(playhead.evaluate("(line) => getComputedStyle(line).opacity")) == 1
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.evaluate(DESCRIBED) == "en"
        shown.locator("h2").first.scroll_into_view_if_needed()
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.tagName") in ("A", "AUDIO")
        shown.screenshot(path=tmp_path / "report.png")
    assert not errors
