"""Calibration at the end of a training run: the setting ``calibrate``."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import speechbrain as sb

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.pipeline import build_dataset
from speechbrain_lmac.evaluation.scoring import clip_seed
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.faithfulness_calibration import calibrate_faithfulness
from speechbrain_lmac.training.separation_calibration import (
    Calibration,
    LabeledBatch,
    calibrate_separation,
)
from speechbrain_lmac.utils.errors import InputError

CALIBRATION_CLIPS = 64
"""Validation clips that calibrate the decoder."""

logger = logging.getLogger(__name__)


def check_calibrate(setting: object) -> None:
    """Raise InputError unless ``calibrate`` is a known calibration or null."""
    if setting not in (*CALIBRATIONS, None):
        raise InputError(
            f"calibrate must be {', '.join(CALIBRATIONS)} or null, got {setting!r}. Give null to "
            "keep the masks as they are trained"
        )


def calibrate_decoder(brain: LMACBrain, clips: Sequence[Clip], hparams: dict[str, Any]) -> None:
    """Calibrate the decoder on validation clips and log the result.

    Arguments
    ---------
    brain : LMACBrain
        Trained brain.
    clips : sequence of Clip
        Validation clips, of which ``CALIBRATION_CLIPS`` are drawn.
    hparams : dict
        Settings. ``calibrate`` is one of ``CALIBRATIONS``, or None for no calibration.
    """
    if hparams["calibrate"] is None:
        return
    drawn = sorted(clips, key=lambda clip: clip_seed(clip.ID, hparams["seed"]))
    drawn = drawn[:CALIBRATION_CLIPS]
    classifier = brain.model.classifier.audio_classifier
    dataset = build_dataset(drawn, classifier.sample_rate, hparams["clip_seconds"])
    loader = brain.make_dataloader(
        dataset, sb.Stage.TEST, ckpt_prefix=None, **hparams["valid_loader"]
    )
    batches = [(batch.label, batch.text, batch.sig.data.to(brain.device)) for batch in loader]
    function, measure = CALIBRATIONS[hparams["calibrate"]]
    calibration = function(brain, batches, hparams)
    if calibration is not None:
        logger.info(
            "calibration on %d validation clips: temperature %.4g, offset %.2f; %s %.4f before, "
            "%.4f after",
            *(len(drawn), calibration.temperature, calibration.offset),
            *(measure, calibration.before, calibration.after),
        )


def _separation(
    brain: LMACBrain, batches: Sequence[LabeledBatch], hparams: dict[str, Any]
) -> Calibration | None:
    """Fit the masks to the sources of mixtures."""
    objective, num_prompts = hparams["objective"], hparams["prompts_per_clip"]
    return calibrate_separation(brain.model, batches, brain.prompts, objective, num_prompts)


def _faithfulness(
    brain: LMACBrain, batches: Sequence[LabeledBatch], hparams: dict[str, Any]
) -> Calibration | None:
    """Sharpen the masks until the masked-out part loses the class."""
    return calibrate_faithfulness(brain.model, batches, brain.prompts)


CALIBRATIONS: dict[str, tuple[Callable[..., Calibration | None], str]] = {
    "separation": (_separation, "mask terms"),
    "faithfulness": (_faithfulness, "in-out margin"),
}
"""Function of each calibration, and what it reports."""
