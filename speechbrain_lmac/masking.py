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
    """On the plane, ``[batch, frames, bins]``."""
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
        power = self.plane.power(wavs)
        return Analysis(wavs, power, self.plane.encode(power))

    def embed_masked(self, power, mask):
        """Embedding ``[batch, dim]`` of masked power; both are ``[batch, frames, bins]``."""
        return self.plane.encode(power * mask.square()).embedding

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
            self.embed_masked(analysis.power, mask),
            self.embed_masked(analysis.power, 1 - mask),
        )
        return MaskedSimilarity(*(self.logits(embedding, text) for embedding in embeddings))

    def pair_cosines(self, power, masks, text, chunk_size):
        """Cosine of every masked clip with the prompt of its mask, differentiable in the masks.

        Pairs go through the encoder ``chunk_size`` at a time and nothing of it is kept but the
        gradient of each cosine, so memory does not grow with the number of pairs.

        Arguments
        ---------
        power : torch.Tensor
            ``[batch, frames, bins]``.
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
        flat = _PairCosines.apply(masks.flatten(0, 1), power, clip, prompts, self, chunk_size)
        return flat.unflatten(0, pairs)


class _PairCosines(torch.autograd.Function):
    """Each pair's cosine depends on its own mask alone, so d cosine / d mask is found together
    with the cosine, chunk by chunk: one forward and one backward pass per pair, no recomputing.
    """

    @staticmethod
    def forward(ctx, masks, power, clip, prompts, classifier, chunk_size):
        wanted = ctx.needs_input_grad[0]
        cosines, gradients = [], []
        for part in torch.arange(len(masks), device=masks.device).split(chunk_size):
            mask = masks[part].requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                embedding = classifier.embed_masked(power[clip[part]], mask)
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
