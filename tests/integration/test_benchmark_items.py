"""Evaluation items of the benchmark: mixtures, plans, groups of recordings, order of clips."""

import itertools
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.evaluation.benchmark import config, diagnostics, run
from speechbrain_lmac.evaluation.benchmark.clips import stratify
from speechbrain_lmac.evaluation.benchmark.conditions import parse
from speechbrain_lmac.evaluation.benchmark.items import (
    EvaluationItem,
    make_items,
    recording_groups,
    render,
)
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.utils.errors import InputError
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


def noise_folder(folder, names):
    """Write a folder with one second of noise per name."""
    folder.mkdir()
    for seed, name in enumerate(names):
        samples = np.random.default_rng(seed).normal(0, 0.1, 8000)
        soundfile.write(folder / f"{name}.wav", samples, 8000)
    return folder


def test_plan_refuses_other_sounds(small_set, tmp_path):
    """The sounds of a stored plan are not replaced silently, and not taken from another folder."""
    clips, speech = read_clips(small_set)[:6], parse("speech")
    first = {"speech": noise_folder(tmp_path / "first", "ab")}
    drawn = make_items(speech, clips, [], first, tmp_path / "plans", 0)
    assert {item.mixture.other for item in drawn} <= {
        str(f) for f in (tmp_path / "first").iterdir()
    }
    for folders in ({"speech": noise_folder(tmp_path / "other", "cd")}, {}):
        with pytest.raises(InputError, match="must describe mixtures of the given sounds, got"):
            make_items(speech, clips, [], folders, tmp_path / "plans", 0)
    assert make_items(speech, clips, [], first, tmp_path / "plans", 1) == drawn


def test_plan_with_broken_sounds_is_not_stored(small_set, tmp_path):
    """Without the broken sound, the same command draws a plan."""
    clips, speech = read_clips(small_set)[:6], parse("speech")
    folder = noise_folder(tmp_path / "noise", "ab")
    whole = (folder / "b.wav").read_bytes()
    (folder / "b.wav").write_bytes(whole[:44])
    with pytest.raises(InputError, match=r"b\.wav"):
        make_items(speech, clips, [], {"speech": folder}, tmp_path / "plans", 0)
    (folder / "b.wav").unlink()
    items = make_items(speech, clips, [], {"speech": folder}, tmp_path / "plans", 0)
    assert {item.mixture.other for item in items} == {str(folder / "a.wav")}


def test_results_of_other_mixtures_are_refused(small_set, tmp_path, capsys):
    """A folder whose plan or noise has changed is not resumed: its tables would mix two sets."""
    noise = noise_folder(tmp_path / "noise", "ab")
    words = arguments(
        *(small_set, tmp_path / "out"),
        **{"conditions": "[speech]", "noise_folders": f"{{speech: {noise}}}"},
        **{"explainers": "[energy]", "interpreters": "null", "tune_baselines": "False"},
        **{"subset_only_explainers": "[]", "gallery": "False"},
        num_clips="{clips: 3, valid_clips: 0, subset: 0, randomized: 0}",
    )
    run.main(words)
    table = (tmp_path / "out" / "results.csv.gz").read_bytes()
    run.main(words)
    assert (tmp_path / "out" / "results.csv.gz").read_bytes() == table
    for path in noise.iterdir():
        soundfile.write(path, np.random.default_rng(9).normal(0, 0.1, 8000), 8000)
    capsys.readouterr()
    config._digest.cache_clear()  # as in a new process
    with pytest.raises(SystemExit):
        run.main(words)
    assert "those of speech are of others. Give another --output_folder" in capsys.readouterr().err


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
    names = dict(zip((item.clip.ID for item in items), recording_groups(items)))
    assert names[clips[0].ID] == names[clips[1].ID]
    for first, second in zip(items[::2], items[1::2]):
        assert names[first.clip.ID] == names[second.clip.ID]
    assert len(set(names.values())) == 2
    alone = [EvaluationItem(clip.ID, clip) for clip in clips]
    assert recording_groups(alone) == [clip.src_file for clip in clips]


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
