"""Comparison pages, with names and blind, and their ratings.

tests/integration/test_pages_in_browser.py rates a page in a browser.
"""

import json
import re

import pytest

from speechbrain_lmac.evaluation.comparison_page import write_comparison
from speechbrain_lmac.evaluation.listening_test import compare
from speechbrain_lmac.evaluation.ratings import mean_ranks, read_ratings
from speechbrain_lmac.utils.errors import InputError

PROMPT = "the sound of siren"


@pytest.fixture(scope="module")
def comparison(mel_interpreter, interpretation):
    methods = ["lmac", "gradcam", "energy"]
    return compare(mel_interpreter, interpretation.original, "street.wav", PROMPT, methods)


def test_takes_mask_in_equal_areas(comparison):
    """One take for each method; unknown methods are refused."""
    methods = comparison.takes
    assert [take.name for take in methods] == ["lmac", "gradcam", "energy"]
    assert methods[0].presence > 0.9  # the siren
    with pytest.raises(InputError, match=r"methods must be from .*, got 'magic'"):
        compare(None, None, "a.wav", PROMPT, ["magic"])


def test_comparison_shows_names(comparison, tmp_path):
    """The page has no form for ratings."""
    (path,) = write_comparison(tmp_path / "all.html", [comparison])
    text = path.read_text()
    assert "gradcam" in text and "Save ratings" not in text
    areas = [take.sufficient_area for take in comparison.takes]
    shown = re.findall(r"Sufficient area <strong>([^<]*)\xa0%<", text)
    assert shown == [f"{100 * area:.0f}" for area in sorted(areas)]


def test_sufficient_area_is_the_first_that_leads(mel_interpreter, interpretation, comparison):
    """The decoder has the area of the interpretation. For an absent sound nothing suffices."""
    assert comparison.takes[0].sufficient_area == interpretation.areas[0].sufficient
    clip = ("street.wav", "the sound of a dog", ["energy"])
    (take,) = compare(mel_interpreter, interpretation.original, *clip).takes
    assert take.sufficient_area is None and take.presence < 0.5


def test_blind_page_of_several_clips(comparison, tmp_path):
    """Each clip has its own order of letters, and its own entry in the key and in the ratings."""
    clips = [comparison._replace(name=f"{number}.wav") for number in range(8)]
    path, key_path = write_comparison(tmp_path / "blind.html", clips, blind_seed=1)
    tests = json.loads(key_path.read_text())["tests"]
    assert [test["page"].split(":")[0] for test in tests] == [clip.name for clip in clips]
    assert len({tuple(test["methods"].values()) for test in tests}) > 1
    lines = ["rater,page,letter,rating,saved"]
    for test in tests:
        for letter, method in test["methods"].items():
            lines.append(f'Ann,"{test["page"]}",{letter},{5 if method == "lmac" else 1},2026')
    (tmp_path / "ratings.csv").write_text("\n".join(lines))
    rows = read_ratings([tmp_path / "ratings.csv"], [key_path])
    assert len(rows) == 8 * 3 and mean_ranks(rows).method[0] == "lmac"
    text = path.read_text()
    assert not any(name in text for name in ('"lmac"', ">lmac", "gradcam", "energy"))


def test_ratings_use_the_last_of_a_rater(tmp_path):
    """Browsers give the second download a name that sorts before the first."""
    key = tmp_path / "key.json"
    key.write_text('{"page": "p", "methods": {"A": "energy", "B": "lmac"}}')
    head, row = "rater,page,letter,rating,saved\n", "Ann,p,{},{},2026-01-0{}T10:00:00.000Z\n"
    first, second = tmp_path / "ratings.csv", tmp_path / "ratings(1).csv"
    first.write_text(head + row.format("A", 5, 1) + row.format("B", 1, 1))
    second.write_text(head + row.format("A", 2, 2) + row.format("B", 4, 2))
    rows = read_ratings(sorted(tmp_path.glob("ratings*.csv")), [key])
    assert mean_ranks(rows).method.tolist() == ["lmac", "energy"]
    other = tmp_path / "other.json"
    other.write_text('{"page": "q", "methods": {"A": "energy", "B": "gradcam"}}')
    with pytest.raises(InputError, match="p has energy, lmac; q has energy, gradcam"):
        read_ratings([first], [key, other])


def test_unwritable_page_leaves_no_key(comparison, tmp_path):
    """A key without its page is useless."""
    path = tmp_path / "blind.html"
    path.mkdir()
    with pytest.raises(InputError, match="blind"):
        write_comparison(path, [comparison], blind_seed=3)
    assert [child.name for child in tmp_path.iterdir()] == ["blind.html"]


def test_blind_pages_of_one_clip_differ(comparison, tmp_path):
    """Another seed is another page; a key is never replaced."""
    keys = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.html"
        _, key = write_comparison(path, [comparison], blind_seed=seed)
        keys.append(json.loads(key.read_text()))
    assert keys[0]["page"] != keys[1]["page"]
    with pytest.raises(InputError, match="is the key of a page"):
        write_comparison(path, [comparison], blind_seed=3)


def test_mean_ranks_count_a_rater_once():
    """Two ratings of one method by one person are averaged."""
    rows = [
        {"rater": "Ann", "page": "p", "method": method, "rating": rating}
        for method, rating in (("a", 1), ("b", 3), ("a", 5), ("b", 2))
    ]
    ranks = mean_ranks(rows).set_index("method")["mean rank"]
    assert ranks.to_dict() == {"a": 1, "b": 2}


def test_ratings_without_their_key_are_refused(tmp_path):
    """The error names the line, or the missing keys."""
    (tmp_path / "key.json").write_text('{"page": "another", "methods": {"A": "energy"}}')
    (tmp_path / "ratings.csv").write_text("rater,page,letter,rating\nAnn,this,A,3\n")
    with pytest.raises(InputError, match=r"ratings.csv, line 2: 'this' fits no key"):
        read_ratings([tmp_path / "ratings.csv"], [tmp_path / "key.json"])
    with pytest.raises(InputError, match="no key of a blind page"):
        read_ratings([], [tmp_path / "ratings.csv"])
