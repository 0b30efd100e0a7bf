"""LMAC-ZS among the explainers, and what is left of it when it is fed the wrong thing."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.decoder import DecoderFeatures


@dataclass(frozen=True)
class LMAC(Explainer):
    """The mask of the trained decoder, one forward pass of it and none of the encoder."""

    is_mask: ClassVar = True
    learned: ClassVar = True

    @torch.no_grad()
    def __call__(self, model, encoded, inputs):
        return model(encoded, inputs.text.unsqueeze(0)).squeeze(0)


@dataclass(frozen=True)
class ShuffledClip(LMAC):
    """Control: LMAC-ZS fed another clip. An explanation of this clip is lost."""

    needs: ClassVar = ("text", "other")

    @torch.no_grad()
    def __call__(self, model, encoded, inputs):
        features = model.evidence(inputs.other)
        return model(encoded, inputs.text.unsqueeze(0), features).squeeze(0)


@dataclass(frozen=True)
class MeanFeatures(LMAC):
    """Control: LMAC-ZS fed the mean of many clips: what the prompt alone says."""

    needs: ClassVar = ("text", "average")

    @torch.no_grad()
    def __call__(self, model, encoded, inputs):
        batch = len(encoded.power)
        hidden = tuple(maps.expand(batch, -1, -1, -1) for maps in inputs.average.hidden)
        features = DecoderFeatures(hidden, inputs.average.level.expand(batch, -1, -1))
        return model(encoded, inputs.text.unsqueeze(0), features).squeeze(0)


@dataclass(frozen=True)
class ShuffledPrompt(LMAC):
    """Control: LMAC-ZS fed a prompt that was not asked for."""

    needs: ClassVar = ("other_query",)

    def __call__(self, model, encoded, inputs):
        return super().__call__(model, encoded, inputs._replace(text=inputs.other_query))


@dataclass(frozen=True)
class ConstantMask(LMAC):
    """Control: the same gain everywhere, the mean of LMAC-ZS's mask; at equal budgets, random."""

    def __call__(self, model, encoded, inputs):
        mask = super().__call__(model, encoded, inputs)
        return mask.mean(dim=(1, 2), keepdim=True).expand_as(mask).clone()
