"""ScoreCAM and GScoreCAM: channels weighted by the score of the clip under their mask."""

from dataclasses import dataclass

import torch
from torch.nn.functional import relu

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.cam import LayerMap
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.utils.errors import InputError


@dataclass(frozen=True)
class ScoreCAM(LayerMap):
    """ScoreCAM (Wang et al., 2020): the map of each channel is a mask.

    The weight of a channel is the softmax over channels of the query's logit under that mask. A
    channel is scaled to [0, 1] on the encoder's own axes before interpolation. Constant channels
    are masks of zeros; those of all clips share one pass, so ``passes`` is an upper bound.

    Arguments
    ---------
    layer : int
        Index of the hidden map, 0 for the deepest.
    chunk : int
        Masked clips in one pass of the encoder.
    """

    chunk: int = 16

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise InputError(f"chunk must be 1 or more, got {self.chunk}")

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        classifier = model.classifier
        maps = self.channels(classifier, encoded, inputs.query)
        with torch.no_grad():
            logits = self._masked_logits(classifier, encoded, inputs.query, maps)
            weights = logits.softmax(dim=1)[:, :, None, None]
            cam = relu((weights * maps).sum(dim=1))
            return upsample_to_grid(cam, classifier.grid(encoded))

    def channels(
        self, classifier: MaskedClassifier, encoded: EncodedClips, query: torch.Tensor
    ) -> torch.Tensor:
        """Maps of the channels in use, ``[batch, channels, frames', bins']``."""
        return self.hidden(encoded.encoding.hidden).float()

    def passes(self, classifier: MaskedClassifier) -> int:
        return classifier.audio_classifier.hidden_channels[self.layer]

    def _masked_logits(
        self,
        classifier: MaskedClassifier,
        encoded: EncodedClips,
        query: torch.Tensor,
        maps: torch.Tensor,
    ) -> torch.Tensor:
        """Logit of each clip's query under the mask of each channel, ``[batch, channels]``."""
        grid, samples = classifier.grid(encoded), encoded.wavs.shape[-1]
        logit_of = classifier.audio_classifier.paired_logits
        low, high = maps.amin(dim=(2, 3)), maps.amax(dim=(2, 3))
        logits = torch.zeros_like(low)
        varying = (high > low).nonzero()
        for rows in varying.split(self.chunk):
            clip, channel = rows.T
            floor, span = (v[clip, channel][:, None, None] for v in (low, high - low))
            mask = upsample_to_grid((maps[clip, channel] - floor) / span, grid)
            encoding = classifier.encode_masked(encoded.encoder_power[clip], mask, samples)
            logits[clip, channel] = logit_of(encoding.vector, query[clip])
        if len(varying) == logits.numel():
            return logits
        silence = classifier.domain.encode(torch.zeros_like(encoded.encoder_power[:1])).vector
        return torch.where(high > low, logits, logit_of(silence, query)[:, None])


@dataclass(frozen=True)
class GScoreCAM(ScoreCAM):
    """GScoreCAM (Chen et al., 2022): ScoreCAM of the channels with the largest mean gradient.

    Arguments
    ---------
    layer : int
        Index of the hidden map, 0 for the deepest.
    chunk : int
        Masked clips in one pass of the encoder.
    fraction : float
        Fraction of the channels in use, in (0, 1]; 1 gives ScoreCAM.
    """

    fraction: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.fraction <= 1:
            raise InputError(f"fraction must be above 0 and at most 1, got {self.fraction}")

    def channels(
        self, classifier: MaskedClassifier, encoded: EncodedClips, query: torch.Tensor
    ) -> torch.Tensor:
        maps, gradient = self.map_and_gradient(classifier, encoded, query)
        count = self._count(maps.shape[1])
        chosen = gradient.mean(dim=(2, 3)).topk(count, dim=1).indices
        return maps.gather(1, chosen[:, :, None, None].expand(-1, -1, *maps.shape[2:]))

    def passes(self, classifier: MaskedClassifier) -> int:
        return 2 + self._count(super().passes(classifier))

    def _count(self, channels: int) -> int:
        return max(1, round(self.fraction * channels))
