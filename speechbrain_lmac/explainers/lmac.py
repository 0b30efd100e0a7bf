"""The trained interpreter as an explainer, and controls that feed it wrong inputs."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.mask_network import MaskNetwork


@dataclass(frozen=True)
class LMAC(Explainer):
    """Mask of the trained decoder: one pass of the decoder, none of the encoder."""

    is_mask: ClassVar[bool] = True
    learned: ClassVar[bool] = True

    @torch.no_grad()
    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        return model(encoded, inputs.query.unsqueeze(0)).squeeze(0)


@dataclass(frozen=True)
class ShuffledClip(LMAC):
    """Control: the decoder receives the features of another clip."""

    needs: ClassVar[tuple[str, ...]] = ("query", "other_clips")

    @torch.no_grad()
    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        assert inputs.other_clips is not None
        queries = inputs.query.unsqueeze(0)
        assert isinstance(model, InterpreterNetwork)
        features = model.features(inputs.other_clips, queries)
        return model(encoded, queries, features).squeeze(0)


@dataclass(frozen=True)
class MeanFeatures(LMAC):
    """Control: the decoder receives features averaged over many clips, so only the query counts."""

    needs: ClassVar[tuple[str, ...]] = ("query", "mean_features")

    @torch.no_grad()
    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        assert inputs.mean_features is not None
        batch = len(encoded.power)
        hidden = tuple(maps.expand(batch, -1, -1, -1) for maps in inputs.mean_features.hidden)
        log_power = inputs.mean_features.log_power.expand(batch, -1, -1)
        features = DecoderFeatures(hidden, log_power)
        return model(encoded, inputs.query.unsqueeze(0), features).squeeze(0)


@dataclass(frozen=True)
class ShuffledPrompt(LMAC):
    """Control: the decoder receives another query."""

    needs: ClassVar[tuple[str, ...]] = ("other_query",)

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        assert inputs.other_query is not None
        return super().__call__(model, encoded, inputs._replace(query=inputs.other_query))


@dataclass(frozen=True)
class ConstantMask(LMAC):
    """Control: the mean of the decoder's mask in every bin; at equal mask area, random bins."""

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        mask = super().__call__(model, encoded, inputs)
        return mask.mean(dim=(1, 2), keepdim=True).expand_as(mask).clone()
