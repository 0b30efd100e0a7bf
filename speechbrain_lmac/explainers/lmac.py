"""LMAC-ZS among the explainers, and what is left of it when it is fed the wrong thing."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.decoder import Evidence


@dataclass(frozen=True)
class LmacZs(Explainer):
    """The mask of the trained decoder, one forward pass of it and none of the encoder."""

    is_mask: ClassVar = True
    learned: ClassVar = True

    @torch.no_grad()
    def __call__(self, model, analysis, question):
        return model(analysis, question.text.unsqueeze(0)).squeeze(0)


@dataclass(frozen=True)
class OtherClip(LmacZs):
    """Control: LMAC-ZS fed another clip. An explanation of this clip is lost."""

    needs: ClassVar = ("text", "other")

    @torch.no_grad()
    def __call__(self, model, analysis, question):
        fed = model.evidence(question.other)
        return model(analysis, question.text.unsqueeze(0), fed).squeeze(0)


@dataclass(frozen=True)
class NoAudio(LmacZs):
    """Control: LMAC-ZS fed the mean of many clips: what the prompt alone says."""

    needs: ClassVar = ("text", "average")

    @torch.no_grad()
    def __call__(self, model, analysis, question):
        batch = len(analysis.power)
        hidden = tuple(maps.expand(batch, -1, -1, -1) for maps in question.average.hidden)
        fed = Evidence(hidden, question.average.level.expand(batch, -1, -1))
        return model(analysis, question.text.unsqueeze(0), fed).squeeze(0)


@dataclass(frozen=True)
class OtherPrompt(LmacZs):
    """Control: LMAC-ZS fed a prompt that was not asked for."""

    needs: ClassVar = ("other_text",)

    def __call__(self, model, analysis, question):
        return super().__call__(model, analysis, question._replace(text=question.other_text))


@dataclass(frozen=True)
class Constant(LmacZs):
    """Control: the same gain everywhere, the mean of LMAC-ZS's mask; at equal budgets, random."""

    def __call__(self, model, analysis, question):
        mask = super().__call__(model, analysis, question)
        return mask.mean(dim=(1, 2), keepdim=True).expand_as(mask).clone()
