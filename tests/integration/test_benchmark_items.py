"""Evaluation items of the benchmark: mixtures, plans, groups of recordings, order of clips."""

import itertools
import shutil

import pandas as pd
import pytest
import torch

from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.evaluation.benchmark import conditions, diagnostics, run
from speechbrain_lmac.evaluation.benchmark.clips import stratify
from speechbrain_lmac.evaluation.benchmark.conditions import make_items, parse, render
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from tests.helpers.runs import benchmark_arguments as arguments


def test_mixtures_pair_whole_recordings(small_set):
    """Each mixture of twelve clips from six recordings links two recordings."""
    clips = read_clips(small_set)
    labels = sorted({clip.label for clip in clips})[:6]
    chosen = [next(c for c in clips if c.label == label) for label in labels]
    twice = [c._replace(ID=f"{c.ID}{take}", start=take) for c in chosen for take in (0, 1)]
    drawn = contamination.draw_mixtures(twice, "two_source", 0.0, seed=3)
    by_name = {clip.ID: clip for clip in twice}
    by_file = {(clip.wav, clip.start): clip for clip in twice}
    links = {
        frozenset((by_name[r.clip].src_file, by_file[r.other, r.other_start].src_file))
        for r in drawn
    }
    assert len(drawn) == 6 and len(links) == 3
    assert sorted(name for link in links for name in link) == sorted(c.src_file for c in chosen)


def test_stored_plan_is_reused(small_set, tmp_path):
    """Another seed does not change a stored plan."""
    clips = read_clips(small_set)[:8]
    first, again = (make_items(parse("two_source@5"), clips, [], {}, tmp_path, s) for s in (0, 1))
    assert [item.ID for item in first] == [item.ID for item in again]
    assert sorted(item.snr_db for item in first) == [-5.0] * 4 + [5.0] * 4


def test_plans_survive_moved_files(small_set, tmp_path):
    """Sounds and plans may move."""
    clips = read_clips(small_set)
    drawn = {}
    for name in ("two_source", "mixture", "white_noise"):
        drawn[name] = make_items(parse(name), clips[:8], clips[8:], {}, tmp_path / "here", 0)
    shutil.copytree(small_set, tmp_path / "elsewhere" / "sounds")
    shutil.move(tmp_path / "here", tmp_path / "far" / "away")
    moved = read_clips(tmp_path / "elsewhere" / "sounds")
    for name, before in drawn.items():
        after = make_items(parse(name), moved[:8], moved[8:], {}, tmp_path / "far" / "away", 0)
        assert [item.ID for item in after] == [item.ID for item in before]
        for one, other in zip(before, after):
            assert str(tmp_path) in other.mixture.wav
            torch.testing.assert_close(render(one, 8000, 0.5), render(other, 8000, 0.5))


@pytest.mark.parametrize("snr_db", [5, -5])
def test_sources_count_under_their_own_snr(snr_db):
    """The second source of a mixture has the negative SNR."""
    rows = [("a", snr_db), ("b", -snr_db)]
    frame = pd.DataFrame(rows, columns=["clip", "snr_db"]).assign(condition=f"two_source@{snr_db}")
    frame.loc[2] = ["c", 0.0, "two_source"]
    scored = diagnostics.scored_conditions(frame).set_index("clip").condition
    assert scored.to_dict() == {
        "a": f"two_source@{snr_db}",
        "b": f"two_source@{-snr_db}",
        "c": "two_source",
    }


def test_sources_have_the_snr_of_the_item(small_set, tmp_path):
    """Levels are within 0.01 dB, and sources add up."""
    clips = read_clips(small_set)[::7]
    for item in make_items(parse("two_source@5"), clips, [], {}, tmp_path, 0):
        sounds = render(item, 32000, 0.5)
        level = 10 * (sounds.target.square().sum() / sounds.residual.square().sum()).log10()
        assert level.item() == pytest.approx(item.snr_db, abs=0.01)
        torch.testing.assert_close(sounds.mixture, sounds.target + sounds.residual)


def test_linked_recordings_form_one_group(small_set, tmp_path):
    """Two mixtures that share a recording form one group of four prompts."""
    clips = read_clips(small_set)[:6]
    clips[1] = clips[1]._replace(src_file=clips[0].src_file)
    items = make_items(parse("two_source"), clips, [], {}, tmp_path, 0)
    names = dict(zip((item.clip.ID for item in items), conditions.recording_groups(items)))
    assert names[clips[0].ID] == names[clips[1].ID]
    for first, second in zip(items[::2], items[1::2]):
        assert names[first.clip.ID] == names[second.clip.ID]
    assert len(set(names.values())) == 2
    alone = [conditions.EvaluationItem(clip.ID, clip) for clip in clips]
    assert conditions.recording_groups(alone) == [clip.src_file for clip in clips]


def test_stratified_order_balances_classes(small_set):
    """Any first clips hold all classes equally often."""
    clips = read_clips(small_set)
    ordered = stratify(clips, seed=0)
    assert sorted(ordered) == sorted(clips)
    labels = len({clip.label for clip in clips})
    for turn in range(0, len(clips), labels):
        assert len({clip.label for clip in ordered[turn : turn + labels]}) == labels


def test_debug_uses_few_clips(small_set):
    """``--debug`` is a flag that selects ``debug_num_clips``."""
    words = arguments(small_set, "unused", num_clips="{clips: 8}")
    sizes = [run.build([*words, *flag])[0].num_clips["clips"] for flag in ([], ["--debug"])]
    assert sizes == [8, 6] and run.build([*words, "--debug"])[0].num_clips["subset"] == 1


def test_debug_measures_few_explainers(small_set):
    """Two conditions and no tuning, in a folder of its own: a later run is not refused."""
    config = run.build([*arguments(small_set, "unused"), "--debug"])[0]
    assert config.hparams["explainers"] == ["lmac", "energy", "full-mask", "oracle-irm"]
    assert len(config.hparams["conditions"]) == 2 and not config.hparams["tune_baselines"]
    assert config.folder.parts == ("unused", "debug")


def test_short_table_has_a_row_per_method():
    """The first condition, one table per domain."""
    facts = itertools.product(("mel", "stft"), ("clean", "two_source"), ("a", "b"), TOP_K_FRACTIONS)
    rows = [
        {"domain": domain, "condition": condition, "method": method, "fraction": fraction}
        for domain, condition, method, fraction in facts
    ]
    frame = pd.DataFrame(rows).assign(metric="AD", clip="1", value=12.0)
    text = run.short_table(frame)
    assert text.count("| a ") == text.count("| b ") == 2 and text.count("12.0") == 4
    assert "mel masking, clean" in text and "two_source" not in text
