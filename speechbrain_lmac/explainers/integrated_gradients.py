"""Integrated gradients on a path of even steps in loudness, by captum."""

import math
from dataclasses import dataclass

import torch

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.gradient import Clips, Gradient, logit_of_gains, split
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.utils.errors import InputError


@dataclass(frozen=True)
class IntegratedGradients(Gradient):
    """d logit / d gain, integrated from silence to the clip (Sundararajan et al., 2017).

    Attributions sum to the difference between the logits of the clip and of silence. All gains rise
    together from 0 to 1 on a straight path. The path is sampled evenly in loudness over
    ``range_db``: behind a log most of the change lies at gains around a thousandth, which even
    steps of gain barely sample. The integral is the same. With MiniCLAP and synthetic clips, 50
    points miss 3 % of it for the median clip and more than 11 % for one in ten. Even steps of gain
    miss 35 % and more than 190 %.

    Arguments
    ---------
    sign, smoothing, chunk
        Options of :class:`Gradient`.
    steps : int
        Number of Gauss-Legendre points.
    range_db : float
        Loudness range of the path, in dB.
    """

    steps: int = 50
    range_db: float = 80.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1:
            raise InputError(f"steps must be 1 or more, got {self.steps}")
        if self.range_db <= 0:
            raise InputError(f"range_db must be above 0, got {self.range_db}")

    def attribute(self, classifier: MaskedClassifier, clips: Clips) -> torch.Tensor:
        return self._integrate(classifier, clips)[0]

    def convergence_delta(
        self, classifier: MaskedClassifier, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        """Sum of each clip's attributions minus its logit relative to silence, ``[batch]``."""
        parts = split(encoded, inputs, self.chunk)
        return torch.cat([self._integrate(classifier, clips, delta=True)[1] for clips in parts])

    def gain(self, place: torch.Tensor) -> torch.Tensor:
        """Gain at each place of the path, from 0 at 0 to 1 at 1."""
        steepness = math.log(10) * self.range_db / 20
        return torch.expm1(steepness * place) / math.expm1(steepness)

    def _integrate(
        self, classifier: MaskedClassifier, clips: Clips, delta: bool = False
    ) -> tuple[torch.Tensor, ...]:
        """Attributions, followed by their convergence delta if ``delta`` is set."""
        from captum.attr import IntegratedGradients as Captum

        logit = logit_of_gains(classifier, clips.samples)
        method = Captum(lambda place, power, query: logit(self.gain(place), power, query))
        result = method.attribute(
            torch.ones_like(clips.magnitude),
            additional_forward_args=(clips.encoder_power, clips.query),
            n_steps=self.steps,
            internal_batch_size=self.chunk,
            return_convergence_delta=delta,
        )
        attribution, *missed = result if delta else (result,)
        return attribution.detach(), *missed

    def passes(self, classifier: MaskedClassifier) -> int:
        return 2 * self.steps
