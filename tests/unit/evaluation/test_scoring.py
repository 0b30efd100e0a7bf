"""Scoring on an untrained decoder: bookkeeping, not the quality of explanations."""

import math

import pandas as pd
import pytest
import soundfile
import torch

from speechbrain_lmac.evaluation.encoder_passes import EncoderPasses
from speechbrain_lmac.evaluation.evaluate import evaluate, evaluate_explainers, write_scores
from speechbrain_lmac.evaluation.scoring import (
    ClassPrompts,
    explain,
    make_batch,
    score_faithfulness,
)
from speechbrain_lmac.evaluation.tables import (
    MEAN,
    RAW,
    gap_to_energy,
    markdown_table,
    mean_scores,
    report,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.metrics.registry import MASK_METRICS
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.utils.errors import InputError

IDS = ["a", "b", "c"]
CHOSEN = {name: EXPLAINERS[name] for name in ("lmac", "gradcam++", "energy", "random", "full-mask")}


@pytest.fixture
def prompts(text):
    return ClassPrompts(("siren", "rain", "dog"), text)


def test_scores_cover_clips_methods_fractions(model, wavs, prompts):
    """One AD per clip, method and fraction."""
    scores = evaluate(model, CHOSEN, [(IDS, wavs)], prompts)
    drops = scores[scores.metric == "AD"]
    assert not drops.duplicated(["method", "clip", "fraction"]).any()
    assert len(drops) == 3 * len(CHOSEN) * (1 + len(TOP_K_FRACTIONS))
    assert set(drops.fraction.dropna()) == set(TOP_K_FRACTIONS)


def test_scores_ignore_the_batch(model, wavs, prompts):
    """One batch of three equals three batches of one."""
    together = evaluate(model, CHOSEN, [(IDS, wavs)], prompts)
    parts = [([clip_id], wavs[i : i + 1]) for i, clip_id in enumerate(IDS)]
    keys = ["method", "clip", "target", "metric", "fraction"]
    frames = together, evaluate(model, CHOSEN, parts, prompts)
    one, other = (frame.set_index(keys).sort_index() for frame in frames)
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=2e-3, rtol=1e-3)


class IgnoredBins(Explainer):
    """Prefers the bins that the encoder ignores."""

    def __call__(self, model, encoded, inputs):
        return torch.rand_like(encoded.power) + 1 - model.classifier.grid(encoded).valid


def test_ignored_bins_are_ranked_last(model, wavs, prompts):
    """No map spends mask area on them."""
    classifier = model.classifier
    batch = make_batch(model, IDS, classifier.encode_clips(wavs), prompts)
    valid = classifier.grid(batch.encoded).valid.bool().expand_as(batch.encoded.power)
    for explainer in (IgnoredBins(), EXPLAINERS["full-mask"]):
        ranks = explain(model, explainer, batch).ranks
        for clip_ranks, clip_valid in zip(ranks, valid):
            assert (clip_ranks[clip_valid] < clip_valid.sum()).all()


def test_full_mask_scores_follow_theory(model, wavs, prompts):
    """Nothing drops, nothing is sparse."""
    rows = evaluate(model, {"full-mask": EXPLAINERS["full-mask"]}, [(IDS, wavs)], prompts)
    raw = mean_scores(rows, RAW).loc["full-mask"]
    assert raw["AD"] == pytest.approx(0, abs=1e-3)
    assert raw["Fid-In"] == raw["MM"] == 1
    assert raw["SPS"] == pytest.approx(0, abs=1e-6)
    assert raw["COMP_relative"] == pytest.approx(1)
    assert raw["failed"] == raw["silent"] == 0


def test_silent_maps_are_counted(model, wavs, prompts):
    """Zeros have finite scores."""

    class Nothing(Explainer):
        def __call__(self, model, encoded, inputs):
            return torch.zeros_like(encoded.power)

    rows = evaluate(model, {"nothing": Nothing()}, [(IDS, wavs)], prompts)
    raw = mean_scores(rows, RAW).loc["nothing"]
    assert raw["silent"] == 1
    assert raw["SPS"] == raw["COMP"] == 0
    assert all(math.isfinite(raw[name]) for name in MASK_METRICS)


def test_written_scores_are_read_back(model, wavs, prompts, tmp_path):
    """CSV keeps columns and values."""
    rows = evaluate(model, {"energy": EXPLAINERS["energy"]}, [(IDS, wavs)], prompts)
    write_scores(tmp_path / "metrics.csv", rows)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "metrics.csv"), rows)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_table_has_one_row_per_method(model, wavs, prompts):
    """In the order of the explainers."""
    rows = evaluate(model, CHOSEN, [(IDS, wavs)], prompts)
    for fraction in (MEAN, RAW, 0.05):
        lines = markdown_table(rows, fraction).splitlines()
        assert [line.split("|")[1].strip() for line in lines[2:]] == list(CHOSEN)


def test_report_has_fractions_and_energy_gap(model, wavs, prompts):
    """Without the energy control there is no gap."""
    rows = evaluate(model, CHOSEN, [(IDS, wavs)], prompts)
    text = report(rows, "lmac", "three clips")
    assert all(f"Top {fraction:.0%} of T-F bins" in text for fraction in TOP_K_FRACTIONS)
    means = mean_scores(rows, MEAN)
    gap = means.loc["lmac", "AD"] - means.loc["energy", "AD"]
    assert f"AD {gap:+.1f}" in gap_to_energy(rows, "lmac")
    assert gap_to_energy(rows[rows.method != "energy"], "lmac") == ""


class Constant(Explainer):
    """Maps of one value."""

    def __init__(self, value):
        self.value = value

    def __call__(self, model, encoded, inputs):
        return torch.full_like(encoded.power, self.value)


@pytest.mark.parametrize(
    ("value", "counts"),
    [(0.0, (0, 1, 1)), (3.0, (0, 0, 1)), (torch.nan, (1, 1, 1)), (torch.inf, (1, 1, 1))],
)
def test_degenerate_maps_are_counted(model, wavs, prompts, value, counts):
    """Zeros, constants, NaN and infinite maps have finite scores."""
    batch = make_batch(model, IDS, model.classifier.encode_clips(wavs), prompts)
    scores = score_faithfulness(model, batch, explain(model, Constant(value), batch))
    names = ("failed", "silent", "constant")
    assert tuple(scores[name, None][1] for name in names) == counts
    assert all(torch.tensor(values).isfinite().all() for values in scores.values())


def test_passes_count_forward_and_backward(model, wavs, prompts):
    """Saliency needs one of each per clip, a control none."""
    batch = make_batch(model, IDS, model.classifier.encode_clips(wavs), prompts)
    passes = {name: explain(model, EXPLAINERS[name], batch).passes for name in CHOSEN}
    assert passes == {"lmac": 0, "gradcam++": 2, "energy": 0, "random": 0, "full-mask": 0}
    layer = torch.nn.Linear(2, 1)
    with EncoderPasses(layer) as counter, torch.no_grad():
        layer(torch.zeros(3, 2))
    layer(torch.zeros(3, 2))
    assert counter.count == 3


def test_evaluate_explainers_reads_files(model, wavs, tmp_path):
    """Files, dictionaries and tensors of the same clips give the same scores."""
    rate = model.classifier.audio_classifier.sample_rate
    paths = [str(tmp_path / f"{name}.wav") for name in IDS]
    for path, wav in zip(paths, wavs):
        soundfile.write(path, wav.numpy(), rate, "FLOAT")
    names, seconds = ["siren", "rain", "dog"], wavs.shape[1] / rate
    settings = {"explainers": ["energy", "gradcam++"], "clip_seconds": seconds}
    files = evaluate_explainers(model, paths, names, batch_size=2, **settings)
    arrays = dict(zip(paths, wavs))
    together = evaluate_explainers(model, arrays, names, **settings)
    keys = ["method", "clip", "metric", "fraction"]
    one, other = (frame.sort_values(keys, ignore_index=True) for frame in (files, together))
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=2e-3, rtol=1e-3)
    assert list(files) == ["method", "clip", "target", "metric", "fraction", "value"]


def test_evaluate_explainers_explains_targets(model, wavs):
    """Given targets replace the predictions."""
    names = ["siren", "rain", "dog"]
    settings = {"explainers": {"full": EXPLAINERS["full-mask"]}, "clip_seconds": 0.5}
    scores = evaluate_explainers(model, wavs, names, targets=["dog"] * 3, **settings)
    assert set(scores.target) == {"dog"} and set(scores["clip"]) == {"0", "1", "2"}
    predicted = evaluate_explainers(model, wavs, names, fractions=[], **settings)
    assert set(predicted.target) != {"dog"} and predicted.fraction.isna().all()


def test_explainer_of_a_classifier_has_its_own_name(model, wavs):
    """Without a decoder, nothing is named lmac, and the masks are those of the interpreter."""
    network = ExplainerNetwork(model.classifier, "energy")
    settings = {"clip_seconds": 0.5, "fractions": [0.2]}
    scores = evaluate_explainers(
        network, wavs, ["rain", "dog"], ("lmac", "gradcam++", "energy"), **settings
    )
    assert list(scores.method.unique()) == ["energy", "gradcam++"]
    own = evaluate_explainers(
        network, wavs, ["rain", "dog"], {"energy": EXPLAINERS["lmac"]}, **settings
    )
    pd.testing.assert_frame_equal(scores[scores.method == "energy"].reset_index(drop=True), own)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"explainers": ["shap"]}, "explainers must be from .*, got 'shap'"),
        ({"explainers": ["oracle-irm"]}, "oracle-irm needs .*only evaluate.py"),
        ({"targets": ["cat"] * 3}, "targets must be one of class_names"),
        ({"targets": ["dog"]}, "for each of 3 sounds"),
    ],
)
def test_evaluate_explainers_refuses_settings(model, wavs, changes, message):
    """Each error names the setting and its value."""
    with pytest.raises(InputError, match=message):
        evaluate_explainers(model, wavs, ["rain", "dog"], **{"clip_seconds": 0.5, **changes})
