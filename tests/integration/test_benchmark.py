"""The bench as a whole, on few half-second sounds: what it asks, keeps, resumes and counts.

What a short training leaves explains little: these are tests of the harness.
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from speechbrain_lmac.data import contamination, manifest
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.evaluation.benchmark import conditions, diagnostics, run
from speechbrain_lmac.evaluation.benchmark.conditions import parse, render, scenes
from speechbrain_lmac.evaluation.benchmark.config import UNTUNED, stratified
from speechbrain_lmac.evaluation.benchmark.results import KEY, Rows
from speechbrain_lmac.evaluation.scoring import ask, explain, faithfulness
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.models.base import check_clip_seconds
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.models.input_window import FixedLengthInput
from speechbrain_lmac.pretrained.checkpoint import SHIPPED
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.utils.config import path_of
from speechbrain_lmac.utils.errors import InputError

EXPLAINERS = (
    "[lmac, gradcam, scorecam, shuffled-clip, mean-features, shuffled-prompt, energy, full-mask, "
    "oracle-irm]"
)


def arguments(small_set, output, **changes):
    settings = {
        "data_folder": small_set,
        "output_folder": output,
        "clip_seconds": 0.5,
        "maskings": "[mel]",
        "explainers": EXPLAINERS,
        "subset_only_explainers": "[scorecam]",
        "conditions": "[clean, two_source, absent_prompt, white_noise]",
        "num_clips": "{clips: 6, valid_clips: 2, subset: 2, randomized: 1}",
        "device": "cpu",
        **changes,
    }
    pairs = [(f"--{name}", str(value)) for name, value in settings.items()]
    return [str(path_of("evaluate.yaml")), *(word for pair in pairs for word in pair)]


@pytest.fixture(scope="module")
def undisturbed(small_set, tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    run.main(arguments(small_set, output))
    return output


@pytest.fixture(scope="module")
def frame(undisturbed):
    return pd.read_csv(undisturbed / "rows.csv").copy()


def test_one_row_for_each_clip_method_and_condition(frame):
    assert not frame.duplicated(["masking", "condition", "method", "clip"]).any()
    counts = frame[frame.condition == "clean"].groupby("method")["clip"].count()
    assert "oracle-irm" not in counts
    dear = counts.index.str.startswith("scorecam")
    assert (counts[dear] == 2).all() and (counts[~dear] == 6).all()


@pytest.mark.parametrize("condition", ["clean", "two_source"])
def test_who_was_tuned_has_an_untuned_row_too(undisturbed, frame, condition):
    tuned = json.loads((undisturbed / "tuning_mel.json").read_text())
    others = {row["method"] for row in tuned if row["chosen"] and not row["default"]}
    held = frame[frame.condition == condition]
    assert set(held.method[held.method.str.endswith(UNTUNED)]) == {f"{m}{UNTUNED}" for m in others}
    for method in others:
        assert set(held["clip"][held.method == method + UNTUNED]) == set(
            held["clip"][held.method == method]
        )


def test_each_of_a_mixture_is_prompted_in_turn(frame):
    mixed = frame[(frame.condition == "two_source") & (frame.method == "energy")]
    assert sorted(mixed.label) == sorted(mixed.target)
    assert (mixed.label == mixed.target).all()
    assert mixed["clip"].str[:-2].value_counts().eq(2).all()
    assert mixed["SI-SDRi"].notna().all()


def test_what_is_absent_is_not_there(frame):
    absent = frame[frame.condition == "absent_prompt"]
    present = frame[frame.condition == "two_source"].assign(mix=lambda f: f["clip"].str[:-2])
    held = present.groupby("mix").label.agg(set)
    for row in absent.itertuples():
        assert row.target not in held[row.clip.removesuffix("-absent_prompt")[:-2]]


def test_ground_truth_is_of_the_explained_prompt_alone(frame):
    noisy = frame[frame.condition == "white_noise"]
    assert (noisy["SI-SDRi"].notna() == (noisy.label == noisy.target)).all()


def test_controls_say_what_they_must(frame):
    ones = frame[(frame.method == "full-mask") & frame.AD.notna()]
    assert ones.AD.max() < 1e-3 and (ones["Fid-In"] == 1)[ones.condition != "two_source"].all()
    mixed = frame[(frame.condition == "two_source")].set_index(["method", "clip"])
    assert mixed.loc["full-mask", "SI-SDRi"].abs().max() < 1e-3
    assert (mixed.loc["oracle-irm", "SI-SDRi"] > mixed.loc["energy", "SI-SDRi"]).all()


def test_rows_say_what_they_are_tied_to(frame):
    assert frame[["clap", "manifest"]].notna().all().all()
    assert frame.clap.nunique() == 1 and frame.manifest.nunique() > 1


def test_tables_and_figures_are_written(undisturbed):
    for name in ("summary.md", "summary.tex", "summary.csv", "tuning_mel.json"):
        assert (undisturbed / name).stat().st_size
    assert len(list((undisturbed / "figures").glob("*.png"))) >= 4


def same(one, other, atol):
    one, other = (f.drop(columns="seconds").astype({"decoder": str}) for f in (one, other))
    one, other = (f.set_index(list(KEY)).sort_index() for f in (one, other))
    pd.testing.assert_frame_equal(one, other[one.columns], check_exact=False, atol=atol, rtol=1e-3)


def test_the_batch_size_changes_nothing(small_set, frame, tmp_path):
    """Of those, too, whose maps are of several clips or of many passes."""
    less = {
        "explainers": "[lmac, gradcam, scorecam, shuffled-clip, energy]",
        "conditions": "[clean, two_source]",
        "gallery": False,
    }
    run.main(arguments(small_set, tmp_path, batch_size=1, **less))
    again = pd.read_csv(tmp_path / "rows.csv")
    alike = frame.merge(again[list(KEY)], on=list(KEY))
    assert len(alike) == len(again) > 60
    same(alike[again.columns], again, atol=2e-3)


def test_an_interrupted_run_goes_on(small_set, undisturbed, frame, tmp_path, monkeypatch):
    """Torn in the middle of a line, as by a kill: what is whole is kept and not measured again."""
    folder = tmp_path / "bench"
    folder.mkdir()
    for name in ("run_config.json", "tuning_mel.json"):
        (folder / name).write_bytes((undisturbed / name).read_bytes())
    lines = (undisturbed / "rows_mel.jsonl").read_text().splitlines(keepends=True)
    (folder / "rows_mel.jsonl").write_text("".join(lines[:100]) + lines[100][:50])
    added = []
    add = Rows.add
    monkeypatch.setattr(Rows, "add", lambda self, rows: (added.extend(rows), add(self, rows))[1])
    run.main(arguments(small_set, folder))
    assert len(added) == len(lines) - 100
    same(frame, pd.read_csv(folder / "rows.csv"), atol=1e-6)


def test_baselines_serve_every_decoder(small_set, frame, tmp_path, monkeypatch):
    """Measured without an interpreter, they stay as others join in."""
    other = shutil.copytree(SHIPPED / "mini-mel", tmp_path / "other")
    weights = load_file(other / DECODER_FILE)
    save_file({name: 0.9 * weight for name, weight in weights.items()}, other / DECODER_FILE)
    added = []
    add = Rows.add
    monkeypatch.setattr(Rows, "add", lambda self, rows: (added.extend(rows), add(self, rows))[1])
    folder, frames = tmp_path / "bench", []
    less = {
        "explainers": "[lmac, shuffled-clip, gradcam, energy]",
        "conditions": "[clean]",
        "num_clips": "{clips: 6, valid_clips: 2, subset: 2, randomized: 0}",
        "gallery": False,
    }
    for source in (None, SHIPPED / "mini-mel", other, SHIPPED / "mini-mel"):
        added.clear()
        interpreters = "null" if source is None else f"{{mel: {source}}}"
        run.main(arguments(small_set, folder, interpreters=interpreters, **less))
        frames.append(pd.read_csv(folder / "rows.csv"))
        if source is not None:
            assert {row["method"] for row in added} <= {"LMAC-ZS-D", "shuffled-clip"}
    assert not added, "what the first decoder got is found again"
    alike = frame.merge(frames[1][list(KEY)], on=list(KEY))
    assert len(alike) == len(frames[1])
    same(alike[frames[1].columns], frames[1], atol=2e-3)
    same(frames[1], frames[3], atol=0)
    of_baselines = [f[f.decoder.isna()] for f in frames[1:3]]
    same(*of_baselines, atol=0)
    ours = [f[f.method == "LMAC-ZS-D"].set_index(["condition", "clip"]).AD for f in frames[1:3]]
    assert (ours[0] - ours[1]).abs().max() > 0.1


def test_planes_in_parallel_are_what_they_are_alone(small_set, frame, tmp_path):
    less = {"explainers": "[energy, gradcam]", "conditions": "[clean]", "gallery": False}
    run.main(arguments(small_set, tmp_path, maskings="[mel, stft]", **less))
    both = pd.read_csv(tmp_path / "rows.csv")
    assert set(both.masking) == {"mel", "stft"}
    again = both[both.method.isin(["energy", "gradcam"]) & (both.masking == "mel")]
    alone = frame.loc[frame.method.isin(["energy", "gradcam"]), again.columns]
    same(alone[alone.condition.isin(set(again.condition))], again, atol=2e-3)


def test_what_is_planned_is_what_is_done(small_set, tmp_path, capsys, monkeypatch):
    """The passes that are announced are those of the encoder, a backward pass one as well."""
    counted = []
    encode = MiniCLAP.encode

    def counting(clap, mel):
        counted.append(len(mel) * (1 + (mel.requires_grad and torch.is_grad_enabled())))
        return encode(clap, mel)

    monkeypatch.setattr(MiniCLAP, "encode", counting)
    changes = {"explainers": "[energy, gradcam, gscorecam, shuffled-clip]", "tune_baselines": False}
    changes["conditions"] = "[clean, two_source, absent_prompt]"
    run.main(arguments(small_set, tmp_path, gallery=False, **changes))
    planned = int(capsys.readouterr().out.split(";")[1].split()[0])
    mean_clip = 2
    assert 0.7 * planned < sum(counted) - mean_clip <= planned


def test_another_run_is_refused(small_set, undisturbed, capsys):
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, undisturbed, classes="present"))
    assert "classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conditions": "[thunder]"}, "no condition 'thunder'"),
        ({"conditions": "[speech]"}, "folder of sounds"),
        ({"explainers": "[shap]"}, "shap"),
        ({"explainer_kwargs": "{gradcam: {color: red}}"}, "no option color"),
        ({"interpreters": "{mel: mini-stft}"}, "another plane"),
        ({"interpreters": "{mel: nowhere}"}, "no interpreter at nowhere"),
        ({"valid_folds": "[]"}, "valid_folds"),
        ({"yamnet_weights": "nowhere.tflite"}, "nowhere.tflite"),
        ({"conditions": "clean"}, "conditions is written as [a, b]"),
        ({"num_clips": "{clip: 3}"}, "num_clips holds clips"),
        ({"explainer_kwargs": "{gradcamm: {layer: 1}}"}, "explainer_kwargs names 'gradcamm'"),
        ({"top_k_fractions": "[0.1]"}, "top_k_fractions is [] or holds"),
        ({"conditions": "[two_source@5, two_source@-5]"}, "at its SNR and at minus that"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(small_set, tmp_path, capsys, changes, said):
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path, **changes))
    assert said in capsys.readouterr().err


def test_interpreters_of_different_methods_are_measured_apart(small_set, tmp_path, capsys):
    for masking in ("mel", "stft"):
        shutil.copytree(SHIPPED / f"mini-{masking}", tmp_path / masking)
    path = tmp_path / "stft" / "hyperparams.yaml"
    path.write_text(path.read_text().replace("LMAC-ZS-D", "LMAC-ZS-D-others"))
    domains = {m: str(tmp_path / m) for m in ("mel", "stft")}
    with pytest.raises(SystemExit):
        both = {"maskings": "[mel, stft]", "interpreters": json.dumps(domains)}
        run.main(arguments(small_set, tmp_path / "out", **both))
    assert "different methods, LMAC-ZS-D and LMAC-ZS-D-others" in capsys.readouterr().err


def test_an_interpreter_is_not_tested_on_what_it_learnt_from(small_set, tmp_path, capsys):
    shipped = SHIPPED / "mini-mel"
    shutil.copytree(shipped, tmp_path / "run" / "interpreter")
    clips = read_clips(small_set)
    for name, folds in (("train", [1, 2, 3]), ("valid", [4])):
        manifest.write(tmp_path / "run" / f"{name}.csv", [c for c in clips if c.fold in folds])
    changes = {"interpreters": f"{{mel: {tmp_path / 'run'}}}", "explainers": "[lmac]"}
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path / "out", test_folds="[3]", **changes))
    assert "interpreter learnt from" in capsys.readouterr().err


def test_clips_longer_than_the_clap_hears_are_refused():
    clap = MiniCLAP()
    clap.window = FixedLengthInput(10 * clap.sample_rate, 512, whole_repeats=True)
    check_clip_seconds(clap, 10.0)
    with pytest.raises(InputError, match="clip_seconds must be at most 10"):
        check_clip_seconds(clap, 10.5)


def test_nothing_but_raw_masks_on_clean_clips(small_set, tmp_path):
    """As the reproduction of the poster asks: no subset, no budgets, nothing made random."""
    sizes = "{clips: 3, valid_clips: 0, subset: 0, randomized: 0}"
    changes = {
        "top_k_fractions": "[]",
        "tune_baselines": False,
        "subset_only_explainers": "[]",
        "conditions": "[clean]",
    }
    run.main(
        arguments(small_set, tmp_path, num_clips=sizes, explainers="[lmac, gradcam]", **changes)
    )
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert len(rows) == 6 and "AD@5" not in rows and rows.AD.notna().all()


def test_two_do_not_write_one_file(tmp_path):
    row = {"masking": "mel", "condition": "clean", "method": "full-mask", "clip": "a"}
    first, second = Rows(tmp_path / "rows.jsonl"), Rows(tmp_path / "rows.jsonl")
    first.add([row])
    with pytest.raises(InputError, match="another run is writing"):
        second.add([row])


def test_recordings_are_paired_as_wholes(small_set):
    """Twelve clips of six recordings: each mixture links two, and no more are linked."""
    clips = read_clips(small_set)
    labels = sorted({clip.label for clip in clips})[:6]
    held = [next(c for c in clips if c.label == label) for label in labels]
    twice = [c._replace(ID=f"{c.ID}{take}", start=take) for c in held for take in (0, 1)]
    drawn = contamination.pairs(twice, "two_source", 0.0, seed=3)
    by_name = {clip.ID: clip for clip in twice}
    by_file = {(clip.wav, clip.start): clip for clip in twice}
    links = {
        frozenset((by_name[r.clip].src_file, by_file[r.other, r.other_start].src_file))
        for r in drawn
    }
    assert len(drawn) == 6 and len(links) == 3
    assert sorted(name for link in links for name in link) == sorted(c.src_file for c in held)


def test_clips_of_one_class_cannot_be_mixed(small_set):
    clips = read_clips(small_set)
    alike = [clip for clip in clips if clip.label == clips[0].label]
    with pytest.raises(InputError, match="too many are of its class"):
        contamination.pairs(alike, "two_source", 0.0, seed=0)


def test_a_run_without_an_interpreter_leaves_out_what_needs_one(small_set, tmp_path):
    changes = {
        "interpreters": "null",
        "conditions": "[clean]",
        "tune_baselines": False,
        "gallery": False,
    }
    changes["num_clips"] = "{clips: 3, valid_clips: 0, subset: 2, randomized: 0}"
    run.main(arguments(small_set, tmp_path, **changes))
    methods = set(pd.read_csv(tmp_path / "rows.csv").method)
    assert methods == {"gradcam", "scorecam", "energy", "full-mask"}


class Odd(Explainer):
    """Maps that are no explanation."""

    def __init__(self, value):
        self.value = value

    def __call__(self, model, encoded, question):
        return torch.full_like(encoded.power, self.value)


@pytest.mark.parametrize(
    ("value", "counts"),
    [(0.0, (0, 1, 1)), (3.0, (0, 0, 1)), (torch.nan, (1, 1, 1)), (torch.inf, (1, 1, 1))],
)
def test_maps_of_zeros_constants_and_no_numbers_are_counted(model, wavs, text, value, counts):
    from speechbrain_lmac.evaluation.scoring import ClassPrompts

    prompts = ClassPrompts(("siren", "rain", "dog"), text)
    asked = ask(model, ["a", "b", "c"], model.classifier.encode_clips(wavs), prompts)
    explained = explain(model, Odd(value), asked)
    columns = faithfulness(model, asked, explained)
    assert tuple(columns[name][1] for name in ("failed", "silent", "constant")) == counts
    assert all(torch.tensor(values).isfinite().all() for values in columns.values())


def test_a_kept_plan_is_read_again(small_set, tmp_path):
    clips = read_clips(small_set)[:8]
    first, again = (scenes(parse("two_source@5"), clips, [], {}, tmp_path, s) for s in (0, 1))
    assert [scene.ID for scene in first] == [scene.ID for scene in again]
    assert sorted(scene.snr_db for scene in first) == [-5.0] * 4 + [5.0] * 4


def test_a_plan_goes_with_its_clips_wherever_they_are_moved(small_set, tmp_path):
    clips = read_clips(small_set)
    drawn = {}
    for name in ("two_source", "mixture", "white_noise"):
        drawn[name] = scenes(parse(name), clips[:8], clips[8:], {}, tmp_path / "here", 0)
    shutil.copytree(small_set, tmp_path / "elsewhere" / "sounds")
    shutil.move(tmp_path / "here", tmp_path / "far" / "away")
    moved = read_clips(tmp_path / "elsewhere" / "sounds")
    for name, before in drawn.items():
        after = scenes(parse(name), moved[:8], moved[8:], {}, tmp_path / "far" / "away", 0)
        assert [scene.ID for scene in after] == [scene.ID for scene in before]
        for one, other in zip(before, after):
            assert str(tmp_path) in other.row.wav
            torch.testing.assert_close(render(one, 8000, 0.5), render(other, 8000, 0.5))


@pytest.mark.parametrize("snr_db", [5, -5])
def test_each_source_of_a_mixture_is_filed_under_its_own_snr(snr_db):
    rows = [("a", snr_db), ("b", -snr_db)]
    frame = pd.DataFrame(rows, columns=["clip", "snr_db"]).assign(condition=f"two_source@{snr_db}")
    frame.loc[2] = ["c", 0.0, "two_source"]
    filed = diagnostics.scored(frame).set_index("clip").condition
    assert filed.to_dict() == {
        "a": f"two_source@{snr_db}",
        "b": f"two_source@{-snr_db}",
        "c": "two_source",
    }


def test_a_clip_that_begins_too_late_is_refused_before_anything_is_measured(
    small_set, tmp_path, capsys
):
    late = tmp_path / "late"
    shutil.copytree(small_set, late)
    for clip in read_clips(late):
        wave, rate = soundfile.read(clip.wav)
        soundfile.write(clip.wav, np.concatenate([np.zeros(rate), wave]), rate)
    with pytest.raises(SystemExit):
        run.main(arguments(late, tmp_path / "out"))
    assert "is silent for 0.5 s, and no more of it would be heard" in capsys.readouterr().err


def test_the_sources_of_a_mixture_stand_at_its_snr(small_set, tmp_path):
    clips = read_clips(small_set)[::7]
    for scene in scenes(parse("two_source@5"), clips, [], {}, tmp_path, 0):
        sounds = render(scene, 32000, 0.5)
        level = 10 * (sounds.own.square().sum() / sounds.rest.square().sum()).log10()
        assert level.item() == pytest.approx(scene.snr_db, abs=0.01)
        torch.testing.assert_close(sounds.mixture, sounds.own + sounds.rest)


def test_what_a_mixture_links_is_resampled_together(small_set, tmp_path):
    """Two clips of one recording, each in a mixture with another: all four prompts are one."""
    clips = read_clips(small_set)[:6]
    clips[1] = clips[1]._replace(src_file=clips[0].src_file)
    found = scenes(parse("two_source"), clips, [], {}, tmp_path, 0)
    names = dict(zip((scene.clip.ID for scene in found), conditions.recordings(found)))
    assert names[clips[0].ID] == names[clips[1].ID]
    for first, second in zip(found[::2], found[1::2]):
        assert names[first.clip.ID] == names[second.clip.ID]
    assert len(set(names.values())) == 2
    alone = [conditions.Scene(clip.ID, clip) for clip in clips]
    assert conditions.recordings(alone) == [clip.src_file for clip in clips]


@pytest.mark.parametrize("name", ["clean@3", "two_source@loud", "", "two_source@nan"])
def test_conditions_that_there_are_not(name):
    with pytest.raises(InputError, match="no condition"):
        parse(name)


def test_every_beginning_is_stratified(small_set):
    clips = read_clips(small_set)
    ordered = stratified(clips, seed=0)
    assert sorted(ordered) == sorted(clips)
    labels = len({clip.label for clip in clips})
    for turn in range(0, len(clips), labels):
        assert len({clip.label for clip in ordered[turn : turn + labels]}) == labels


def test_rows_torn_at_the_first_line_are_begun_again(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"masking": "mel", "cond')
    rows = Rows(path)
    assert rows.rows == []
    row = {"masking": "mel", "condition": conditions.CLEAN, "method": "full-mask", "clip": "a"}
    rows.add([row])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [row]
