"""What every explainer is: one signature, and what it costs."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch

from speechbrain_lmac.masking.decoder import DecoderFeatures
from speechbrain_lmac.masking.masked_classifier import EncodedClips


class ExplainerInputs(NamedTuple):
    """What is to be explained of each clip of a batch."""

    text: torch.Tensor
    """``[batch, dim]``: the prompt explained."""
    seeds: tuple
    """An int for each clip, from which anything random is drawn."""
    names: torch.Tensor | None = None
    """``[prompts, dim]``: what the clips are scored against."""
    other_query: torch.Tensor | None = None
    """``[batch, dim]``: a prompt that is not asked for."""
    other: EncodedClips | None = None
    """Of other clips, one for each."""
    average: DecoderFeatures | None = None
    """The mean of many clips', a batch of one."""
    own: torch.Tensor | None = None
    """Power of the source that the prompt names, ``[batch, frames, bins]``."""
    rest: torch.Tensor | None = None
    """Power of all other sources."""


class Explainer(ABC):
    """Maps of what speaks for a prompt. Subclasses are frozen dataclasses of their options."""

    is_mask: ClassVar[bool] = False
    """Whether its maps are gains in [0, 1] as they are; others are scaled to be heard."""
    needs: ClassVar[tuple] = ("text",)
    """Fields of :class:`ExplainerInputs` that it cannot do without."""
    learned: ClassVar[bool] = False
    """Whether it asks the trained decoder."""

    @abstractmethod
    def __call__(self, model, encoded, inputs):
        """Explain a batch of clips.

        Arguments
        ---------
        model : InterpreterNetwork
            Its classifier is explained.
        encoded : EncodedClips
            Of ``batch`` clips.
        inputs : ExplainerInputs
            What is asked of each.

        Returns
        -------
        torch.Tensor
            ``[batch, frames, bins]``, at least 0, on the model's plane, without gradients. A
            clip's map does not depend on the others of its batch.
        """

    def passes(self, classifier):
        """Passes of one clip through the audio encoder, forward or backward, beyond its own
        analysis.
        """
        return 0

    def variants(self, classifier):
        """Settings that a validation set may choose between, this one first."""
        return [self]
