"""Before and after: is a trained decoder better than the pretrained one and other explainers?"""

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import speechbrain as sb
from tqdm import tqdm

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation.benchmark.clips import stratify
from speechbrain_lmac.evaluation.evaluate import Batch, evaluate, write_scores
from speechbrain_lmac.evaluation.tables import MEAN, mean_scores
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.metrics.registry import METRICS, TOP_K_METRICS
from speechbrain_lmac.metrics.statistics import LEVEL, Difference, holm, paired_difference
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.pretrained.decoder_weights import load_decoder
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.data import clip_dataset
from speechbrain_lmac.utils.files import write_text

MAX_CLIPS = 80
"""Number of held-out clips that are compared at most, stratified by class."""
STEPS = 8
PRETRAINED = "pretrained decoder"
TRAINING_FREE: dict[str, Explainer] = {
    "gradcam++": EXPLAINERS["gradcam++"],
    f"integrated gradients, {STEPS} steps": IntegratedGradients("positive", 2.0, steps=STEPS),
    "energy": EXPLAINERS["energy"],
}
"""Explainers that need no training. The last one ignores the prompt."""
logger = logging.getLogger(__name__)


class Comparison(NamedTuple):
    """Trained decoder minus another method, in one metric."""

    method: str
    metric: str
    gap: Difference
    p: float
    """P-value after Holm's correction for all comparisons."""

    @property
    def outcome(self) -> int:
        """1 if the trained decoder is significantly better, -1 if it is worse, otherwise 0."""
        if not self.p < LEVEL:
            return 0
        return 1 if (self.gap.difference > 0) == METRICS[self.metric].higher_is_better else -1


def report_improvement(
    brain: LMACBrain,
    clips: Sequence[Clip],
    explainers: Mapping[str, Explainer],
    hparams: dict[str, Any],
) -> None:
    """Compare the trained decoder with the one that training started from, and log a verdict.

    Arguments
    ---------
    brain : LMACBrain
        Brain with the trained decoder.
    clips : sequence of Clip
        Held-out clips.
    explainers : dict
        Name of the trained method -> its explainer, and the baselines of the settings.
    hparams : dict
        Settings, with ``pretrained_decoder`` and ``output_folder``.
    """
    folder, method = Path(hparams["output_folder"]), next(iter(explainers))
    clips = stratify(clips, hparams["seed"])[:MAX_CLIPS]
    rows = measure(brain, clips, {**explainers, **TRAINING_FREE}, hparams)
    write_scores(folder / "metrics.csv", rows)
    comparisons = compare(rows, method, {clip.ID: clip.src_file for clip in clips})
    what = (
        f"{len(clips)} held-out clips of {len(brain.prompts.names)} classes, "
        f"{hparams['masking']} masking, mean over the top 5, 10, 20 and 40 % of T-F bins"
    )
    text = describe(rows, comparisons, method, what, len({clip.src_file for clip in clips}))
    write_text(folder / "results.md", text)
    logger.info("\n%s", text)
    logger.info(
        "scores of each clip: %s. Next: speechbrain-lmac explain FILE --source %s",
        folder / "metrics.csv",
        folder,
    )


def measure(
    brain: LMACBrain,
    clips: Sequence[Clip],
    explainers: Mapping[str, Explainer],
    hparams: dict[str, Any],
) -> pd.DataFrame:
    """Score the explainers and the pretrained decoder on clips, in long format."""
    loader = brain.make_dataloader(
        clip_dataset(clips, hparams), sb.Stage.TEST, ckpt_prefix=None, **hparams["valid_loader"]
    )
    batches: list[Batch] = [
        (batch.id, batch.sig.data.to(brain.device)) for batch in tqdm(loader, "reading")
    ]
    decoder = copy.deepcopy(brain.model.decoder)
    load_decoder(decoder, hparams["pretrained_decoder"])
    before = InterpreterNetwork(brain.model.classifier, decoder).eval()
    return pd.concat(
        [
            evaluate(brain.model, explainers, batches, brain.prompts),
            evaluate(before, {PRETRAINED: EXPLAINERS["lmac"]}, batches, brain.prompts),
        ],
        ignore_index=True,
    )


def compare(rows: pd.DataFrame, method: str, recordings: Mapping[str, str]) -> list[Comparison]:
    """Compare one method with each other method on the same clips.

    Arguments
    ---------
    rows : pandas.DataFrame
        Scores in long format.
    method : str
        Method that is compared.
    recordings : dict
        Clip ID -> recording; clips of one recording are not independent.

    Returns
    -------
    list of Comparison
        The pretrained decoder first; AD, FF and Fid-In of each method.
    """
    chosen = rows[rows.metric.isin(TOP_K_METRICS) & rows.fraction.isin(TOP_K_FRACTIONS)]
    scores = chosen.groupby(["metric", "clip", "method"], sort=False).value.mean().unstack("method")
    names = [str(name) for name in rows.method.unique() if name != method]
    others = sorted(names, key=lambda name: name != PRETRAINED)
    pairs = [(name, metric) for name in others for metric in TOP_K_METRICS]
    gaps = []
    for name, metric in pairs:
        part = scores.xs(metric)
        gaps.append(paired_difference(part[method], part[name], part.index.map(recordings)))
    corrected = holm(np.array([gap.p for gap in gaps]))
    return [Comparison(*pair, gap, float(p)) for pair, gap, p in zip(pairs, gaps, corrected)]


def describe(
    rows: pd.DataFrame,
    comparisons: Sequence[Comparison],
    method: str,
    what: str,
    num_recordings: int,
) -> str:
    """Write the means, the differences with their intervals, and the verdict as Markdown."""
    means = mean_scores(rows, MEAN).loc[[method, *dict.fromkeys(c.method for c in comparisons)]]
    headings = [METRICS[str(name)].heading for name in means]
    formats = tuple(f".{METRICS[str(name)].decimals}f" for name in means)
    means.index = [f"trained decoder ({method})", *means.index[1:]]
    table: dict[str, dict[str, str]] = {}
    for each in comparisons:
        heading = METRICS[each.metric].heading
        table.setdefault(each.method, {})[heading] = _interval(each)
    gaps = pd.DataFrame(table).T
    parts = [
        f"Before and after: {what}",
        means.to_markdown(headers=["method", *headings], floatfmt=("", *formats)),
        "Trained decoder minus each method, 95 % interval (*: p < 0.05 after Holm's correction)",
        gaps.to_markdown(),
        verdict(comparisons, num_recordings),
    ]
    return "\n\n".join(parts) + "\n"


def _interval(comparison: Comparison) -> str:
    decimals = METRICS[comparison.metric].decimals
    gap, low, high = (f"{value:+.{decimals}f}" for value in comparison.gap[:3])
    return f"{gap} [{low}, {high}]{' *' if comparison.outcome else ''}"


def verdict(comparisons: Sequence[Comparison], num_recordings: int) -> str:
    """Say in one sentence which methods the trained decoder is better and worse than.

    Arguments
    ---------
    comparisons : sequence of Comparison
        Comparisons of the trained decoder with other methods.
    num_recordings : int
        Number of different held-out recordings.

    Returns
    -------
    str
    """
    smallest_p = len(comparisons) * 2.0 ** (1 - num_recordings)
    if smallest_p >= LEVEL:
        needed = next(n for n in range(100) if len(comparisons) * 2.0 ** (1 - n) < LEVEL)
        return (
            f"Verdict: {num_recordings} held-out sounds are too few to tell whether the trained "
            f"decoder is better; {needed} or more are needed."
        )
    groups: dict[str, list[str]] = {}
    for method in dict.fromkeys(each.method for each in comparisons):
        found = {each.metric: each.outcome for each in comparisons if each.method == method}
        groups.setdefault(_relation(found), []).append(
            f"the {method}" if method == PRETRAINED else method
        )
    clauses = [f"{relation} {_join(methods)}" for relation, methods in groups.items()]
    return f"Verdict: on held-out clips, the trained decoder is {_join(clauses, '; ')}."


def _relation(outcomes: Mapping[str, int]) -> str:
    """Relation to one method: a significant difference in all, some or none of the metrics."""
    better = [name for name, outcome in outcomes.items() if outcome > 0]
    worse = [name for name, outcome in outcomes.items() if outcome < 0]
    if better and worse:
        return f"better in {_join(better)} but worse in {_join(worse)} than"
    if not better and not worse:
        return "not distinguishable from"
    word, names = ("better", better) if better else ("worse", worse)
    return f"{word} in {_join(names)} than"


def _join(words: Sequence[str], comma: str = ", ") -> str:
    """Join words by commas, and by "and" before the last one."""
    if len(words) < 2:
        return "".join(words)
    return f"{comma.join(words[:-1])}{comma if comma != ', ' else ' '}and {words[-1]}"
