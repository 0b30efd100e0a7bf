"""Data set of a training run, from its clips and settings."""

from collections.abc import Sequence
from typing import Any

from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.pipeline import build_dataset


def clip_dataset(clips: Sequence[Clip], hparams: dict[str, Any]) -> DynamicItemDataset:
    """SpeechBrain dataset of clips at the classifier's rate and of ``clip_seconds``."""
    sample_rate = hparams["model"].classifier.audio_classifier.sample_rate
    return build_dataset(clips, sample_rate, hparams["clip_seconds"])
