"""Similarity under a mask: a frozen CLAP and the plane on which its input is masked."""

from typing import NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from speechbrain_lmac.models.clap.base import AudioEncoding


class EncodedClips(NamedTuple):
    """A batch of clips, heard once."""

    wavs: torch.Tensor
    """``[batch, time]``."""
    power: torch.Tensor
    """On the plane, ``[batch, frames, bins]``: what masks are made for."""
    heard: torch.Tensor
    """Power that the encoder hears, ``[batch, frames heard, bins]``."""
    encoding: AudioEncoding
    stft: torch.Tensor | None = None
    """Of the clip as it sounds, complex ``[batch, frames, n_fft // 2 + 1]``, where that is what the
    encoder hears."""


class MaskedSimilarity(NamedTuple):
    """Logits of each clip for each prompt, ``[batch, prompts]`` all three."""

    original: torch.Tensor
    masked_in: torch.Tensor
    masked_out: torch.Tensor


class MaskedClassifier(nn.Module):
    """A zero-shot classifier whose input can be masked.

    Arguments
    ---------
    plane : MaskingDomain
        With its CLAP.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.masking.domains import MelDomain
    >>> classifier = MaskedClassifier(MelDomain(MiniCLAP()))
    >>> encoded = classifier.encode_clips(torch.randn(1, 32000))
    >>> text = classifier.clap.embed_text(["rain", "siren"])
    >>> scores = classifier.masked_similarity(encoded, torch.ones_like(encoded.power), text)
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
    def encode_clips(self, wavs):
        """Hear clips ``[batch, time]`` -> :class:`EncodedClips`, without gradients."""
        filled = self.clap.window.fit_wav(wavs)
        stft = self.clap.stft(filled)
        heard = self.plane.power_from_stft(stft)
        whole = filled.shape == wavs.shape
        power = heard if whole else self.plane.power(wavs)
        sound = stft if whole and self.clap.stft_is_unfiltered else None
        return EncodedClips(wavs, power, heard, self.plane.encode(heard), sound)

    def apply_mask(self, encoded, mask):
        """The sound that masks ``[..., batch, frames, bins]`` keep, ``[..., batch, time]``."""
        if mask.dim() == 3:
            return self.plane.apply_mask(encoded.wavs, mask, encoded.stft)
        return torch.stack([self.apply_mask(encoded, part) for part in mask])

    def grid(self, encoded):
        """The :class:`~speechbrain_lmac.masking.grid.Grid` of masks of the clips analyzed."""
        return self.plane.grid(encoded.power, encoded.wavs.shape[-1])

    def encode_masked_vector(self, encoded, mask):
        """Embed clips under a mask.

        Arguments
        ---------
        encoded : EncodedClips
            Of ``batch`` clips.
        mask : torch.Tensor
            ``[batch, frames, bins]``.

        Returns
        -------
        torch.Tensor
            ``[batch, dim]``.
        """
        return self.encode_masked(encoded.heard, mask, encoded.wavs.shape[-1]).embedding

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
        gains = self.clap.window.align_mask(mask, samples)
        kept = self.plane.masked(heard, gains)
        return self.plane.encode(kept if fill is None else kept + fill * (1 - gains.square()))

    def logits(self, embedding, text):
        """Scaled cosines ``[batch, prompts]`` of ``[batch, dim]`` and ``[prompts, dim]``."""
        return self.clap.logit_scale * embedding @ text.T

    @torch.no_grad()
    def masked_similarity(self, encoded, mask, text):
        """Similarity of clips, of what a mask keeps and of what it removes.

        Arguments
        ---------
        encoded : EncodedClips
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
            encoded.encoding.embedding,
            self.encode_masked_vector(encoded, mask),
            self.encode_masked_vector(encoded, 1 - mask),
        )
        return MaskedSimilarity(*(self.logits(embedding, text) for embedding in embeddings))

    def masked_objective(self, encoded, gains, value, chunk_size):
        """What a function makes of the embeddings of masked clips, differentiable in the gains.

        Pairs go through the encoder ``chunk_size`` at a time, forward and backward once, and
        nothing of it is kept but the gradient of each value, so memory does not grow with the
        number of pairs.

        Arguments
        ---------
        encoded : EncodedClips
            Of ``batch`` clips.
        gains : torch.Tensor
            ``[prompts, batch, frames, bins]``.
        value : callable
            Embeddings ``[pairs, dim]`` and which pairs they are of ``[pairs]`` (``prompt * batch +
            clip``) -> a value for each, ``[pairs]``, and what to report of each,
            ``[pairs, parts]``. A pair's value must depend on its own embedding alone.
        chunk_size : int
            Pairs in one pass of the encoder.

        Returns
        -------
        torch.Tensor, torch.Tensor
            Values ``[prompts * batch]``, and reports ``[prompts * batch, parts]`` without gradient.
        """
        return _MaskedValues.apply(gains.flatten(0, 1), encoded, value, self, chunk_size)


class _MaskedValues(torch.autograd.Function):
    """Each pair's value depends on its own mask alone, so d value / d mask is found together with
    the value, chunk by chunk: one forward and one backward pass per pair, no recomputing.
    """

    @staticmethod
    def forward(ctx, gains, encoded, value, classifier, chunk_size):
        samples, batch = encoded.wavs.shape[-1], len(encoded.wavs)
        wanted = ctx.needs_input_grad[0]
        values, reports, gradients = [], [], []
        for index in torch.arange(len(gains), device=gains.device).split(chunk_size):
            mask = gains[index].requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                heard = encoded.heard[index % batch]
                embedding = classifier.encode_masked(heard, mask, samples).embedding
                found, report = value(embedding, index)
            if wanted:
                gradients.append(torch.autograd.grad(found, mask, torch.ones_like(found))[0])
            values.append(found.detach())
            reports.append(report.detach())
        if wanted:
            ctx.save_for_backward(torch.cat(gradients))
        reports = torch.cat(reports)
        ctx.mark_non_differentiable(reports)
        return torch.cat(values), reports

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream, _):
        (gradients,) = ctx.saved_tensors
        return upstream[:, None, None] * gradients, None, None, None, None
