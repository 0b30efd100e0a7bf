"""Listening reports and comparison pages in Chromium, without a network."""

import json

import pytest

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.evaluation.comparison_page import write_comparison
from tests.helpers.browser import needs_chromium, page
from tests.unit.reports import conftest as reports
from tests.unit.reports import test_comparison as comparisons

pytestmark = needs_chromium

mel_interpreter = reports.mel_interpreter
interpretation = reports.interpretation
report = reports.report
long_report = reports.long_report
comparison = comparisons.comparison

PLAY_ALL = """async () => {
    for (const sound of document.querySelectorAll("audio")) {
        await sound.play();
        for (let tries = 0; tries < 100 && !sound.currentTime; tries++)
            await new Promise((done) => setTimeout(done, 50));
        if (!(sound.currentTime > 0) || sound.error) return sound.ariaLabel;
    }
    return "all";
}"""
"""Play every sound; return "all", or the label of a sound that does not play."""
PLAYING = '[...document.querySelectorAll("audio")].filter((sound) => !sound.paused).length'
DESCRIBED = "[...document.images].every((image) => image.alt) && document.documentElement.lang"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_report_plays_and_fits_the_window(report, long_report, width, scheme, tmp_path):
    """All players play, one at a time, and nothing is wider than the window."""
    with page(width, color_scheme=scheme) as (shown, errors):
        shown.goto(long_report.as_uri())
        fits = "document.documentElement.scrollWidth <= innerWidth"
        assert shown.evaluate(fits)
        curves = shown.get_by_role("img", name="activity of", include_hidden=True)
        assert curves.count() == 2
        shown.goto(report.as_uri())
        players = shown.locator("audio")
        assert shown.locator(".areas").count() == 2  # the absent dog has none
        of_areas = shown.locator(".areas audio").count()
        assert players.count() == 2 * (1 + 2 * 2) + of_areas
        assert shown.evaluate(PLAY_ALL) == "all"
        assert shown.evaluate(PLAYING) == 1
        playhead = players.last.locator("xpath=ancestor::figure").locator("i")
        assert float(playhead.evaluate("(line) => getComputedStyle(line).opacity")) == 1
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.evaluate(DESCRIBED) == "en"
        shown.locator("h2").first.scroll_into_view_if_needed()
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.tagName") in ("SUMMARY", "A", "AUDIO")
        shown.screenshot(path=tmp_path / "report.png")
    assert not errors


def test_area_slider_plays_the_chosen_area(report, interpretation):
    """The sufficient area comes first. Another area goes on from the same position."""
    areas = interpretation.areas[0]
    with page() as (shown, errors):
        shown.goto(report.as_uri())
        card = shown.locator(".areas").first
        slider, label = card.get_by_role("slider"), card.locator(".step:visible strong")
        first_area = f"Best {100 * areas.sufficient:.0f}\N{NO-BREAK SPACE}% alone"
        assert label.text_content() == first_area
        first = card.locator(".step:visible audio").element_handle()
        first.evaluate("async (sound) => { sound.currentTime = 1; await sound.play(); }")
        slider.focus()
        slider.press("End")
        assert label.count() == 1 and label.text_content() == "Best 40\N{NO-BREAK SPACE}% alone"
        assert slider.get_attribute("aria-valuetext") == "40 %"
        second = card.locator(".step:visible audio").element_handle()
        assert first.evaluate("(sound) => sound.paused")
        assert second.evaluate("(sound) => !sound.paused && sound.currentTime >= 1")
    assert not errors


STATE = """() => {
    const playing = [...document.querySelectorAll("audio")].filter((sound) => !sound.paused);
    return playing.map((sound) => [sound.ariaLabel, sound.currentTime]);
}"""
"""Labels and positions of the sounds that play."""


def test_keys_switch_versions_in_sync(report):
    """Space plays and pauses, arrow keys switch versions and keep the position."""
    with page() as (shown, errors):
        shown.goto(report.as_uri())
        group = shown.locator(".card [data-group]").nth(1)  # after that of the smallest areas
        masked_in = group.locator("audio").first
        shown.evaluate("document.querySelectorAll('audio').forEach(s => { s.playbackRate = 0.1 })")
        masked_in.evaluate("(sound) => { sound.currentTime = 1; sound.focus(); }")
        shown.keyboard.press("Space")
        shown.wait_for_function(f"({STATE})().length == 1")
        labels, before = [], 1.0
        for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
            shown.keyboard.press(key)
            shown.wait_for_function(f"({STATE})().length == 1")
            ((label, position),) = shown.evaluate(STATE)
            assert before <= position < 1.9
            labels, before = [*labels, label.split(" for")[0]], position
        assert labels == ["street.wav", "masked-out", "masked-in", "masked-out"]
        shown.get_by_role("button", name="Pause").click()
        assert not shown.evaluate(STATE)
    assert not errors


def test_link_opens_the_absent_prompt(report):
    """Absent prompts are folded until the table of prompts leads to them."""
    with page() as (shown, errors):
        shown.goto(report.as_uri())
        card = shown.locator("details.card").last
        assert not card.locator("audio").first.is_visible()
        shown.get_by_role("navigation").get_by_role("link", name="absent").last.click()
        card.locator("audio").first.wait_for()
    assert not errors


def save(shown, path):
    """Save the ratings to a file."""
    with shown.expect_download() as download:
        shown.get_by_role("button", name="Save ratings").click()
    download.value.save_as(path)


def rate(page_path, ratings, rater, saved):
    """Rate the methods of a blind page and save the ratings."""
    with page(accept_downloads=True) as (shown, errors):
        shown.goto(page_path.as_uri())
        shown.get_by_role("button", name="Save ratings").click()
        assert "Not rated yet: A, B, C" in shown.locator("#status").text_content()
        for letter, value in ratings.items():
            shown.locator(f'input[name="{letter}"][value="{value}"]').check()
        shown.locator("input[name=rater]").fill(rater)
        shown.reload()  # ratings stay
        save(shown, saved)
    assert not errors


def test_blind_page_collects_ratings(comparison, tmp_path, capsys):
    """Two people rate a blind page; the command ``ratings`` reads their files."""
    page_path, key = write_comparison(tmp_path / "blind.html", [comparison], blind_seed=3)
    text = page_path.read_text()
    assert not any(name in text for name in ('"lmac"', ">lmac", "gradcam", "energy"))
    methods = json.loads(key.read_text())["methods"]
    value = {"lmac": 5, "gradcam": 2, "energy": 2}
    ratings = {letter: value[method] for letter, method in methods.items()}
    files = [str(tmp_path / f"{number}.csv") for number in range(2)]
    for file, rater in zip(files, ("Ann", 'Bob "B", the 2nd')):
        rate(page_path, ratings, rater, file)
    assert main(["ratings", *files, "--keys", str(key), "--json"]) == 0
    first, *others = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["method"] == "lmac" and first["mean rank"] == 1 and first["raters"] == 2
    assert [other["mean rank"] for other in others] == [2.5, 2.5]


def test_anonymous_rater_counts_once(comparison, tmp_path, capsys):
    """Ratings that are saved again without a name replace those of the first file."""
    page_path, key = write_comparison(tmp_path / "blind.html", [comparison], blind_seed=3)
    files = [str(tmp_path / f"{number}.csv") for number in range(3)]
    letters = {method: letter for letter, method in json.loads(key.read_text())["methods"].items()}
    with page(accept_downloads=True) as (shown, errors):
        shown.goto(page_path.as_uri())
        for best, file in zip(("energy", "gradcam", "lmac"), files):
            for method, letter in letters.items():
                value = 5 if method == best else 2
                shown.locator(f'input[name="{letter}"][value="{value}"]').check()
            if best == "lmac":
                shown.reload()
            save(shown, file)
    assert not errors
    assert main(["ratings", *files, "--keys", str(key), "--json"]) == 0
    first, *_ = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["method"] == "lmac" and first["mean rank"] == 1 and first["raters"] == 1
