"""CNN14 classifiers of SpeechBrain's ESC-50 recipes, in both published layouts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.checkpoints import read_hashed
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier
from speechbrain_lmac.models.classifiers.label_files import LABEL_ENCODER, read_class_names
from speechbrain_lmac.models.classifiers.speechbrain_layouts import (
    LAYOUTS,
    SMALLEST,
    ClassifierLayout,
    read_cnn14,
)
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import absolute_if_exists

MIN_FRAMES = 32
"""Frames that five poolings reduce to one; shorter clips are padded with silence."""
POWER_FLOOR = 1e-14
"""Power that is added before the square root, as by SpeechBrain's ``spectral_magnitude``."""


class SpeechBrainCNN14(SupervisedClassifier):
    """CNN14 of SpeechBrain's ESC-50 recipes, for clips of any length.

    Mel filters act on magnitudes. :meth:`mel` returns *squared* band magnitudes, so that masks are
    amplitude gains in both masking domains: a gain ``M`` scales a band magnitude by ``M``.

    Arguments
    ---------
    weights : str or Path
        ``embedding_model.ckpt`` of the recipe or of the Hub repository.
    head : str or Path
        ``classifier.ckpt`` of the same classifier. Its shape determines the number of classes.
    layout : str
        ``recipe`` (16 kHz, log1p, linear head) or ``hub`` (44.1 kHz, decibels, cosine head).
        Default: ``recipe``.
    class_names : sequence of str, str or Path
        Names in the order of the logits, or a file that :func:`read_class_names` reads. Default:
        ``label_encoder.txt`` in the folder of ``head`` if it exists. The layout ``recipe`` falls
        back to the recipe's order of ESC-50's classes.

    Raises
    ------
    InputError
        If a file belongs to another model, or the names do not fit the head.
    """

    stft_is_unfiltered = False  # the encoder input may be at another level than the clip

    def __init__(
        self,
        weights: str | Path,
        head: str | Path,
        layout: str = "recipe",
        class_names: Sequence[str] | str | Path | None = None,
    ):
        if layout not in LAYOUTS:
            raise InputError(f"layout must be {' or '.join(LAYOUTS)}, got {layout!r}")
        published = LAYOUTS[layout]
        cnn14, dim, weights_sha256 = read_cnn14(_local_file("weights", weights))
        state, head_sha256 = read_hashed(_local_file("head", head), "model")
        what = f"{head} is not a head of the layout {layout}"
        features, weight, bias = published.read_head(state, dim, what)
        names = _names_of(class_names, Path(head), published)
        front_end = (published.sample_rate, published.spectrogram(), published.filterbank())
        super().__init__(*front_end, names, weight, bias, window=published.window())
        self.layout, self.cnn14, self.to_features = published, cnn14, features
        self.hidden_channels = (dim, 1024, 512, 256)
        self.files = (Path(weights).name, Path(head).name)
        self.sha256 = hashlib.sha256(f"{weights_sha256}{head_sha256}".encode()).hexdigest()
        paths = {"weights": absolute_if_exists(weights), "head": absolute_if_exists(head)}
        self.settings = {**paths, "layout": layout, **_settings_of(class_names)}
        self.freeze()

    def power(self, stft: torch.Tensor) -> torch.Tensor:
        """Squared magnitudes ``[batch, frames, bins]``, with SpeechBrain's floor."""
        return power_of(stft) + POWER_FLOOR

    def mel(self, power: torch.Tensor) -> torch.Tensor:
        """Squared band magnitudes ``[batch, frames, 80]`` of power ``[batch, frames, bins]``."""
        with torch.autocast(power.device.type, enabled=False):
            return (power.clamp(min=SMALLEST**2).sqrt() @ self.filterbank).square()

    def features(self, mel: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        mel = pad(mel, (0, 0, 0, max(0, MIN_FRAMES - mel.shape[1])))
        embedding, hidden = self.cnn14(self.layout.compress(mel))
        return self.to_features(embedding), tuple(hidden)

    @property
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        norm = self.cnn14.get_submodule("norm0")
        first, *deeper = (self.cnn14.get_submodule(f"conv_block{index}") for index in range(1, 7))
        last = [self.to_features] if any(True for _ in self.to_features.parameters()) else []
        return (*last, *reversed(deeper), nn.ModuleList([norm, first]))

    @property
    def portable_settings(self) -> dict[str, Any]:
        return {**super().portable_settings, "weights": self.files[0], "head": self.files[1]}

    @property
    def reference(self) -> WeightsReference:
        name = f"speechbrain-cnn14-{self.settings['layout']}"
        return WeightsReference(name, " ".join(self.files), self.sha256)


def _local_file(name: str, path: str | Path | None) -> Path:
    if path is None or not Path(path).is_file():
        raise InputError(
            f"{name} must be a file, got {path}. Download embedding_model.ckpt and classifier.ckpt "
            "of the classifier"
        )
    return Path(path)


def _names_of(
    class_names: Sequence[str] | str | Path | None, head: Path, layout: ClassifierLayout
) -> Sequence[str]:
    """Class names: those given, those of a label encoder in its folder, or those published."""
    if class_names is None:
        class_names = head.with_name(LABEL_ENCODER)
        if not class_names.is_file() and layout.names is not None:
            return layout.names
    if not isinstance(class_names, str | Path):
        return class_names
    if not Path(class_names).is_file():
        raise InputError(
            f"class_names must be names or a file, got {class_names}. Download {LABEL_ENCODER} of "
            "the classifier"
        )
    return read_class_names(class_names)


def _settings_of(class_names: Sequence[str] | str | Path | None) -> dict[str, Any]:
    if class_names is None:
        return {}
    if isinstance(class_names, str | Path):
        return {"class_names": absolute_if_exists(class_names)}
    return {"class_names": list(class_names)}
