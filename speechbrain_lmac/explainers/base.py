"""Interface of an explainer: inputs, output and cost."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, TypedDict

import torch

from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


class ExplainerInputs(NamedTuple):
    """Further inputs of an explainer."""

    query: torch.Tensor
    """Query vector explained for each clip, ``[batch, dim]``."""
    seeds: tuple[int, ...]
    """Seed of each clip for random draws."""
    class_queries: torch.Tensor | None = None
    """Query vectors of the competing classes, ``[classes, dim]``."""
    other_query: torch.Tensor | None = None
    """Query vector that is not the explained one, ``[batch, dim]``."""
    other_clips: EncodedClips | None = None
    """Another clip for each clip of the batch."""
    mean_features: DecoderFeatures | None = None
    """Decoder features averaged over many clips, a batch of one."""
    target_power: torch.Tensor | None = None
    """Power of the source that the query names, ``[batch, frames, bins]``."""
    residual_power: torch.Tensor | None = None
    """Power of all other sources, ``[batch, frames, bins]``."""


class OptionalInputs(TypedDict, total=False):
    """Fields of :class:`ExplainerInputs` that only some explainers need."""

    other_query: torch.Tensor | None
    other_clips: EncodedClips | None
    mean_features: DecoderFeatures | None
    target_power: torch.Tensor | None
    residual_power: torch.Tensor | None


class Explainer(ABC):
    """Attribution maps for a query. Subclasses are frozen dataclasses of their options."""

    is_mask: ClassVar[bool] = False
    """Whether the maps are gains in [0, 1]. Other maps are normalized for listening."""
    needs: ClassVar[tuple[str, ...]] = ("query",)
    """Fields of :class:`ExplainerInputs` that the explainer requires."""
    learned: ClassVar[bool] = False
    """Whether the explainer uses the trained decoder."""

    @abstractmethod
    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        """Explain a batch of clips.

        Arguments
        ---------
        model : MaskNetwork
            Network whose classifier is explained.
        encoded : EncodedClips
            Clips.
        inputs : ExplainerInputs
            Queries and further inputs, one row per clip.

        Returns
        -------
        torch.Tensor
            Non-negative attribution maps in the masking domain, ``[batch, frames, bins]``, without
            gradients. The map of a clip does not depend on the other clips of its batch.
        """

    def passes(self, classifier: MaskedClassifier) -> int:
        """Forward and backward passes of the audio encoder per clip, beyond its own encoding."""
        return 0

    def variants(self, classifier: MaskedClassifier) -> Sequence["Explainer"]:
        """Settings to choose between on a validation set, this one first."""
        return [self]
