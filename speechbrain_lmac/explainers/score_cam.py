"""Channels weighed by what the clip scores when only they are heard: ScoreCAM and GScoreCAM."""

from dataclasses import dataclass

import torch
from torch.nn.functional import relu

from speechbrain_lmac.explainers.cam import LayerMap
from speechbrain_lmac.explainers.gradient import prompt_logit
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.utils.errors import InputError


@dataclass(frozen=True)
class ScoreCAM(LayerMap):
    """ScoreCAM (Wang et al., 2020): each channel's map is a mask, its weight the softmax over
    channels of the prompt's logit under that mask.

    A channel is scaled to [0, 1] on the encoder's own cells, before it is spread over the clip's.
    Channels that are the same everywhere are masks of zeros: all of them, of all clips, take one
    pass together, so that ``passes`` is an upper bound.

    Arguments
    ---------
    layer : int
        Hidden map, 0 for the deepest.
    chunk : int
        Masked clips that go through the encoder at once.
    """

    chunk: int = 16

    def __post_init__(self):
        if self.chunk < 1:
            raise InputError(f"chunk is 1 or more rows, not {self.chunk}")

    def __call__(self, model, encoded, inputs):
        classifier = model.classifier
        maps = self.channels(classifier, encoded, inputs.text)
        with torch.no_grad():
            logits = self._masked_logits(classifier, encoded, inputs.text, maps)
            weights = logits.softmax(dim=1)[:, :, None, None]
            return upsample_to_grid(relu((weights * maps).sum(dim=1)), classifier.grid(encoded))

    def channels(self, classifier, encoded, text):
        """Maps of the channels that are tried, ``[batch, channels, frames', bins']``."""
        return self.hidden(encoded.encoding).float()

    def passes(self, classifier):
        return classifier.clap.hidden_channels[self.layer]

    def _masked_logits(self, classifier, encoded, text, maps):
        """Logit of each clip's prompt through each channel's mask, ``[batch, channels]``."""
        grid, samples = classifier.grid(encoded), encoded.wavs.shape[-1]
        low, high = maps.amin(dim=(2, 3)), maps.amax(dim=(2, 3))
        logits = torch.zeros_like(low)
        told = (high > low).nonzero()
        for rows in told.split(self.chunk):
            clip, channel = rows.T
            floor, span = (v[clip, channel][:, None, None] for v in (low, high - low))
            mask = upsample_to_grid((maps[clip, channel] - floor) / span, grid)
            encoding = classifier.encode_masked(encoded.heard[clip], mask, samples)
            logits[clip, channel] = prompt_logit(classifier, encoding.embedding, text[clip])
        if len(told) == logits.numel():
            return logits
        silence = classifier.plane.encode(torch.zeros_like(encoded.heard[:1])).embedding
        return torch.where(high > low, logits, prompt_logit(classifier, silence, text)[:, None])


@dataclass(frozen=True)
class GScoreCAM(ScoreCAM):
    """GScoreCAM (Chen et al., 2022): ScoreCAM of the channels with the largest mean gradient.

    Arguments
    ---------
    layer, chunk : int
        As of :class:`ScoreCAM`.
    share : float
        Of the channels that are tried; 1 is ScoreCAM.
    """

    share: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise InputError(f"share of channels is above 0 and at most 1, not {self.share}")

    def channels(self, classifier, encoded, text):
        maps, gradient = self.map_and_gradient(classifier, encoded, text)
        count = self._count(maps.shape[1])
        chosen = gradient.mean(dim=(2, 3)).topk(count, dim=1).indices
        return maps.gather(1, chosen[:, :, None, None].expand(-1, -1, *maps.shape[2:]))

    def passes(self, classifier):
        return 2 + self._count(super().passes(classifier))

    def _count(self, channels):
        return max(1, round(self.share * channels))
