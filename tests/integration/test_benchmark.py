"""The benchmark on a few half-second clips: scores, files, and resumed runs."""

import json
import shutil

import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from speechbrain_lmac.evaluation.benchmark import figures, results, run, tables
from speechbrain_lmac.evaluation.benchmark.results import KEY, RecordFile
from speechbrain_lmac.evaluation.benchmark.systems import DEFAULT
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.pretrained.finding import PRETRAINED
from tests.helpers.records import decoder_of, items_of, read_records, value_of
from tests.helpers.runs import benchmark_arguments as arguments

NO_SANITY_CHECK = "{clips: 3, valid_clips: 2, subset: 2, randomized: 0}"
"""Numbers of clips of the uninterrupted run, with no clip of randomized models."""


@pytest.fixture(scope="module")
def uninterrupted(small_set, tmp_path_factory):
    """Results folder of an uninterrupted run."""
    output = tmp_path_factory.mktemp("bench")
    run.main(arguments(small_set, output))
    return output


@pytest.fixture(scope="module")
def frame(uninterrupted):
    """All scores of the uninterrupted run."""
    return read_records(uninterrupted)


def test_every_score_appears_once(frame):
    """Expensive explainers run on the subset, the other explainers on all clips."""
    assert not frame.duplicated([*KEY, "metric", "fraction"]).any()
    items = items_of(frame)
    counts = items[items.condition == "clean"].groupby("method")["clip"].count()
    assert "oracle-irm" not in counts
    expensive = counts.index.str.startswith("scorecam")
    assert (counts[expensive] == 2).all() and (counts[~expensive] == 3).all()


def test_table_file_holds_all_scores(uninterrupted, frame):
    """``results.csv.gz`` has the scores of the records, and repeats bit by bit."""
    table = results.read_table(uninterrupted)
    pd.testing.assert_frame_equal(table, frame[list(results.COLUMNS)].reset_index(drop=True))
    before = (uninterrupted / results.TABLE_FILE).read_bytes()
    records = RecordFile(
        uninterrupted / "results_mel.jsonl", decoder_of(uninterrupted / "results_mel.jsonl")
    )
    results.write_table(uninterrupted, [records])
    assert (uninterrupted / results.TABLE_FILE).read_bytes() == before


@pytest.mark.parametrize("condition", ["clean", "two_source"])
def test_tuned_methods_keep_default_rows(uninterrupted, frame, condition):
    """A tuned method has rows of the chosen and of the default variant, on equal clips."""
    tuned = json.loads((uninterrupted / "tuning_mel.json").read_text())
    changed = {row["method"] for row in tuned if row["chosen"] and not row["default"]}
    items = frame[frame.condition == condition]
    default = set(items.method[items.method.str.endswith(DEFAULT)])
    assert default == {f"{method}{DEFAULT}" for method in changed}
    for method in changed:
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
    assert frame[["classifier", "manifest"]].notna().all().all()
    assert frame.classifier.nunique() == 1 and frame.manifest.nunique() > 1


def test_tables_and_figures_are_written(uninterrupted):
    """Summaries in three formats, the table, and figures."""
    for name in ("summary.md", "summary.tex", "summary.csv", "results.csv.gz", "tuning_mel.json"):
        assert (uninterrupted / name).stat().st_size
    assert len(list((uninterrupted / "figures").glob("*.png"))) >= 4


@pytest.fixture
def records_only(monkeypatch):
    """Write no summaries and no figures, which take as long as the records of few clips."""
    monkeypatch.setattr(tables, "write_summary", lambda *facts: None)
    monkeypatch.setattr(figures, "draw_all", lambda *facts: None)


@pytest.fixture
def added(monkeypatch):
    """Records that a run adds to its files."""
    records, add = [], RecordFile.add
    monkeypatch.setattr(RecordFile, "add", lambda self, new: records.extend(new) or add(self, new))
    return records


def assert_same(one, other, atol):
    """Compare scores in any order, without times and passes, which are means over a batch."""
    keys = [*KEY, "metric", "fraction"]
    columns = ["value", "target", "recording", "decoder"]
    one, other = (
        frame[~frame.metric.isin(["seconds", "passes"])].set_index(keys)[columns].sort_index()
        for frame in (one, other)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=atol, rtol=1e-3)


def select(frame, other):
    """Select the records of a frame that another frame has too."""
    keys = pd.MultiIndex.from_frame(other[list(KEY)].drop_duplicates())
    return frame[pd.MultiIndex.from_frame(frame[list(KEY)]).isin(keys)]


@pytest.mark.usefixtures("records_only")
def test_batch_size_has_no_effect(small_set, frame, tmp_path):
    """Also for attribution maps that need several clips or many passes."""
    fewer = {
        "explainers": "[lmac, gradcam, scorecam, shuffled-clip, energy]",
        "conditions": "[two_source]",
        "num_clips": NO_SANITY_CHECK,
        "gallery": False,
    }
    run.main(arguments(small_set, tmp_path, batch_size=1, **fewer))
    again = read_records(tmp_path)
    assert len(items_of(again)) > 12
    assert_same(select(frame, again), again, atol=2e-3)


@pytest.mark.usefixtures("records_only")
def test_interrupted_run_resumes(small_set, uninterrupted, frame, tmp_path, added):
    """A truncated line and the lines after it are measured again, complete lines are not."""
    folder = tmp_path / "bench"
    folder.mkdir()
    for name in ("run_config.json", "tuning_mel.json"):
        (folder / name).write_bytes((uninterrupted / name).read_bytes())
    lines = (uninterrupted / "results_mel.jsonl").read_text().splitlines(keepends=True)
    complete = len(lines) * 3 // 4
    (folder / "results_mel.jsonl").write_text("".join(lines[:complete]) + lines[complete][:50])
    run.main(arguments(small_set, folder, gallery=False))
    assert len(added) == len(lines) - complete
    assert_same(frame, read_records(folder), atol=1e-6)


@pytest.mark.usefixtures("records_only")
def test_baseline_records_serve_all_decoders(small_set, frame, tmp_path, added):
    """Baselines measured without an interpreter are not measured again."""
    other = shutil.copytree(PRETRAINED / "mini-mel", tmp_path / "other")
    weights = load_file(other / DECODER_FILE)
    save_file({name: 0.9 * weight for name, weight in weights.items()}, other / DECODER_FILE)
    folder, frames = tmp_path / "bench", []
    fewer = {
        "explainers": "[lmac, shuffled-clip, gradcam, energy]",
        "conditions": "[clean]",
        "num_clips": NO_SANITY_CHECK,
        "gallery": False,
    }
    for source in (None, PRETRAINED / "mini-mel", other, PRETRAINED / "mini-mel"):
        added.clear()
        interpreters = "null" if source is None else f"{{mel: {source}}}"
        run.main(arguments(small_set, folder, interpreters=interpreters, **fewer))
        frames.append(read_records(folder))
        if source is not None:
            assert {record["method"] for record in added} <= {"LMAC-ZS-G", "shuffled-clip"}
    assert not added, "the records of the first decoder are reused"
    assert_same(select(frame, frames[1]), frames[1], atol=2e-3)
    baselines = [f[f.decoder == ""] for f in frames[1:3]]
    assert_same(*baselines, atol=0)
    inside = [value_of(f[f.method == "LMAC-ZS-G"], "p_masked_in") for f in frames[1:3]]
    assert (inside[0] - inside[1]).abs().max() > 1e-4


@pytest.mark.usefixtures("records_only")
def test_parallel_domains_equal_single_runs(small_set, frame, tmp_path):
    """Two processes give the scores of one."""
    fewer = {"explainers": "[energy, gradcam]", "conditions": "[clean]", "gallery": False}
    fewer["num_clips"] = NO_SANITY_CHECK
    run.main(arguments(small_set, tmp_path, maskings="[mel, stft]", **fewer))
    both = read_records(tmp_path)
    assert set(both.domain) == {"mel", "stft"}
    again = both[both.method.isin(["energy", "gradcam"]) & (both.domain == "mel")]
    assert_same(select(frame, again), again, atol=2e-3)


def test_passes_are_those_of_the_encoder(frame):
    """Encoder passes are measured: none for controls and LMAC, two for Grad-CAM."""
    passes = value_of(frame, "passes").groupby("method").mean()
    assert passes["energy"] == passes["LMAC-ZS-G"] == 0
    assert passes["gradcam"] == 2 and passes["scorecam"] > 20


def test_other_settings_are_refused(small_set, uninterrupted, capsys):
    """The error names the setting."""
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, uninterrupted, classes="present"))
    assert "classes" in capsys.readouterr().err


def test_soft_masks_alone_can_be_measured(small_set, tmp_path):
    """The table of the paper needs no subset, no fractions and no sanity checks."""
    changes = {
        "explainers": "[lmac, gradcam]",
        "top_k_fractions": "[]",
        "tune_baselines": False,
        "subset_only_explainers": "[]",
        "conditions": "[clean]",
        "num_clips": "{clips: 3, valid_clips: 0, subset: 0, randomized: 0}",
    }
    run.main(arguments(small_set, tmp_path, **changes))
    frame = read_records(tmp_path)
    assert len(items_of(frame)) == len(value_of(frame, "AD")) == 6 and frame.fraction.isna().all()


@pytest.mark.usefixtures("records_only")
def test_run_without_interpreter_skips_learned(small_set, tmp_path):
    """Explainers that need the decoder are skipped."""
    changes = {
        "interpreters": "null",
        "conditions": "[clean]",
        "tune_baselines": False,
        "gallery": False,
        "num_clips": "{clips: 3, valid_clips: 0, subset: 2, randomized: 0}",
    }
    run.main(arguments(small_set, tmp_path, **changes))
    methods = set(read_records(tmp_path).method)
    assert methods == {"gradcam", "scorecam", "energy", "full-mask"}
