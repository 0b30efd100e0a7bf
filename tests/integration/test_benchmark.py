"""The benchmark on a few half-second sounds: what it measures, stores, resumes and refuses."""

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
from speechbrain_lmac.evaluation.benchmark import conditions, diagnostics, results, run
from speechbrain_lmac.evaluation.benchmark.conditions import make_items, parse, render
from speechbrain_lmac.evaluation.benchmark.config import stratify
from speechbrain_lmac.evaluation.benchmark.results import KEY, RecordFile
from speechbrain_lmac.evaluation.benchmark.systems import DEFAULT
from speechbrain_lmac.evaluation.long_format import to_frame
from speechbrain_lmac.models.base import check_clip_seconds
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.models.input_window import FixedLengthInput
from speechbrain_lmac.pretrained.checkpoint import PRETRAINED
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.runs import benchmark_arguments as arguments

RECORD = {"domain": "mel", "condition": "clean", "method": "full-mask", "clip": "a", "scores": []}


@pytest.fixture(scope="module")
def undisturbed(small_set, tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    run.main(arguments(small_set, output))
    return output


@pytest.fixture(scope="module")
def frame(undisturbed):
    return read_records(undisturbed)


def read_records(folder):
    """Return all scores with all facts in long format, as the run has them in memory."""
    files = [RecordFile(path, decoder_of(path)) for path in sorted(folder.glob("results_*.jsonl"))]
    return to_frame(record for file in files for record in file.records)


def decoder_of(path):
    """Return the hash of the decoder of the last record that involves one."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return next((r["decoder"] for r in reversed(records) if r["decoder"]), "")


def value_of(frame, metric, fraction=None):
    """Return one score, indexed by condition, method and clip."""
    at = frame.fraction.isna() if fraction is None else frame.fraction == fraction
    rows = frame[(frame.metric == metric) & at]
    return rows.set_index(["condition", "method", "clip"]).value


def items_of(frame):
    """Return the facts of all records, one row for each."""
    return frame.drop(columns=["metric", "fraction", "value"]).drop_duplicates([*KEY])


def test_every_score_appears_once(frame):
    """Expensive explainers run on the subset, all others on all clips."""
    keys = [*KEY, "metric", "fraction"]
    assert not frame.duplicated(keys).any()
    items = items_of(frame)
    counts = items[items.condition == "clean"].groupby("method")["clip"].count()
    assert "oracle-irm" not in counts
    expensive = counts.index.str.startswith("scorecam")
    assert (counts[expensive] == 2).all() and (counts[~expensive] == 6).all()


def test_table_file_holds_all_scores(undisturbed, frame):
    """``results.csv.gz`` has the scores of the records, and repeats bit by bit."""
    table = results.read_table(undisturbed)
    pd.testing.assert_frame_equal(table, frame[list(results.COLUMNS)].reset_index(drop=True))
    before = (undisturbed / results.TABLE_FILE).read_bytes()
    records = RecordFile(
        undisturbed / "results_mel.jsonl", decoder_of(undisturbed / "results_mel.jsonl")
    )
    results.write_table(undisturbed, [records])
    assert (undisturbed / results.TABLE_FILE).read_bytes() == before


@pytest.mark.parametrize("condition", ["clean", "two_source"])
def test_tuned_methods_keep_default_rows(undisturbed, frame, condition):
    """A method with another variant than the default has both, on the same clips."""
    tuned = json.loads((undisturbed / "tuning_mel.json").read_text())
    others = {row["method"] for row in tuned if row["chosen"] and not row["default"]}
    items = frame[frame.condition == condition]
    default = set(items.method[items.method.str.endswith(DEFAULT)])
    assert default == {f"{method}{DEFAULT}" for method in others}
    for method in others:
        clips, tuned_clips = (
            set(items["clip"][items.method == m]) for m in (method + DEFAULT, method)
        )
        assert clips == tuned_clips


def test_both_sources_of_a_mixture_are_prompted(frame):
    """Each label is a target once."""
    items = items_of(frame)
    mixed = items[(items.condition == "two_source") & (items.method == "energy")]
    assert sorted(mixed.label) == sorted(mixed.target)
    assert (mixed.label == mixed.target).all()
    assert mixed["clip"].str[:-2].value_counts().eq(2).all()
    assert len(value_of(frame, "SI-SDRi").loc["two_source", "energy"]) == len(mixed)


def test_absent_prompts_are_absent(frame):
    """No absent prompt names a source of its mixture."""
    items = items_of(frame)
    absent = items[items.condition == "absent_prompt"]
    present = items[items.condition == "two_source"].assign(mix=lambda f: f["clip"].str[:-2])
    labels = present.groupby("mix").label.agg(set)
    for row in absent.itertuples():
        assert row.target not in labels[row.clip.removesuffix("-absent_prompt")[:-2]]


def test_localization_needs_the_right_target(frame):
    """SI-SDRi exists where the explained class is the label."""
    noisy = items_of(frame).query("condition == 'white_noise'")
    scored = noisy.set_index(["method", "clip"]).index.isin(
        value_of(frame, "SI-SDRi").loc["white_noise"].index
    )
    assert (scored == (noisy.label == noisy.target)).all()


def test_controls_score_as_theory_says(frame):
    """Full masks lose nothing; the oracle separates best."""
    full = frame[frame.method == "full-mask"]
    assert value_of(full, "AD").max() < 1e-3
    assert (value_of(full, "Fid-In").drop("two_source") == 1).all()
    gains = value_of(frame, "SI-SDRi").loc["two_source"]
    assert gains["full-mask"].abs().max() < 1e-3
    assert (gains["oracle-irm"] > gains["energy"]).all()


def test_records_name_classifier_and_data(frame):
    """One classifier, one manifest for each condition."""
    assert frame[["clap", "manifest"]].notna().all().all()
    assert frame.clap.nunique() == 1 and frame.manifest.nunique() > 1


def test_tables_and_figures_are_written(undisturbed):
    """Summaries in three formats, the table, and figures."""
    for name in ("summary.md", "summary.tex", "summary.csv", "results.csv.gz", "tuning_mel.json"):
        assert (undisturbed / name).stat().st_size
    assert len(list((undisturbed / "figures").glob("*.png"))) >= 4


def assert_same(one, other, atol):
    """Compare scores in any order, except times and passes, which are means over a batch."""
    keys = [*KEY, "metric", "fraction"]
    one, other = (
        f[~f.metric.isin(["seconds", "passes"])].set_index(keys)[
            ["value", "target", "recording", "decoder"]
        ]
        for f in (one, other)
    )
    one, other = one.sort_index(), other.sort_index()
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=atol, rtol=1e-3)


def select(frame, other):
    """Select the records of a frame that another frame has too."""
    keys = pd.MultiIndex.from_frame(other[list(KEY)].drop_duplicates())
    return frame[pd.MultiIndex.from_frame(frame[list(KEY)]).isin(keys)]


def test_batch_size_has_no_effect(small_set, frame, tmp_path):
    """Also for maps of several clips or of many passes."""
    less = {
        "explainers": "[lmac, gradcam, scorecam, shuffled-clip, energy]",
        "conditions": "[clean, two_source]",
        "gallery": False,
    }
    run.main(arguments(small_set, tmp_path, batch_size=1, **less))
    again = read_records(tmp_path)
    assert len(items_of(again)) > 60
    assert_same(select(frame, again), again, atol=2e-3)


def test_interrupted_run_resumes(small_set, undisturbed, frame, tmp_path, monkeypatch):
    """A line cut off by a kill is measured again, complete lines are not."""
    folder = tmp_path / "bench"
    folder.mkdir()
    for name in ("run_config.json", "tuning_mel.json"):
        (folder / name).write_bytes((undisturbed / name).read_bytes())
    lines = (undisturbed / "results_mel.jsonl").read_text().splitlines(keepends=True)
    (folder / "results_mel.jsonl").write_text("".join(lines[:100]) + lines[100][:50])
    added = []
    add = RecordFile.add
    monkeypatch.setattr(RecordFile, "add", lambda self, new: (added.extend(new), add(self, new))[1])
    run.main(arguments(small_set, folder))
    assert len(added) == len(lines) - 100
    assert_same(frame, read_records(folder), atol=1e-6)


def test_baseline_records_serve_all_decoders(small_set, frame, tmp_path, monkeypatch):
    """Baselines measured without an interpreter are not measured again."""
    other = shutil.copytree(PRETRAINED / "mini-mel", tmp_path / "other")
    weights = load_file(other / DECODER_FILE)
    save_file({name: 0.9 * weight for name, weight in weights.items()}, other / DECODER_FILE)
    added = []
    add = RecordFile.add
    monkeypatch.setattr(RecordFile, "add", lambda self, new: (added.extend(new), add(self, new))[1])
    folder, frames = tmp_path / "bench", []
    less = {
        "explainers": "[lmac, shuffled-clip, gradcam, energy]",
        "conditions": "[clean]",
        "num_clips": "{clips: 6, valid_clips: 2, subset: 2, randomized: 0}",
        "gallery": False,
    }
    for source in (None, PRETRAINED / "mini-mel", other, PRETRAINED / "mini-mel"):
        added.clear()
        interpreters = "null" if source is None else f"{{mel: {source}}}"
        run.main(arguments(small_set, folder, interpreters=interpreters, **less))
        frames.append(read_records(folder))
        if source is not None:
            assert {record["method"] for record in added} <= {"LMAC-ZS-D", "shuffled-clip"}
    assert not added, "the records of the first decoder are reused"
    assert_same(select(frame, frames[1]), frames[1], atol=2e-3)
    baselines = [f[f.decoder == ""] for f in frames[1:3]]
    assert_same(*baselines, atol=0)
    drops = [value_of(f[f.method == "LMAC-ZS-D"], "AD") for f in frames[1:3]]
    assert (drops[0] - drops[1]).abs().max() > 0.1


def test_parallel_domains_equal_single_runs(small_set, frame, tmp_path):
    """Two processes give the scores of one."""
    less = {"explainers": "[energy, gradcam]", "conditions": "[clean]", "gallery": False}
    run.main(arguments(small_set, tmp_path, maskings="[mel, stft]", **less))
    both = read_records(tmp_path)
    assert set(both.domain) == {"mel", "stft"}
    again = both[both.method.isin(["energy", "gradcam"]) & (both.domain == "mel")]
    assert_same(select(frame, again), again, atol=2e-3)


def test_passes_are_those_of_the_encoder(frame):
    """Measured passes do not exceed what explainers announce; controls need none."""
    passes = value_of(frame, "passes").groupby("method").mean()
    assert passes["energy"] == passes["LMAC-ZS-D"] == 0
    assert passes["gradcam"] == 2 and passes["scorecam"] > 20


def test_other_settings_are_refused(small_set, undisturbed, capsys):
    """The error names the setting."""
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, undisturbed, classes="present"))
    assert "classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conditions": "[thunder]"}, "conditions must be clean, absent_prompt or one of"),
        ({"conditions": "[speech]"}, "condition speech needs a folder of sounds"),
        ({"explainers": "[shap]"}, "explainers must be from"),
        ({"explainer_kwargs": "{gradcam: {color: red}}"}, "got 'color'"),
        ({"interpreters": "[mel]"}, "interpreters must be a mapping"),
        ({"interpreters": "{mel: mini-stft}"}, "another masking domain"),
        ({"interpreters": "{mel: nowhere}"}, "no interpreter at nowhere"),
        ({"valid_folds": "[]"}, "valid_folds"),
        ({"yamnet_weights": "nowhere.tflite"}, "nowhere.tflite"),
        ({"conditions": "clean"}, "conditions must be written as [a, b], got 'clean'"),
        ({"num_clips": "{clip: 3}"}, "num_clips must have the keys clips"),
        ({"explainer_kwargs": "{gradcamm: {layer: 1}}"}, "got 'gradcamm'"),
        ({"top_k_fractions": "[0.1]"}, "top_k_fractions must be [] or include"),
        ({"conditions": "[two_source@5, two_source@-5]"}, "each two_source level once"),
    ],
)
def test_invalid_settings_are_refused(small_set, tmp_path, capsys, changes, said):
    """Each error is one sentence that names the setting."""
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path, **changes))
    assert said in capsys.readouterr().err


def test_interpreters_must_share_a_method(small_set, tmp_path, capsys):
    """Different methods are refused."""
    for masking in ("mel", "stft"):
        shutil.copytree(PRETRAINED / f"mini-{masking}", tmp_path / masking)
    path = tmp_path / "stft" / "hyperparams.yaml"
    path.write_text(path.read_text().replace("LMAC-ZS-D", "LMAC-ZS-D-others"))
    domains = {m: str(tmp_path / m) for m in ("mel", "stft")}
    with pytest.raises(SystemExit):
        both = {"maskings": "[mel, stft]", "interpreters": json.dumps(domains)}
        run.main(arguments(small_set, tmp_path / "out", **both))
    assert "of one method, got LMAC-ZS-D and LMAC-ZS-D-others" in capsys.readouterr().err


def test_test_clips_must_be_held_out(small_set, tmp_path, capsys):
    """Training recordings of the interpreter are refused."""
    pretrained = PRETRAINED / "mini-mel"
    shutil.copytree(pretrained, tmp_path / "run" / "interpreter")
    clips = read_clips(small_set)
    for name, folds in (("train", [1, 2, 3]), ("valid", [4])):
        manifest.write(tmp_path / "run" / f"{name}.csv", [c for c in clips if c.fold in folds])
    changes = {"interpreters": f"{{mel: {tmp_path / 'run'}}}", "explainers": "[lmac]"}
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path / "out", test_folds="[3]", **changes))
    assert "interpreter was trained or selected on" in capsys.readouterr().err


def test_clips_must_fit_the_input_window():
    """Longer clips are refused."""
    clap = MiniCLAP()
    clap.window = FixedLengthInput(10 * clap.sample_rate, 512, whole_repeats=True)
    check_clip_seconds(clap, 10.0)
    with pytest.raises(InputError, match="clip_seconds must be at most 10"):
        check_clip_seconds(clap, 10.5)


def test_soft_masks_alone_can_be_measured(small_set, tmp_path):
    """As the paper's table needs: no subset, no fractions, no checks."""
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
    frame = read_records(tmp_path)
    assert len(items_of(frame)) == len(value_of(frame, "AD")) == 6 and frame.fraction.isna().all()


def test_record_file_has_one_writer(tmp_path):
    """A second writer is refused."""
    first, second = (RecordFile(tmp_path / "results.jsonl") for _ in range(2))
    first.add([RECORD])
    with pytest.raises(InputError, match="in use by another run"):
        second.add([RECORD])


def test_mixtures_pair_whole_recordings(small_set):
    """Twelve clips of six recordings: each mixture links two."""
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


def test_clips_of_one_class_cannot_be_mixed(small_set):
    """Too many clips of a class are refused."""
    clips = read_clips(small_set)
    alike = [clip for clip in clips if clip.label == clips[0].label]
    with pytest.raises(InputError, match="too many are of its class"):
        contamination.draw_mixtures(alike, "two_source", 0.0, seed=0)


def test_run_without_interpreter_skips_learned(small_set, tmp_path):
    """Explainers that need the decoder are left out."""
    changes = {
        "interpreters": "null",
        "conditions": "[clean]",
        "tune_baselines": False,
        "gallery": False,
    }
    changes["num_clips"] = "{clips: 3, valid_clips: 0, subset: 2, randomized: 0}"
    run.main(arguments(small_set, tmp_path, **changes))
    methods = set(read_records(tmp_path).method)
    assert methods == {"gradcam", "scorecam", "energy", "full-mask"}


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
    filed = diagnostics.scored_conditions(frame).set_index("clip").condition
    assert filed.to_dict() == {
        "a": f"two_source@{snr_db}",
        "b": f"two_source@{-snr_db}",
        "c": "two_source",
    }


def test_silent_beginnings_are_refused(small_set, tmp_path, capsys):
    """A clip that is silent for its first seconds is refused."""
    late = tmp_path / "late"
    shutil.copytree(small_set, late)
    for clip in read_clips(late):
        wave, rate = soundfile.read(clip.wav)
        soundfile.write(clip.wav, np.concatenate([np.zeros(rate), wave]), rate)
    with pytest.raises(SystemExit):
        run.main(arguments(late, tmp_path / "out"))
    assert "must not be silent, for the rest is not used" in capsys.readouterr().err


def test_sources_have_the_snr_of_the_item(small_set, tmp_path):
    """Levels are within 0.01 dB, and sources add up."""
    clips = read_clips(small_set)[::7]
    for item in make_items(parse("two_source@5"), clips, [], {}, tmp_path, 0):
        sounds = render(item, 32000, 0.5)
        level = 10 * (sounds.target.square().sum() / sounds.residual.square().sum()).log10()
        assert level.item() == pytest.approx(item.snr_db, abs=0.01)
        torch.testing.assert_close(sounds.mixture, sounds.target + sounds.residual)


def test_linked_recordings_form_one_group(small_set, tmp_path):
    """Two clips of one recording, each in a mixture with another: all four prompts are one."""
    clips = read_clips(small_set)[:6]
    clips[1] = clips[1]._replace(src_file=clips[0].src_file)
    found = make_items(parse("two_source"), clips, [], {}, tmp_path, 0)
    names = dict(zip((item.clip.ID for item in found), conditions.recording_groups(found)))
    assert names[clips[0].ID] == names[clips[1].ID]
    for first, second in zip(found[::2], found[1::2]):
        assert names[first.clip.ID] == names[second.clip.ID]
    assert len(set(names.values())) == 2
    alone = [conditions.EvaluationItem(clip.ID, clip) for clip in clips]
    assert conditions.recording_groups(alone) == [clip.src_file for clip in clips]


@pytest.mark.parametrize("name", ["clean@3", "two_source@loud", "", "two_source@nan"])
def test_unknown_conditions_are_refused(name):
    """Wrong names and levels."""
    with pytest.raises(InputError, match="conditions must be"):
        parse(name)


def test_stratified_order_balances_classes(small_set):
    """Any first clips hold all classes equally often."""
    clips = read_clips(small_set)
    ordered = stratify(clips, seed=0)
    assert sorted(ordered) == sorted(clips)
    labels = len({clip.label for clip in clips})
    for turn in range(0, len(clips), labels):
        assert len({clip.label for clip in ordered[turn : turn + labels]}) == labels


def test_torn_first_line_is_dropped(tmp_path):
    """The file starts anew."""
    path = tmp_path / "results.jsonl"
    path.write_text('{"domain": "mel", "cond')
    records = RecordFile(path)
    assert records.records == []
    records.add([RECORD])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [RECORD]


@pytest.mark.parametrize("name", results.OLD_FILES)
def test_old_results_are_refused(small_set, tmp_path, capsys, name):
    """A folder of an older version is refused in one sentence, before anything is measured."""
    (tmp_path / name).write_text("")
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path))
    assert f"got {name} of an older version" in capsys.readouterr().err
    assert not (tmp_path / "run_config.json").exists()


def test_debug_uses_few_clips(small_set):
    """``--debug`` is a flag that selects ``debug_num_clips``."""
    words = arguments(small_set, "unused")
    sizes = [run.build([*words, *flag])[0].num_clips["clips"] for flag in ([], ["--debug"])]
    assert sizes == [6, 6] and run.build([*words, "--debug"])[0].num_clips["subset"] == 1
