"""Compare interpreters with baselines under every fill of the masked-out bins.

Usage: python -m experiments.gradient_features.compare_fills DATA
           --interpreters G=results/mel-g D=results/mel [--folds 5] [--clips 80]

Clips are explained for the predicted class. Integrated gradients have the sign and the blur that
the benchmark chose on fold 4, and in a second row positive signs and a blur of 2 bins. The tables
have the mean of AD, FF and Fid-In over the top 5, 10, 20 and 40 % of T-F bins, the mean of the
smallest areas that suffice and whose removal changes the decision (under silence), and the paired
differences of the first interpreter to each row.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import torch
from tqdm import tqdm

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.data.datasets import class_names, read_clips
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.evaluation.area_scores import score_areas
from speechbrain_lmac.evaluation.benchmark.clips import stratify
from speechbrain_lmac.evaluation.fill_scores import score_fills
from speechbrain_lmac.evaluation.scoring import (
    ClassPrompts,
    EvaluationBatch,
    explain,
    make_batch,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.masking.domains import StftDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.metrics.statistics import paired_difference
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.utils.errors import report_errors

SECONDS = 5.0
BATCH = 8
TUNED = {
    "mel": IntegratedGradients(sign="absolute", smoothing=0.0),
    "stft": IntegratedGradients(sign="positive", smoothing=8.0),
}
"""Masking domain -> integrated gradients, tuned on fold 4."""
BASELINES = ("integrated-gradients", "integrated-gradients (positive)", "gradcam++", "energy")


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all rows and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with the layout of ESC-50 or UrbanSound8K")
    parser.add_argument("--interpreters", nargs="+", required=True, metavar="NAME=SOURCE")
    parser.add_argument("--folds", type=int, nargs="+", default=[5])
    parser.add_argument("--clips", type=int, default=80)
    parser.add_argument("--exclude_sources_from", metavar="FOLDER", help="data trained on")
    parser.add_argument("--baselines", nargs="+", default=list(BASELINES), choices=BASELINES)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    sources = dict(text.split("=", 1) for text in options.interpreters)
    run_opts = {"device": options.device}
    models = {
        name: Interpreter.from_hparams(source=source, run_opts=run_opts).model
        for name, source in sources.items()
    }
    clips = [clip for clip in read_clips(options.data) if clip.fold in options.folds]
    names = class_names(options.data, clips, "dataset")
    if options.exclude_sources_from:
        known = {clip.src_file for clip in read_clips(options.exclude_sources_from)}
        clips = [clip for clip in clips if clip.src_file not in known]
    clips = stratify(clips, seed=0)[: options.clips]
    explainers = baselines(next(iter(models.values())), options.baselines)
    rows = measure(models, explainers, clips, names)
    means, differences = tabulate(pd.DataFrame(list(rows)))
    print(means.to_markdown(), differences.to_markdown(), sep="\n\n")


def baselines(model: InterpreterNetwork, names: Sequence[str]) -> dict[str, Explainer]:
    """Return the baselines with these names."""
    tuned = TUNED["stft" if isinstance(model.classifier.domain, StftDomain) else "mel"]
    positive = IntegratedGradients(sign="positive", smoothing=2.0)
    explainers = {**EXPLAINERS, BASELINES[0]: tuned, BASELINES[1]: positive}
    return {name: explainers[name] for name in names}


def measure(
    models: dict[str, InterpreterNetwork],
    explainers: dict[str, Explainer],
    clips: Sequence[Clip],
    names: tuple[str, ...],
) -> Iterator[dict[str, object]]:
    """Yield the scores of every clip, method, fill and fraction."""
    first = next(iter(models.values()))
    classifier = first.classifier.audio_classifier
    prompts = ClassPrompts(names, classifier.class_queries(names, [TEMPLATE]))
    methods = {name: (model, EXPLAINERS["lmac"]) for name, model in models.items()}
    methods |= {name: (first, explainer) for name, explainer in explainers.items()}
    for start in tqdm(range(0, len(clips), BATCH)):
        part = clips[start : start + BATCH]
        rate = classifier.sample_rate
        wavs = torch.stack([load_clip(clip.wav, rate, SECONDS) for clip in part])
        for name, (model, explainer) in methods.items():
            encoded = model.classifier.encode_clips(wavs.to(model.classifier.device))
            batch = make_batch(model, [clip.ID for clip in part], encoded, prompts)
            for row in score(model, explainer, batch):
                recording = part[row.pop("place")].src_file
                yield {"method": name, "recording": recording, **row}


def score(
    model: InterpreterNetwork, explainer: Explainer, batch: EvaluationBatch
) -> Iterator[dict[str, object]]:
    """Yield the scores of one explainer on a batch."""
    attributions = explain(model, explainer, batch)
    for (metric, _), areas in score_areas(model, batch, attributions).items():
        yield from _rows(batch, "silence", metric, areas)
    scores = score_fills(model, batch, attributions, TOP_K_FRACTIONS)
    for (metric, fill, _), values in scores.items():
        yield from _rows(batch, fill, metric, values)


def _rows(
    batch: EvaluationBatch, fill: str, metric: str, values: Iterable[float]
) -> Iterator[dict[str, object]]:
    for place, (clip, value) in enumerate(zip(batch.ids, values)):
        row = {"place": place, "clip": clip, "fill": fill, "metric": metric}
        yield {**row, "value": float(value)}


def tabulate(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the means, and the paired differences of the first method with their intervals."""
    keys = ["fill", "metric", "recording", "clip"]
    scores = rows.groupby(["method", *keys], sort=False).value.mean().unstack("method")
    means = scores.groupby(["fill", "metric"], sort=False).mean().T.round(3)
    means.columns = [" ".join(pair) for pair in means.columns]
    first, *others = scores.columns
    table: dict[str, dict[object, str]] = {}
    for name in others:
        for pair, part in scores.groupby(["fill", "metric"], sort=False):
            recordings = part.index.get_level_values("recording")
            found = paired_difference(part[first], part[name], recordings)
            text = f"{found.difference:+.3g} [{found.low:.3g}, {found.high:.3g}]"
            table.setdefault(f"{first} minus {name}", {})[" ".join(pair)] = text
    return means, pd.DataFrame(table).T


if __name__ == "__main__":
    main()
