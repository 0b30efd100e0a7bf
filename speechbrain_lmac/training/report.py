"""Final report of a training: the trained interpreter and baselines on the test clips."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import speechbrain as sb
from tqdm import tqdm

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation import tables
from speechbrain_lmac.evaluation.evaluate import evaluate, write_scores
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.losses.objective import method_name
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.data import clip_dataset
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import write_text

AVAILABLE_INPUTS = {"query", "seeds", "class_queries"}
"""Inputs of an explainer that the final table provides."""
logger = logging.getLogger(__name__)


def trained_method(hparams: dict[str, Any]) -> str:
    """Name of the method that the settings train."""
    family = hparams["model"].classifier.audio_classifier.method_family
    inputs = ["gradient_features"] if hparams["decoder"].gradient_features else []
    return method_name(hparams["objective"].terms + hparams["gate"].terms + inputs, family)


def chosen_explainers(hparams: dict[str, Any]) -> dict[str, Explainer]:
    """Trained interpreter under the name of its method, and the baselines."""
    for name in hparams["baselines"]:
        if name not in EXPLAINERS:
            raise InputError(f"baselines must name {', '.join(EXPLAINERS)}, got {name!r}")
        if not AVAILABLE_INPUTS.issuperset(EXPLAINERS[name].needs):
            raise InputError(
                f"baselines must be explainers of single clips, got {name}. Run evaluate.py for it"
            )
    baselines = {name: EXPLAINERS[name] for name in hparams["baselines"]}
    return {trained_method(hparams): EXPLAINERS["lmac"], **baselines}


def report(
    brain: LMACBrain,
    clips: Sequence[Clip],
    explainers: Mapping[str, Explainer],
    hparams: dict[str, Any],
) -> None:
    """Evaluate the explainers on the test clips; log and write rows and tables."""
    folder = Path(hparams["output_folder"])
    loader = brain.make_dataloader(
        clip_dataset(clips, hparams), sb.Stage.TEST, ckpt_prefix=None, **hparams["valid_loader"]
    )
    batches = [(batch.id, batch.sig.data.to(brain.device)) for batch in tqdm(loader, "reading")]
    rows = evaluate(brain.model, explainers, batches, brain.prompts)
    write_scores(folder / "metrics.csv", rows)
    what = (
        f"{len(clips)} test clips, {len(brain.prompts.names)} classes, {hparams['masking']} "
        f"masking, folds {hparams['test_folds']}"
    )
    text = tables.report(rows, trained_method(hparams), what)
    write_text(folder / "results.md", text)
    logger.info("\n%s", text)
    logger.info("rows: %s; tables: %s", folder / "metrics.csv", folder / "results.md")
