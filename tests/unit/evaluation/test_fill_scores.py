"""Faithfulness with other fills, against one masked clip at a time."""

import pandas as pd
import pytest
import torch

from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.evaluation.benchmark.comparison import assess
from speechbrain_lmac.evaluation.benchmark.scores import FILLED
from speechbrain_lmac.evaluation.benchmark.tables import TABLES, make_table
from speechbrain_lmac.evaluation.fill_scores import score_other_fills
from speechbrain_lmac.evaluation.scoring import ClassPrompts, explain, make_batch
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.metrics.top_k import top_k_mask
from tests.unit.evaluation.benchmark.test_tables import make_results


def test_other_fills_replace_masked_bins(model):
    """A masked bin takes the power of its fill, in the masked-in and the masked-out part."""
    classifier, names = model.classifier, tuple(KINDS)[:4]
    prompts = ClassPrompts(names, classifier.audio_classifier.queries(list(names)))
    wavs = torch.stack([synthesize(kind, seed=1, seconds=0.5) for kind in names[:2]])
    encoded = classifier.encode_clips(wavs)
    batch = make_batch(model, ["a", "b"], encoded, prompts)
    attributions = explain(model, EXPLAINERS["energy"], batch)
    scores = score_other_fills(model, batch, attributions, [0.2])
    mask = top_k_mask(attributions.ranks, 0.2) > 0
    for clip in range(2):
        power = encoded.encoder_power[clip : clip + 1]
        fills = {"mean": power.mean(dim=1, keepdim=True)}
        fills["noise_floor"] = power.sort(dim=1).values[:, -(-power.shape[1] // 10) - 1][:, None]
        for name, fill in fills.items():
            parts = (
                power,
                torch.where(mask[clip], power, fill),
                torch.where(mask[clip], fill, power),
            )
            vectors = torch.cat([classifier.domain.encode(part).vector for part in parts])
            found = classifier.probabilities(vectors, batch.prompts.embeddings)
            p, q, r = found[:, batch.target[clip]].tolist()
            drop, lost = scores[f"AD_{name}", 0.2][clip], scores[f"FF_{name}", 0.2][clip]
            assert drop == pytest.approx(100 * max(p - q, 0) / p, abs=0.01)
            assert lost == pytest.approx(p - r, abs=1e-4)


def test_better_under_all_fills_needs_all_fills():
    """The sentence names only methods that are worse with silence and with both other fills."""
    frame = make_results(conditions=("clean",))
    filled = []
    for fill in ("noise_floor", "mean"):
        copy = frame[frame.metric.isin(["AD", "FF", "Fid-In"]) & frame.fraction.notna()].copy()
        if fill == "mean":  # lmac and gradcam++ swap
            swap = {"lmac": "gradcam++", "gradcam++": "lmac"}
            copy["method"] = copy.method.replace(swap)
        filled.append(copy.assign(metric=copy.metric + "_" + fill))
    summary = assess(pd.concat([frame, *filled]), "lmac", resamples=2000)
    title = next(title for title, scores in TABLES.items() if scores == FILLED)
    table = make_table(summary, title, FILLED, "lmac")
    notes = {note.split(",")[0]: note for note in table.notes if "all fills" in note}
    assert notes["lmac in AD"] == "lmac in AD, all fills: better than no method."
    same = [frame, *(part for part in filled if "AD_noise_floor" in set(part.metric))]
    same.append(filled[0].assign(metric=filled[0].metric.str.replace("noise_floor", "mean")))
    summary = assess(pd.concat(same), "lmac", resamples=2000)
    notes = make_table(summary, title, FILLED, "lmac").notes
    assert "lmac in AD, all fills: better than gradcam++." in notes
