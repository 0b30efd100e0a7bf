"""Common base of the networks that mask clips: with a trained decoder, or by an explainer."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


class MaskNetwork(nn.Module, ABC):
    """Masks for clips and queries.

    Arguments
    ---------
    classifier : MaskedClassifier
        Frozen classifier with its masking domain.
    """

    def __init__(self, classifier: MaskedClassifier):
        super().__init__()
        self.classifier = classifier

    @property
    def explains_any_query(self) -> bool:
        """Whether masks of all queries are predicted, and not of the predicted class only."""
        return True

    @abstractmethod
    def forward(
        self,
        encoded: EncodedClips,
        queries: torch.Tensor,
        features: DecoderFeatures | None = None,
    ) -> torch.Tensor:
        """Compute masks; they are 0 in bins outside the encoder input.

        Arguments
        ---------
        encoded : EncodedClips
            Batch of clips.
        queries : torch.Tensor
            Query vectors: ``[queries, 1, dim]`` for all clips, or ``[queries, batch, dim]``.
        features : DecoderFeatures
            Input of a decoder in place of the clips' own. Default: the clips' own.

        Returns
        -------
        torch.Tensor
            Masks in [0, 1], ``[queries, batch, frames, bins]``.
        """

    def contrast(self, encoded: EncodedClips, differences: torch.Tensor) -> torch.Tensor:
        """Compute masks for differences of two queries, such as a dog rather than a cat.

        Arguments
        ---------
        encoded : EncodedClips
            Batch of clips.
        differences : torch.Tensor
            Normalized differences of query vectors: ``[queries, 1, dim]`` for all clips, or
            ``[queries, batch, dim]``.

        Returns
        -------
        torch.Tensor
            Masks in [0, 1], ``[queries, batch, frames, bins]``.
        """
        return self(encoded, differences)
