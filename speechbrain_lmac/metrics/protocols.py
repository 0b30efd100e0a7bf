"""Structural types of the models that metrics take: metrics stand below the models.

The classes of ``speechbrain_lmac.models`` and ``speechbrain_lmac.masking`` have these members.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import torch
from torch import nn


class ClipVectors(Protocol):
    """Encoder output: :class:`~speechbrain_lmac.models.base.AudioEncoding`."""

    @property
    def vector(self) -> torch.Tensor:
        """Clip vectors, ``[batch, dim]``."""


class Encoded(Protocol):
    """Encoded clips: :class:`~speechbrain_lmac.masking.masked_classifier.EncodedClips`."""

    @property
    def wavs(self) -> torch.Tensor:
        """Waveforms, ``[batch, time]``."""

    @property
    def power(self) -> torch.Tensor:
        """Power of the clips in the masking domain, ``[batch, frames, bins]``."""

    @property
    def encoder_power(self) -> torch.Tensor:
        """Power of the encoder input, ``[batch, encoder frames, bins]``."""

    @property
    def encoding(self) -> ClipVectors:
        """Encoder output of the clips."""


class FrameValidity(Protocol):
    """Grid of a mask: :class:`~speechbrain_lmac.masking.grid.Grid`."""

    @property
    def valid_frames(self) -> torch.Tensor:
        """Whether a frame reaches the encoder, ``[frames]`` of bool."""


EncodedT = TypeVar("EncodedT", bound=Encoded)
EncodedInput = TypeVar("EncodedInput", bound=Encoded, contravariant=True)


class HasGrid(Protocol[EncodedInput]):
    """Classifier that places the bins of a mask on the axes of its encoder."""

    def grid(self, encoded: EncodedInput) -> FrameValidity:
        """Positions of the mask's bins on the encoder's axes."""


class Maskable(HasGrid[EncodedInput], Protocol[EncodedInput]):
    """Classifier to explain: ``MaskedClassifier`` of ``speechbrain_lmac.masking``."""

    def encode_masked(
        self,
        encoder_power: torch.Tensor,
        mask: torch.Tensor,
        samples: int,
        fill: torch.Tensor | None = None,
    ) -> ClipVectors:
        """Encode the masked-in part of the encoder input."""

    def probabilities(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Probabilities ``[batch, queries]`` of queries given clip vectors."""


class HasTensors(Protocol):
    """Module with weights."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Trainable weights."""

    def buffers(self) -> Iterator[torch.Tensor]:
        """Tensors that are not trained."""


class HasAudioBlocks(Protocol):
    """Audio classifier: :class:`~speechbrain_lmac.models.base.AudioClassifier`."""

    @property
    def audio_blocks(self) -> Sequence[nn.Module]:
        """Modules that hold the weights of the audio encoder, from the output to the input."""


class HasAudioClassifier(Protocol):
    """Masked classifier, around the audio classifier that is explained."""

    @property
    def audio_classifier(self) -> HasAudioBlocks:
        """Classifier that is explained."""


class Interpretable(HasTensors, Protocol):
    """Network to randomize: ``InterpreterNetwork`` of ``speechbrain_lmac.masking``."""

    @property
    def classifier(self) -> HasAudioClassifier:
        """Classifier with its masking domain."""

    @property
    def decoder(self) -> nn.Module:
        """Mask decoder."""
