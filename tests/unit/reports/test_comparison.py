"""Comparison pages, with names and blind, and their ratings.

tests/integration/test_pages_in_browser.py rates a page in a browser.
"""

import json

import pytest

from speechbrain_lmac.evaluation.listening_test import takes, write_comparison
from speechbrain_lmac.evaluation.ratings import mean_ranks, read_ratings
from speechbrain_lmac.utils.errors import InputError

PROMPT = "the sound of siren"


@pytest.fixture(scope="module")
def comparison(mel_interpreter, interpretation):
    methods = ["lmac", "gradcam", "energy"]
    return takes(mel_interpreter, interpretation.original, PROMPT, methods)


def test_takes_mask_in_equal_areas(comparison):
    """One take for each method; unknown methods are refused."""
    _, methods, _ = comparison
    assert [take.name for take in methods] == ["lmac", "gradcam", "energy"]
    assert methods[0].presence > 0.9  # the siren
    with pytest.raises(InputError, match=r"methods must be from .*, got 'magic'"):
        takes(None, None, PROMPT, ["magic"])


def test_comparison_shows_names(comparison, tmp_path):
    """The page has no form for ratings."""
    (path,) = write_comparison(tmp_path / "all.html", "street.wav", PROMPT, *comparison)
    text = path.read_text()
    assert "gradcam" in text and "Save ratings" not in text


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
        write_comparison(path, "street.wav", PROMPT, *comparison, blind_seed=3)
    assert [child.name for child in tmp_path.iterdir()] == ["blind.html"]


def test_blind_pages_of_one_clip_differ(comparison, tmp_path):
    """Another seed is another page; a key is never replaced."""
    keys = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.html"
        _, key = write_comparison(path, "street.wav", PROMPT, *comparison, blind_seed=seed)
        keys.append(json.loads(key.read_text()))
    assert keys[0]["page"] != keys[1]["page"]
    with pytest.raises(InputError, match="is the key of a page"):
        write_comparison(path, "street.wav", PROMPT, *comparison, blind_seed=3)


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
