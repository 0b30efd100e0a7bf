"""Class activation maps of the prompt's logit, tensor to tensor: no hook on the encoder."""

from dataclasses import dataclass, replace

import torch
from torch.nn.functional import relu

from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.explainers.gradient import prompt_logit
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.utils.errors import InputError


@dataclass(frozen=True)
class LayerMap(Explainer):
    """An explainer that looks at one hidden map.

    Arguments
    ---------
    layer : int
        Hidden map, 0 for the deepest.
    """

    layer: int = 0

    def __call__(self, model, encoded, inputs):
        raise NotImplementedError

    def hidden(self, encoding):
        """Its map of an encoding, ``[batch, channels, frames', bins']``."""
        layers = len(encoding.hidden)
        if not 0 <= self.layer < layers:
            raise InputError(f"layer is 0 to {layers - 1} for this CLAP, not {self.layer}")
        return encoding.hidden[self.layer]

    def map_and_gradient(self, classifier, encoded, text):
        """A hidden map and the gradient of each clip's logit with respect to it."""
        with torch.enable_grad():
            encoding = classifier.plane.encode(encoded.heard.detach().requires_grad_())
            maps = self.hidden(encoding)
            logits = prompt_logit(classifier, encoding.embedding, text)
            (gradient,) = torch.autograd.grad(logits.sum(), maps)
        return maps.detach().float(), gradient.float()  # an encoder may run in bfloat16

    def variants(self, classifier):
        layers = range(len(classifier.clap.hidden_channels))
        return [self, *(replace(self, layer=i) for i in layers if i != self.layer)]


@dataclass(frozen=True)
class GradCAM(LayerMap):
    """GradCAM (Selvaraju et al., 2017): channels weighed by their mean gradient."""

    def __call__(self, model, encoded, inputs):
        maps, gradient = self.map_and_gradient(model.classifier, encoded, inputs.text)
        cam = relu((self.weights(maps, gradient) * maps).sum(dim=1))
        return upsample_to_grid(cam, model.classifier.grid(encoded))

    def weights(self, maps, gradient):
        """Weight of each channel, ``[batch, channels, 1, 1]``."""
        return gradient.mean(dim=(2, 3), keepdim=True)

    def passes(self, classifier):
        return 2


@dataclass(frozen=True)
class GradCAMPlusPlus(GradCAM):
    """GradCAM++ (Chattopadhay et al., 2018, eq. 19)."""

    def weights(self, maps, gradient):
        # g^2 / (2 g^2 + sum(A) g^3), with g^2 cancelled: it underflows where g is small
        evidence = 2 + maps.sum(dim=(2, 3), keepdim=True) * gradient
        alpha = torch.where(evidence.abs() > 1e-6, 1 / evidence, 0.0)
        return (alpha * relu(gradient)).sum(dim=(2, 3), keepdim=True)
