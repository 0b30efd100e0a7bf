"""Classifier with a mask on its input: encoding, scores and differentiable objectives."""

import torch
from torch import nn

from speechbrain_lmac.losses.objective import PairValue
from speechbrain_lmac.masking.base import MaskingDomain
from speechbrain_lmac.masking.encoded_clips import EncodedClips, EncodingGraph, MaskedScores
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.masking.pair_values import PairValues
from speechbrain_lmac.models.base import AudioClassifier, AudioEncoding
from speechbrain_lmac.models.class_set import ClassSet


class MaskedClassifier(nn.Module):
    """Audio classifier whose input can be masked.

    Arguments
    ---------
    domain : MaskingDomain
        Masking domain, with its classifier.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.masking.domains import MelDomain
    >>> classifier = MaskedClassifier(MelDomain(MiniCLAP()))
    >>> encoded = classifier.encode_clips(torch.randn(1, 32000))
    >>> queries = classifier.audio_classifier.queries(["rain", "siren"])
    >>> scores = classifier.masked_similarity(encoded, torch.ones_like(encoded.power), queries)
    >>> torch.allclose(scores.masked_in, scores.original)
    True
    """

    def __init__(self, domain: MaskingDomain):
        super().__init__()
        self.domain = domain
        self.keeps_graph = False
        """Whether :meth:`encode_clips` keeps the graph of the encoding. It takes memory."""

    @property
    def audio_classifier(self) -> AudioClassifier:
        """Classifier that is explained."""
        return self.domain.audio_classifier

    @property
    def device(self) -> torch.device:
        """Device of the classifier."""
        return self.audio_classifier.device

    @torch.no_grad()
    def encode_clips(self, wavs: torch.Tensor) -> EncodedClips:
        """Encode clips ``[batch, time]`` without gradients."""
        classifier = self.audio_classifier
        fitted = classifier.window.fit_wav(wavs)
        stft = classifier.stft(fitted)
        encoder_power = self.domain.power_from_stft(stft)
        fits = fitted.shape == wavs.shape
        power = encoder_power if fits else self.domain.power(wavs)
        reusable = stft if fits and classifier.stft_is_unfiltered else None
        if not self.keeps_graph:
            encoding = self.domain.encode(encoder_power)
            return EncodedClips(wavs, power, encoder_power, encoding, reusable)
        graph = self.encode_with_graph(encoder_power)
        encoding = AudioEncoding(graph.vector.detach(), tuple(x.detach() for x in graph.hidden))
        return EncodedClips(wavs, power, encoder_power, encoding, reusable, graph)

    def encode_with_graph(self, encoder_power: torch.Tensor) -> EncodingGraph:
        """Encode power and record the graph, from which gradients are computed."""
        power = encoder_power.detach().requires_grad_()
        with torch.enable_grad():
            encoding = self.domain.encode(power)
        return EncodingGraph(power, encoding.vector, encoding.hidden)

    def gain_gradient(self, encoded: EncodedClips, power_gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the gains of a mask that is open, by the chain rule.

        In power domains it is input times gradient, times a constant.

        Arguments
        ---------
        encoded : EncodedClips
            Clips.
        power_gradient : torch.Tensor
            Gradient with respect to the encoder input, ``[batch, encoder frames, bins]``.

        Returns
        -------
        torch.Tensor
            Gradient with respect to the gains on the clips' own frames, ``[batch, frames, bins]``.
        """
        with torch.enable_grad():
            gains = torch.ones_like(encoded.power).requires_grad_()
            masked = self._masked_power(encoded.encoder_power, gains, encoded.wavs.shape[-1])[0]
            total = (masked * self.domain.covered(power_gradient)).sum()
        return torch.autograd.grad(total, gains)[0]  # ``grad_outputs`` would import sympy

    def apply_mask(self, encoded: EncodedClips, mask: torch.Tensor) -> torch.Tensor:
        """Masked-in waveforms ``[..., batch, time]`` of masks ``[..., batch, frames, bins]``."""
        if mask.dim() == 3:
            return self.domain.apply_mask(encoded.wavs, mask, encoded.stft)
        return torch.stack([self.apply_mask(encoded, part) for part in mask])

    def grid(self, encoded: EncodedClips) -> Grid:
        """Positions of the mask's bins on the encoder's axes."""
        return self.domain.grid(encoded.power, encoded.wavs.shape[-1])

    def encode_masked_vector(
        self, encoded: EncodedClips, mask: torch.Tensor, fill: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Clip vectors ``[batch, dim]`` under masks ``[batch, frames, bins]``."""
        return self.encode_masked(encoded.encoder_power, mask, encoded.wavs.shape[-1], fill).vector

    def encode_masked(
        self,
        encoder_power: torch.Tensor,
        mask: torch.Tensor,
        samples: int,
        fill: torch.Tensor | None = None,
    ) -> AudioEncoding:
        """Encode the masked-in part of the encoder input.

        Arguments
        ---------
        encoder_power : torch.Tensor
            Power of the encoder input, ``[batch, encoder frames, bins]``.
        mask : torch.Tensor
            Masks on the clip's own frames, ``[batch, frames, bins]``.
        samples : int
            Length of the clip, in samples.
        fill : torch.Tensor
            Power ``[batch, 1, bins]`` that replaces masked-out power, weighted by
            ``1 - mask ** 2``. Default: silence.

        Returns
        -------
        AudioEncoding
        """
        masked_in, gains = self._masked_power(encoder_power, mask, samples)
        if fill is not None:
            masked_in = masked_in + fill * (1 - gains.square())
        return self.domain.encode(masked_in)

    def _masked_power(
        self, encoder_power: torch.Tensor, mask: torch.Tensor, samples: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Masked power of the encoder input, and the gains of its bins."""
        gains = self.domain.covered(self.audio_classifier.window.align_mask(mask, samples))
        return self.domain.masked(self.domain.covered(encoder_power), gains), gains

    def logits(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Logits ``[batch, queries]`` of clip vectors and query vectors."""
        return self.audio_classifier.logits(vector, queries)

    def probabilities(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Probabilities ``[batch, queries]`` of queries among their competing classes."""
        return self.audio_classifier.probabilities(vector, queries)

    def competing(self, queries: torch.Tensor) -> ClassSet:
        """Classes that a query competes with, given the classes in use ``[classes, dim]``."""
        return self.audio_classifier.competing(queries)

    @torch.no_grad()
    def masked_similarity(
        self, encoded: EncodedClips, mask: torch.Tensor, queries: torch.Tensor
    ) -> MaskedScores:
        """Score clips, their masked-in part and their masked-out part.

        Arguments
        ---------
        encoded : EncodedClips
            Clips.
        mask : torch.Tensor
            Masks, ``[batch, frames, bins]``.
        queries : torch.Tensor
            Query vectors, ``[queries, dim]``.

        Returns
        -------
        MaskedScores
            Logits.
        """
        return MaskedScores(*(self.logits(v, queries) for v in self._vectors(encoded, mask)))

    @torch.no_grad()
    def masked_probabilities(
        self,
        encoded: EncodedClips,
        mask: torch.Tensor,
        queries: torch.Tensor,
        fill: torch.Tensor | None = None,
    ) -> MaskedScores:
        """Probabilities of queries; the arguments are those of :meth:`masked_similarity`.

        ``fill`` is the power ``[batch, 1, bins]`` of masked-out bins. Default: silence.
        """
        vectors = self._vectors(encoded, mask, fill)
        return MaskedScores(*(self.probabilities(vector, queries) for vector in vectors))

    def _vectors(
        self, encoded: EncodedClips, mask: torch.Tensor, fill: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        """Vectors of clips, of their masked-in part and of their masked-out part."""
        return (
            encoded.encoding.vector,
            self.encode_masked_vector(encoded, mask, fill),
            self.encode_masked_vector(encoded, 1 - mask, fill),
        )

    def masked_objective(
        self,
        encoded: EncodedClips,
        gains: torch.Tensor,
        value: PairValue,
        chunk_size: int,
        fill: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Evaluate a function of masked clips, with gradients to the gains.

        ``chunk_size`` pairs go through the encoder at once, forward and backward. Only the gradient
        of each value is stored, so memory does not grow with the number of pairs.

        Arguments
        ---------
        encoded : EncodedClips
            Clips.
        gains : torch.Tensor
            Masks, ``[prompts, batch, frames, bins]``.
        value : callable
            Function of vectors ``[pairs, dim]`` and pair indices ``[pairs]``
            (``prompt * batch + clip``). It returns a value for each pair, ``[pairs]``, and a
            report, ``[pairs, parts]``. A value must depend on its own vector alone.
        chunk_size : int
            Pairs in one pass of the encoder.
        fill : torch.Tensor
            Power ``[batch, 1, bins]`` that replaces masked-out power. Default: silence.

        Returns
        -------
        torch.Tensor, torch.Tensor
            Values ``[prompts * batch]``, and reports ``[prompts * batch, parts]`` without gradient.
        """
        samples, batch = encoded.wavs.shape[-1], len(encoded.wavs)

        def encode(mask: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
            power, clips = encoded.encoder_power, index % batch
            filled = None if fill is None else fill[clips]
            return self.encode_masked(power[clips], mask, samples, filled).vector

        return PairValues.apply(gains.flatten(0, 1), encode, value, chunk_size)
