"""Similarity under a mask: a frozen CLAP and the plane on which its input is masked."""

from typing import NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from speechbrain_lmac.clap.base import AudioEncoding


class Analysis(NamedTuple):
    """A batch of clips, heard once."""

    wavs: torch.Tensor
    """``[batch, time]``."""
    power: torch.Tensor
    """On the plane, ``[batch, frames, bins]``: what masks are made for."""
    heard: torch.Tensor
    """Power that the encoder hears, ``[batch, frames heard, bins]``."""
    encoding: AudioEncoding


class MaskedSimilarity(NamedTuple):
    """Logits of each clip for each prompt, ``[batch, prompts]`` all three."""

    original: torch.Tensor
    masked_in: torch.Tensor
    masked_out: torch.Tensor


class MaskableClassifier(nn.Module):
    """A zero-shot classifier whose input can be masked.

    Arguments
    ---------
    plane : Plane
        With its CLAP.

    Example
    -------
    >>> from speechbrain_lmac.clap.embedded import EmbeddedClap
    >>> from speechbrain_lmac.planes import MelPlane
    >>> classifier = MaskableClassifier(MelPlane(EmbeddedClap()))
    >>> analysis = classifier.analyse(torch.randn(1, 32000))
    >>> text = classifier.clap.embed_text(["rain", "siren"])
    >>> scores = classifier.masked_similarity(analysis, torch.ones_like(analysis.power), text)
    >>> torch.allclose(scores.masked_in, scores.original)
    True
    """

    def __init__(self, plane):
        super().__init__()
        self.plane = plane

    @property
    def clap(self):
        """The CLAP that is explained."""
        return self.plane.clap

    @torch.no_grad()
    def analyse(self, wavs):
        """Hear clips ``[batch, time]`` -> :class:`Analysis`, without gradients."""
        filled = self.clap.window.fill(wavs)
        heard = self.plane.power(filled)
        power = heard if filled.shape == wavs.shape else self.plane.power(wavs)
        return Analysis(wavs, power, heard, self.plane.encode(heard))

    def grid(self, analysis):
        """The :class:`~speechbrain_lmac.grid.Grid` of masks of the clips analysed."""
        return self.plane.grid(analysis.power, analysis.wavs.shape[-1])

    def embed_masked(self, analysis, mask):
        """Embed clips under a mask.

        Arguments
        ---------
        analysis : Analysis
            Of ``batch`` clips.
        mask : torch.Tensor
            ``[batch, frames, bins]``.

        Returns
        -------
        torch.Tensor
            ``[batch, dim]``.
        """
        return self.encode_masked(analysis.heard, mask, analysis.wavs.shape[-1]).embedding

    def encode_masked(self, heard, mask, samples, fill=None):
        """Encode what a clip's mask leaves of the power that is heard.

        Arguments
        ---------
        heard : torch.Tensor
            ``[batch, frames heard, bins]``.
        mask : torch.Tensor
            ``[batch, frames, bins]``, on the clip's own frames.
        samples : int
            Length of the clip.
        fill : torch.Tensor
            Power ``[batch, 1, bins]`` that is laid where cells are shut: ``1 - mask ** 2`` of it.
            Silence by default.

        Returns
        -------
        AudioEncoding
        """
        gains = self.clap.window.carry(mask, samples)
        kept = self.plane.masked(heard, gains)
        return self.plane.encode(kept if fill is None else kept + fill * (1 - gains.square()))

    def logits(self, embedding, text):
        """Scaled cosines ``[batch, prompts]`` of ``[batch, dim]`` and ``[prompts, dim]``."""
        return self.clap.logit_scale * embedding @ text.T

    @torch.no_grad()
    def masked_similarity(self, analysis, mask, text):
        """Similarity of clips, of what a mask keeps and of what it removes.

        Arguments
        ---------
        analysis : Analysis
            Of ``batch`` clips.
        mask : torch.Tensor
            ``[batch, frames, bins]``.
        text : torch.Tensor
            ``[prompts, dim]``.

        Returns
        -------
        MaskedSimilarity
        """
        embeddings = (
            analysis.encoding.embedding,
            self.embed_masked(analysis, mask),
            self.embed_masked(analysis, 1 - mask),
        )
        return MaskedSimilarity(*(self.logits(embedding, text) for embedding in embeddings))

    def pair_cosines(self, analysis, masks, text, chunk_size):
        """Cosine of every masked clip with the prompt of its mask, differentiable in the masks.

        Pairs go through the encoder ``chunk_size`` at a time and nothing of it is kept but the
        gradient of each cosine, so memory does not grow with the number of pairs.

        Arguments
        ---------
        analysis : Analysis
            Of ``batch`` clips.
        masks : torch.Tensor
            ``[texts, batch, frames, bins]``.
        text : torch.Tensor
            ``[texts, batch or 1, dim]``.
        chunk_size : int
            Pairs in one pass of the encoder.

        Returns
        -------
        torch.Tensor
            ``[texts, batch]``.
        """
        pairs = masks.shape[:2]
        clip = torch.arange(pairs[1], device=masks.device).expand(pairs).flatten()
        prompts = text.expand(*pairs, -1).flatten(0, 1)
        flat = _PairCosines.apply(masks.flatten(0, 1), analysis, clip, prompts, self, chunk_size)
        return flat.unflatten(0, pairs)


class _PairCosines(torch.autograd.Function):
    """Each pair's cosine depends on its own mask alone, so d cosine / d mask is found together
    with the cosine, chunk by chunk: one forward and one backward pass per pair, no recomputing.
    """

    @staticmethod
    def forward(ctx, masks, analysis, clip, prompts, classifier, chunk_size):
        samples = analysis.wavs.shape[-1]
        wanted = ctx.needs_input_grad[0]
        cosines, gradients = [], []
        for part in torch.arange(len(masks), device=masks.device).split(chunk_size):
            mask = masks[part].requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                embedding = classifier.encode_masked(
                    analysis.heard[clip[part]], mask, samples
                ).embedding
                cosine = (embedding * prompts[part]).sum(dim=-1)
            if wanted:
                gradients.append(torch.autograd.grad(cosine, mask, torch.ones_like(cosine))[0])
            cosines.append(cosine.detach())
        if wanted:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(cosines)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        (gradients,) = ctx.saved_tensors
        return upstream[:, None, None] * gradients, None, None, None, None, None
