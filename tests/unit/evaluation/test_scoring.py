"""The harness, on an untrained decoder: what it counts, not how well anything explains."""

import math

import pandas as pd
import pytest
import torch

from speechbrain_lmac.evaluation.scoring import ClassPrompts, ask, evaluate, explain, write_rows
from speechbrain_lmac.evaluation.tables import (
    MEAN,
    RAW,
    gap_to_energy,
    markdown_table,
    report,
    summarize,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.metrics.faithfulness import METRICS
from speechbrain_lmac.metrics.top_k import BUDGETS

IDS = ["a", "b", "c"]
ASKED = {name: EXPLAINERS[name] for name in ("lmac", "gradcam++", "energy", "random", "full-mask")}


@pytest.fixture
def prompts(text):
    return ClassPrompts(("siren", "rain", "dog"), text)


def test_a_row_for_every_clip_and_method_with_every_budget(model, wavs, prompts):
    rows = evaluate(model, ASKED, [(IDS, wavs)], prompts)
    assert len({(row["clip"], row["method"]) for row in rows}) == len(rows) == 3 * len(ASKED)
    for row in rows:
        assert {"AD", *(f"AD@{100 * budget:g}" for budget in BUDGETS)} <= set(row)


def test_batches_change_nothing(model, wavs, prompts):
    whole = evaluate(model, ASKED, [(IDS, wavs)], prompts)
    parts = [([clip_id], wavs[i : i + 1]) for i, clip_id in enumerate(IDS)]
    keys = ["method", "clip"]
    frames = (pd.DataFrame(rows) for rows in (whole, evaluate(model, ASKED, parts, prompts)))
    one, other = (frame.set_index(keys).sort_index() for frame in frames)
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=2e-3, rtol=1e-3)


class Unheard(Explainer):
    """Says that what the CLAP does not hear explains most."""

    def __call__(self, model, encoded, inputs):
        return torch.rand_like(encoded.power) + 1 - model.classifier.grid(encoded).valid


def test_what_is_not_heard_is_ranked_last(model, wavs, prompts):
    """No map spends its budget there, none gains by knowing better."""
    classifier = model.classifier
    asked = ask(model, IDS, classifier.encode_clips(wavs), prompts)
    heard = classifier.grid(asked.encoded).valid.bool().expand_as(asked.encoded.power)
    for explainer in (Unheard(), EXPLAINERS["full-mask"]):
        ranks = explain(model, explainer, asked).ranks
        for clip_ranks, clip_heard in zip(ranks, heard):
            assert (clip_ranks[clip_heard] < clip_heard.sum()).all()


def test_controls_behave_as_theory_says(model, wavs, prompts):
    rows = evaluate(model, {"full-mask": EXPLAINERS["full-mask"]}, [(IDS, wavs)], prompts)
    raw = summarize(rows, RAW).loc["full-mask"]
    assert raw["AD"] == pytest.approx(0, abs=1e-3)
    assert raw["Fid-In"] == raw["MM"] == 1
    assert raw["SPS"] == pytest.approx(0, abs=1e-6)
    assert raw["COMP/ln"] == pytest.approx(1)
    assert raw["failed"] == raw["silent"] == 0


def test_silent_maps_are_counted_not_dropped(model, wavs, prompts):
    class Nothing(Explainer):
        def __call__(self, model, encoded, inputs):
            return torch.zeros_like(encoded.power)

    rows = evaluate(model, {"nothing": Nothing()}, [(IDS, wavs)], prompts)
    raw = summarize(rows, RAW).loc["nothing"]
    assert raw["silent"] == 1
    assert raw["SPS"] == raw["COMP"] == 0
    assert all(math.isfinite(raw[name]) for name in METRICS)


def test_written_rows_are_read_back(model, wavs, prompts, tmp_path):
    rows = evaluate(model, {"energy": EXPLAINERS["energy"]}, [(IDS, wavs)], prompts)
    write_rows(tmp_path / "metrics.csv", rows)
    frame = pd.read_csv(tmp_path / "metrics.csv")
    assert list(frame.columns) == list(rows[0])
    assert frame["AD"].tolist() == pytest.approx([row["AD"] for row in rows])
    assert not (tmp_path / "metrics.partial").exists()


def test_table_has_a_line_a_method(model, wavs, prompts):
    rows = evaluate(model, ASKED, [(IDS, wavs)], prompts)
    for budget in (MEAN, RAW, 0.05):
        lines = markdown_table(rows, budget).splitlines()
        assert [line.split("|")[1].strip() for line in lines[2:]] == list(ASKED)


def test_report_says_the_gap_to_energy_and_every_budget(model, wavs, prompts):
    rows = evaluate(model, ASKED, [(IDS, wavs)], prompts)
    text = report(rows, "lmac", "three clips")
    assert all(f"top {budget:.0%} of cells" in text for budget in BUDGETS)
    means = summarize(rows, MEAN)
    gap = means.loc["lmac", "AD"] - means.loc["energy", "AD"]
    assert f"AD {gap:+.1f}" in gap_to_energy(rows, "lmac")
    assert gap_to_energy([row for row in rows if row["method"] != "energy"], "lmac") == ""
