"""The listening report, as a browser shows it."""

import base64
import json
import re

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture, synthesize
from speechbrain_lmac.evaluation.listening_test import read_ratings, takes, write_comparison
from speechbrain_lmac.evaluation.ratings import mean_ranks
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.reports.clip import PlayerFactory, heard
from speechbrain_lmac.reports.media import (
    decoded,
    matched_gain,
    mp3,
    picture,
)
from speechbrain_lmac.reports.page import write_report
from speechbrain_lmac.reports.raster import HEIGHT, WIDTH, height_of
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.browser import needs_chromium, page

PROMPTS = ["the sound of siren", "<b>the “dog” & $the$ cat</b>"]


@pytest.fixture(scope="module")
def why():
    interpreter = Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})
    scene = mixture("siren", "rain", seed=5, seconds=2.0)
    return interpreter.interpret_batch(scene.mixture.unsqueeze(0), PROMPTS)[0]


@pytest.fixture(scope="module")
def report(why, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(path, [heard("street.wav", why), heard("<again>.wav", why)], "By a test")


@pytest.fixture(scope="module")
def long_page(tmp_path_factory):
    """Sirens at 6 and at 21 s of half a minute of faint rain."""
    folder = tmp_path_factory.mktemp("long")
    sound = 0.05 * synthesize("rain", seed=1, seconds=30.0)
    for second in (6, 21):
        begin = second * SAMPLE_RATE
        sound[begin : begin + 3 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=3.0)
    soundfile.write(folder / "night.wav", sound.numpy(), SAMPLE_RATE)
    command = ["report", str(folder / "night.wav"), "--source", "mini-mel"]
    for prompt in ("the sound of siren", "a <dog>"):
        command += ["--prompt", prompt]
    assert main([*command, "--output", str(folder / "night.html")]) == 0
    return folder / "night.html"


def test_a_long_recording_is_heard_where_its_prompts_are(long_page):
    text = long_page.read_text()
    assert "found in 2 places" in text and "absent" in text
    assert text.count("<rect") == 2 and text.count("<audio") == 2 * 2
    encoded = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', text)
    for whole, kept in zip(encoded[::2], encoded[1::2]):
        heard_in = [decoded(base64.b64decode(sound)) for sound in (whole, kept)]
        assert all(sound.abs().max() <= 1 for sound in heard_in)
        assert len(heard_in[0]) / SAMPLE_RATE == pytest.approx(4, abs=0.5)
        siren, rain = slice(SAMPLE_RATE, 3 * SAMPLE_RATE), slice(0, SAMPLE_RATE // 4)
        levels = [s[siren].square().mean() / s[rain].square().mean() for s in heard_in]
        assert levels[1] > 3 * levels[0]  # of rain less is left


def test_gains_match_levels_and_never_clip():
    loud, faint = torch.tensor([0.5, -0.5]), torch.tensor([0.1, -0.1])

    def energy(wavs):
        return wavs.square().mean(dim=-1)

    assert (matched_gain(faint, loud, energy) * faint).abs().max().item() == pytest.approx(0.5)
    peaky = torch.zeros(1000)
    peaky[0] = 0.5
    assert (matched_gain(peaky, loud, energy) * peaky).abs().max() < 1
    assert matched_gain(1e-6 * faint, loud, energy) == pytest.approx(10)  # no more than 20 dB
    assert matched_gain(0 * faint, loud, energy) == 1


def test_sounds_survive_their_encoding(why):
    wav = why.original
    back = decoded(mp3(wav, why.sample_rate))
    assert len(back) >= len(wav)
    error = (back[: len(wav)] - wav).square().mean() / wav.square().mean()
    assert error < 0.15  # half of it is noise


def test_players_of_a_hot_clip_are_level_and_do_not_clip():
    scene = mixture("siren", "rain", seed=5, seconds=2.0)
    clip = 3 * scene.mixture / scene.mixture.abs().max()
    studio = PlayerFactory(MiniCLAP(), clip)
    whole, _ = studio.player("The clip", clip, "the clip")
    kept, _ = studio.player("Kept", 0.2 * clip.clamp(-1, 1), "some of it")
    sounds = [decoded(base64.b64decode(shown.sound.split(",")[1])) for shown in (whole, kept)]
    levels = [10 * sound.square().mean().log10() for sound in sounds]
    assert all(sound.abs().max() <= 1 for sound in sounds)
    assert levels[1] - levels[0] < 1


def test_a_tone_is_drawn_at_its_height():
    values = torch.zeros(10, 513)
    values[:, 64] = 1  # 2 kHz of 16
    from io import BytesIO

    from PIL import Image

    image = np.asarray(Image.open(BytesIO(picture(values, 16000, "gray", (0, 0.5)))).convert("L"))
    assert image.shape == (HEIGHT, WIDTH)
    row = image.mean(axis=1).argmax()
    assert 1 - row / HEIGHT == pytest.approx(height_of(2000, 16000), abs=0.02)


def test_everything_is_in_the_file_and_prompts_are_text(report):
    text = report.read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "<b>the" not in text and "&lt;b&gt;the" in text
    assert "absent: faded out" in text  # of the dog


def test_twenty_clips_and_three_prompts_would_fit_in_15_mb(report):
    """Sounds grow from 2 s to 5 s, pictures are of one size."""
    text = report.read_text(encoding="utf-8")
    sounds = sum(map(len, re.findall(r"data:audio[^\"]*", text)))
    of_one = (sounds * 5 / 2 + len(text) - sounds) / (2 * 2)
    assert sounds > len(text) / 10 and of_one * 20 * 3 < 15e6


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_in_a_browser_without_a_network(report, long_page, width, scheme, tmp_path):
    with page(width, color_scheme=scheme) as (shown, errors):
        shown.goto(long_page.as_uri())
        fits = "document.documentElement.scrollWidth <= innerWidth"
        assert shown.evaluate(fits) and shown.get_by_role("img", name="evidence for").count() == 2
        shown.goto(report.as_uri())
        players = shown.locator("audio")
        assert players.count() == 2 * (1 + 2 * 2)
        played = shown.evaluate(
            """async () => {
                for (const sound of document.querySelectorAll("audio")) {
                    await sound.play();
                    for (let tries = 0; tries < 100 && !sound.currentTime; tries++)
                        await new Promise((done) => setTimeout(done, 50));
                    if (!(sound.currentTime > 0) || sound.error) return sound.ariaLabel;
                }
                return "all";
            }"""
        )
        assert played == "all"
        assert (
            shown.evaluate(
                '[...document.querySelectorAll("audio")].filter((sound) => !sound.paused).length'
            )
            == 1
        )  # one at a time
        line = players.last.locator("xpath=ancestor::figure").locator("i")
        assert float(line.evaluate("(line) => getComputedStyle(line).opacity")) == 1
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            shown.evaluate(
                "[...document.images].every((image) => image.alt) && document.documentElement.lang"
            )
            == "en"
        )
        shown.locator("h2").first.scroll_into_view_if_needed()
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.tagName") in ("A", "AUDIO")
        shown.screenshot(path=tmp_path / "report.png")
    assert not errors


@pytest.fixture(scope="module")
def comparison(why):
    interpreter = Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})
    return takes(interpreter, why.original, PROMPTS[0], ["lmac", "gradcam", "energy"])


def test_every_method_keeps_as_many_cells(comparison):
    _, found, _ = comparison
    assert [take.name for take in found] == ["lmac", "gradcam", "energy"]
    assert found[0].presence > 0.9  # the siren
    with pytest.raises(InputError, match=r"methods must be from .*, got 'magic'"):
        takes(None, None, PROMPTS[0], ["magic"])


def test_a_page_with_names(comparison, tmp_path):
    (path,) = write_comparison(tmp_path / "all.html", "street.wav", PROMPTS[0], *comparison)
    text = path.read_text()
    assert "gradcam" in text and "Save ratings" not in text


@needs_chromium
def test_a_blind_page_collects_ratings_that_can_be_counted(comparison, tmp_path, capsys):
    page_path, key = write_comparison(
        tmp_path / "blind.html", "street.wav", PROMPTS[0], *comparison, blind_seed=3
    )
    text = page_path.read_text()
    assert not any(name in text for name in ('"lmac"', ">lmac", "gradcam", "energy"))
    methods = json.loads(key.read_text())["methods"]
    files = []
    for rater in ("Ann", 'Bob "B", the 2nd'):
        with page(accept_downloads=True) as (shown, errors):
            shown.goto(page_path.as_uri())
            shown.get_by_role("button", name="Save ratings").click()
            assert "Not rated yet: A, B, C" in shown.locator("#said").text_content()
            for letter, method in methods.items():
                value = {"lmac": 5, "gradcam": 2, "energy": 2}[method]
                shown.locator(f'input[name="{letter}"][value="{value}"]').check()
            shown.locator("input[name=rater]").fill(rater)
            with shown.expect_download() as download:
                shown.get_by_role("button", name="Save ratings").click()
            files.append(str(tmp_path / f"{len(files)}.csv"))
            download.value.save_as(files[-1])
        assert not errors
    assert main(["ratings", *files, "--keys", str(key), "--json"]) == 0
    first, *others = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["method"] == "lmac" and first["mean rank"] == 1 and first["raters"] == 2
    assert [other["mean rank"] for other in others] == [2.5, 2.5]


def test_the_last_of_two_ratings_of_a_page_counts(tmp_path):
    """Browsers name the second download so that it comes before the first."""
    key = tmp_path / "key.json"
    key.write_text('{"page": "p", "methods": {"A": "energy", "B": "lmac"}}')
    head, page = "rater,page,letter,rating,saved\n", "Ann,p,{},{},2026-01-0{}T10:00:00.000Z\n"
    first, second = tmp_path / "ratings.csv", tmp_path / "ratings(1).csv"
    first.write_text(head + page.format("A", 5, 1) + page.format("B", 1, 1))
    second.write_text(head + page.format("A", 2, 2) + page.format("B", 4, 2))
    rows = read_ratings(sorted(tmp_path.glob("ratings*.csv")), [key])
    assert mean_ranks(rows).method.tolist() == ["lmac", "energy"]
    other = tmp_path / "other.json"
    other.write_text('{"page": "q", "methods": {"A": "energy", "B": "gradcam"}}')
    with pytest.raises(InputError, match="p has energy, lmac; q has energy, gradcam"):
        read_ratings([first], [key, other])


def test_a_page_that_cannot_be_written_leaves_no_key(comparison, tmp_path):
    path = tmp_path / "blind.html"
    path.mkdir()
    with pytest.raises(InputError, match="blind"):
        write_comparison(path, "street.wav", PROMPTS[0], *comparison, blind_seed=3)
    assert [held.name for held in tmp_path.iterdir()] == ["blind.html"]


def test_two_pages_of_one_clip_are_not_taken_for_each_other(comparison, tmp_path):
    keys = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.html"
        _, key = write_comparison(path, "street.wav", PROMPTS[0], *comparison, blind_seed=seed)
        keys.append(json.loads(key.read_text()))
    assert keys[0]["page"] != keys[1]["page"]
    with pytest.raises(InputError, match="is the key of a page"):
        write_comparison(path, "street.wav", PROMPTS[0], *comparison, blind_seed=3)


def test_who_rates_twice_counts_once():
    rows = [
        {"rater": "Ann", "page": "p", "method": method, "rating": rating}
        for method, rating in (("a", 1), ("b", 3), ("a", 5), ("b", 2))
    ]
    ranks = mean_ranks(rows).set_index("method")["mean rank"]
    assert ranks.to_dict() == {"a": 1, "b": 2}


def test_ratings_without_their_key_are_refused(tmp_path):
    (tmp_path / "key.json").write_text('{"page": "another", "methods": {"A": "energy"}}')
    (tmp_path / "ratings.csv").write_text("rater,page,letter,rating\nAnn,this,A,3\n")
    with pytest.raises(InputError, match=r"ratings.csv, line 2: 'this' fits no key"):
        read_ratings([tmp_path / "ratings.csv"], [tmp_path / "key.json"])
    with pytest.raises(InputError, match="no key of a blind page"):
        read_ratings([], [tmp_path / "ratings.csv"])
