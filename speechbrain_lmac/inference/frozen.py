"""Frozen modules of an interpreter, as SpeechBrain's ``Pretrained``."""

from typing import Any, ClassVar, Self

import torch

from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.utils.deferred_import import deferred_import
from speechbrain_lmac.utils.errors import InputError

with deferred_import("scipy.stats", "lognorm"):  # only a sampler for training uses it
    from speechbrain.inference.interfaces import Pretrained


class FrozenInterpreter(Pretrained):
    """Network of an interpreter, which can move to another device but not be trained.

    :class:`~speechbrain_lmac.inference.loading.PretrainedInterpreter` adds the ways to load it.
    """

    fingerprint: str | None = None
    """SHA-256 of the files that the interpreter was loaded from."""
    device: str
    """Device of the modules."""
    HPARAMS_NEEDED: ClassVar = ["classifier_sha256"]
    MODULES_NEEDED: ClassVar = ["model"]

    @classmethod
    def _built(cls, hparams: dict[str, Any], fingerprint: str, **kwargs: Any) -> Self:
        """Return the interpreter of built modules."""
        interpreter = cls(hparams["modules"], hparams, **kwargs)
        interpreter.fingerprint = fingerprint
        interpreter.mods.eval()  # also if parameters are not frozen
        return interpreter

    @property
    def explainer_name(self) -> str:
        """Name of the method that explains, such as ``LMAC-ZS-G`` or ``gradcam++``."""
        return str(self.hparams.method)

    def train(self, mode: bool = True) -> Self:
        """Refuse training mode, which would change the frozen encoders."""
        if mode:
            raise InputError("an interpreter cannot be trained. Train a decoder by train.py")
        return super().train(mode)

    def _apply(self, fn: Any, *args: Any, **kwargs: Any) -> Self:
        """Move to another device; refuse another precision."""
        moved = fn(torch.zeros(1, dtype=torch.float32, device=self.device))
        if moved.dtype != torch.float32:
            raise InputError(
                f"an interpreter must be in float32, got {moved.dtype}. On GPUs, set the "
                "classifier's bfloat16 instead"
            )
        super()._apply(fn, *args, **kwargs)
        self.device = str(moved.device)
        return self

    @property
    def model(self) -> MaskNetwork:
        """Network of the interpreter: the classifier and the mask decoder."""
        return self.mods["model"]

    @property
    def sample_rate(self) -> int:
        """Sample rate of the classifier, in Hz."""
        return self.audio_classifier.sample_rate

    @property
    def audio_classifier(self) -> AudioClassifier:
        """Classifier that is explained."""
        return self.model.classifier.audio_classifier

    def fits_input_window(self, samples: int) -> bool:
        """Return True if the encoder input covers a clip of this length, up to 10 ms."""
        start, stop = self.audio_classifier.window.span(samples)
        return samples - (stop - start) < self.sample_rate / 100

    def encoder_input(self, wav: torch.Tensor) -> torch.Tensor:
        """Return a clip ``[time]`` without offset and hum, ``[1, time]``, on the device."""
        return self.audio_classifier.without_offset(wav.unsqueeze(0)).to(self.device)
