"""Experiments on L-MAC: the small classifier, the study and the comparison with the paper."""

import pandas as pd
import pytest
import torch
from torch import nn

from experiments.paper_table_lmac import published, small_classifiers, study
from experiments.paper_table_lmac.small_classifiers import BANDS, WIDTHS, Body, MiniatureCNN14

NAMES = ["dog", "rain", "siren"]


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    """Return a miniature with random weights, for plumbing only, and its head."""
    torch.manual_seed(0)
    body, head = Body(), nn.Linear(WIDTHS[-1], len(NAMES))
    path = tmp_path_factory.mktemp("miniature") / "miniature.safetensors"
    state = {**body.state_dict(), "head.weight": head.weight, "head.bias": head.bias}
    small_classifiers.write(path, {key: value.detach() for key, value in state.items()}, NAMES)
    return MiniatureCNN14(path), body.eval(), head


@torch.no_grad()
def test_miniature_equals_its_network(miniature):
    """Its logits are those of SpeechBrain's front end, the body and the head."""
    classifier, body, head = miniature
    wavs = torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))
    log_mel = (classifier.spectrogram(wavs / wavs.amax(1, keepdim=True)).abs()) @ (
        classifier.filterbank
    )
    assert log_mel.shape[2] == BANDS
    expected = head(body(log_mel.log1p())[0])
    logits = classifier.logits(classifier(wavs).vector, classifier.class_queries(NAMES))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4)


def test_study_has_three_seeds_for_each_cell():
    """Both losses and domains meet both front ends; the level varies for log1p features."""
    rows = study.rows()
    cells = {row[:4] for row in rows}
    assert len(cells) == 12 and len(rows) == len(set(rows)) == 36
    assert {row.seed for row in rows} == {1, 2, 3}
    assert {row.level for row in rows if row.front_end == "log-mel"} == {"recorded"}


def test_study_averages_raw_and_equal_areas(tmp_path):
    """The margin is the mean of ``q - r`` over the four areas."""
    row = study.rows()[0]
    folder = tmp_path / row.slug
    folder.mkdir()
    records = [("L-MAC", "AI", None, 100.0), ("L-MAC", "AI", None, 0.0)]
    records += [("L-MAC", name, None, 0.5) for name in ("AD", "FF", "Fid-In", "MM")]
    records += [("L-MAC", "p_masked_in", area, 0.2 + area) for area in (0.05, 0.1, 0.2, 0.4)]
    records += [("L-MAC", "p_masked_out", area, 0.1) for area in (0.05, 0.1, 0.2, 0.4)]
    frame = pd.DataFrame(records, columns=["method", "metric", "fraction", "value"])
    frame.to_csv(folder / "metrics.csv", index=False)
    (scores,) = study.read_scores(tmp_path).to_dict("records")
    assert scores["AI"] == 50 and scores["q - r"] == pytest.approx(0.1 + 0.75 / 4)
    assert "| L-MAC" in study.summary(study.read_scores(tmp_path))


def test_comparison_prints_both_kinds_of_ad():
    """Each cell of the published row stands beside ours, AD twice."""
    names = [*published.METRICS, "AD_double_softmax"]
    rows = [("mixture", "L-MAC", name, None, 1.0 + i) for i, name in enumerate(names)]
    frame = pd.DataFrame(rows, columns=["condition", "method", "metric", "fraction", "value"])
    text = published.compare(frame)
    assert text.count("61.62") == 1
    assert text.count("4.82") == 2 and text.count("3.83") == 2
