"""Guided backpropagation and guided GradCAM, by captum.

captum replaces the gradient of ``torch.nn.ReLU`` modules. It does not find functional ReLUs, such
as those of SpeechBrain's CNN14, nor other activations, such as the hard swishes of MobileNets. For
an encoder without ReLU modules guided backpropagation is input x gradient.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.cam import GradCAM
from speechbrain_lmac.explainers.gradient import Clips, Gradient, Logit, logit_of_gains
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


class LogitOfGains(nn.Module):
    """Logit as a function of gains, as a module: captum searches it for ReLUs.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier that is explained.
    samples : int
        Length of the clips, in samples.
    """

    def __init__(self, classifier: MaskedClassifier, samples: int):
        super().__init__()
        self.classifier = classifier
        self.logit: Logit = logit_of_gains(classifier, samples)

    def forward(self, gains: torch.Tensor, *arguments: Any) -> torch.Tensor:
        """Logits ``[batch]`` of gains ``[batch, frames, bins]``, encoder power and queries."""
        return self.logit(gains, *arguments)


@dataclass(frozen=True)
class GuidedBackprop(Gradient):
    """d logit / d gain in which ReLUs pass positive gradients only (Springenberg et al., 2015)."""

    def attribute(self, classifier: MaskedClassifier, clips: Clips) -> torch.Tensor:
        from captum.attr import GuidedBackprop as Captum

        method = Captum(LogitOfGains(classifier, clips.samples))
        gains = torch.ones_like(clips.magnitude).requires_grad_()
        arguments = (clips.encoder_power, clips.query)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of its own hooks
            return method.attribute(gains, additional_forward_args=arguments).detach()


@dataclass(frozen=True)
class GuidedGradCAM(GuidedBackprop):
    """Guided backpropagation times GradCAM of the deepest map (Selvaraju et al., 2017)."""

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        return super().__call__(model, encoded, inputs) * GradCAM()(model, encoded, inputs)

    def passes(self, classifier: MaskedClassifier) -> int:
        return 4
