"""Gradients of the query's logit with respect to the magnitudes of a clip, by captum.

captum is imported at its use: it imports matplotlib, which takes as long as all other explainers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar, NamedTuple, Self

import torch
from torch.nn.functional import relu

from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.gradients import blur
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.utils.errors import InputError

SIGNS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"absolute": torch.abs, "positive": relu}
"""Map of a signed attribution: importance of a bin, or evidence for the query."""
SMOOTHINGS = (0.0, 2.0, 8.0)
"""Standard deviations of the blur, in bins, to choose between on a validation set."""


Logit = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Function of gains, encoder power and queries that returns the queries' logits."""


class Clips(NamedTuple):
    """Clips of one pass, with their queries."""

    encoder_power: torch.Tensor
    magnitude: torch.Tensor
    """Magnitude on the clips' own frames, ``[batch, frames, bins]``."""
    query: torch.Tensor
    seeds: tuple[int, ...]
    samples: int

    def repeat(self, times: int) -> Self:
        """The same clips, ``times`` in a row."""
        power, query = self.encoder_power.repeat(times, 1, 1), self.query.repeat(times, 1)
        return self._replace(encoder_power=power, query=query)


@dataclass(frozen=True)
class Gradient(Explainer):
    """Signed attribution, reduced to a map and blurred.

    Arguments
    ---------
    sign : str
        ``"absolute"`` or ``"positive"``.
    smoothing : float
        Standard deviation of a Gaussian blur of the map, in bins; 0 for none.
    chunk : int
        Rows in one pass of the encoder.
    """

    sign: str = "absolute"
    smoothing: float = 0.0
    chunk: int = 16

    def __post_init__(self) -> None:
        if self.sign not in SIGNS:
            raise InputError(f"sign must be {' or '.join(SIGNS)}, got {self.sign!r}")
        if self.smoothing < 0:
            raise InputError(f"smoothing must be 0 or more, got {self.smoothing}")
        if self.chunk < 1:
            raise InputError(f"chunk must be 1 or more, got {self.chunk}")

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        parts = split(encoded, inputs, self.chunk)
        signed = torch.cat([self.attribute(model.classifier, clips) for clips in parts])
        return blur(SIGNS[self.sign](signed), self.smoothing)

    def attribute(self, classifier: MaskedClassifier, clips: Clips) -> torch.Tensor:
        """Signed attribution of clips, ``[batch, frames, bins]``."""
        raise NotImplementedError

    def passes(self, classifier: MaskedClassifier) -> int:
        return 2

    def variants(self, classifier: MaskedClassifier) -> Sequence[Explainer]:
        grid = [
            replace(self, sign=sign, smoothing=smoothing)
            for sign, smoothing in product(SIGNS, SMOOTHINGS)
        ]
        return [self, *(other for other in grid if other != self)]


@dataclass(frozen=True)
class Saliency(Gradient):
    """``|d logit / d magnitude|`` (Simonyan et al., 2014).

    The gradient with respect to power would grow without bound towards silence, because of the log.
    Magnitudes are 0 in digital silence, and so is the derivative of their square.
    """

    def attribute(self, classifier: MaskedClassifier, clips: Clips) -> torch.Tensor:
        return _gradient(classifier, clips, torch.zeros_like(clips.magnitude))


@dataclass(frozen=True)
class SmoothGrad(Saliency):
    """Mean saliency of noisy magnitudes (Smilkov et al., 2017); without noise it is saliency.

    The noise of each clip is drawn from its seed; captum draws noise for a whole batch.

    Arguments
    ---------
    sign, smoothing, chunk
        Options of :class:`Gradient`.
    noise : float
        Standard deviation of the noise, relative to the range of the clip's magnitudes.
    samples : int
        Number of draws.
    """

    needs: ClassVar[tuple[str, ...]] = ("query", "seeds")

    noise: float = 0.15
    samples: int = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise InputError(f"samples must be 1 or more, got {self.samples}")

    def attribute(self, classifier: MaskedClassifier, clips: Clips) -> torch.Tensor:
        count = len(clips.magnitude)
        at_once = max(1, self.chunk // count)
        noise = self._noise(clips)
        total = torch.zeros_like(clips.magnitude)
        for draws in torch.arange(self.samples).split(at_once):
            rows = clips.repeat(len(draws))
            added = torch.cat([next(noise) for _ in draws])
            gradients = SIGNS[self.sign](_gradient(classifier, rows, added))
            total += gradients.unflatten(0, (-1, count)).sum(dim=0)
        return total / self.samples

    def _noise(self, clips: Clips) -> Iterator[torch.Tensor]:
        """Yield draws for all clips, ``[batch, frames, bins]``."""
        magnitude = clips.magnitude
        spans = magnitude.amax(dim=(1, 2)) - magnitude.amin(dim=(1, 2))
        generators = [torch.Generator().manual_seed(seed + 2) for seed in clips.seeds]
        while True:
            noise = [torch.randn(magnitude[0].shape, generator=g) for g in generators]
            yield self.noise * spans[:, None, None] * torch.stack(noise).to(magnitude)

    def passes(self, classifier: MaskedClassifier) -> int:
        return 2 * self.samples


@dataclass(frozen=True)
class InputXGradient(Gradient):
    """``magnitude * d logit / d magnitude`` (Shrikumar et al., 2016): d logit / d gain, at 1."""

    def attribute(self, classifier: MaskedClassifier, clips: Clips) -> torch.Tensor:
        from captum.attr import InputXGradient as Captum

        method = Captum(logit_of_gains(classifier, clips.samples))
        gains = torch.ones_like(clips.magnitude).requires_grad_()
        arguments = (clips.encoder_power, clips.query)
        return method.attribute(gains, additional_forward_args=arguments).detach()


def split(encoded: EncodedClips, inputs: ExplainerInputs, size: int) -> Iterator[Clips]:
    """Yield the clips of a batch, ``size`` at a time."""
    samples = encoded.wavs.shape[-1]
    for first in range(0, len(encoded.power), size):
        part = slice(first, first + size)
        power, magnitude = encoded.encoder_power[part], encoded.power[part].sqrt()
        yield Clips(power, magnitude, inputs.query[part], inputs.seeds[part], samples)


def logit_of_gains(classifier: MaskedClassifier, samples: int) -> Logit:
    """Function of gains, encoder power and queries that returns the queries' logits."""

    def logit(gains: torch.Tensor, power: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        encoding = classifier.encode_masked(power, gains, samples)
        return classifier.audio_classifier.paired_logits(encoding.vector, query)

    return logit


def _gradient(classifier: MaskedClassifier, clips: Clips, added: torch.Tensor) -> torch.Tensor:
    """d logit / d magnitude at the clips' magnitudes plus ``added``, clipped at 0.

    The gradients of a repeated frame add up: offsets are aligned to the encoder input as gains are.
    """
    from captum.attr import Saliency as Captum

    def logit(added: torch.Tensor, power: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        aligned = classifier.audio_classifier.window.align_mask(added, clips.samples)
        encoding = classifier.domain.encode(relu(power.sqrt() + aligned).square())
        return classifier.audio_classifier.paired_logits(encoding.vector, query)

    arguments = (clips.encoder_power, clips.query)
    method = Captum(logit)
    gradient = method.attribute(
        added.requires_grad_(), abs=False, additional_forward_args=arguments
    )
    return gradient.detach()
