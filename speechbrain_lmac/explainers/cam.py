"""Class activation maps of the query's logit, without hooks on the encoder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import relu

from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.utils.errors import InputError


@dataclass(frozen=True)
class LayerMap(Explainer):
    """Explainer of one hidden map.

    Arguments
    ---------
    layer : int
        Index of the hidden map, 0 for the deepest.
    """

    layer: int = 0

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        raise NotImplementedError

    def hidden(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Hidden map of an encoding, ``[batch, channels, frames', bins']``."""
        layers = len(maps)
        if not 0 <= self.layer < layers:
            raise InputError(f"layer must be 0 to {layers - 1}, got {self.layer}")
        return maps[self.layer]

    def map_and_gradient(
        self, classifier: MaskedClassifier, encoded: EncodedClips, query: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden map, and the gradient of each clip's logit with respect to it."""
        with torch.enable_grad():
            encoding = classifier.encode_with_graph(encoded.encoder_power)
            maps = self.hidden(encoding.hidden)
            logits = classifier.audio_classifier.paired_logits(encoding.vector, query)
            (gradient,) = torch.autograd.grad(logits.sum(), maps)
        return maps.detach().float(), gradient.float()  # an encoder may run in bfloat16

    def variants(self, classifier: MaskedClassifier) -> Sequence[Explainer]:
        layers = range(len(classifier.audio_classifier.hidden_channels))
        return [self, *(replace(self, layer=i) for i in layers if i != self.layer)]


@dataclass(frozen=True)
class GradCAM(LayerMap):
    """GradCAM (Selvaraju et al., 2017): channels weighted by their mean gradient."""

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        maps, gradient = self.map_and_gradient(model.classifier, encoded, inputs.query)
        cam = relu((self.weights(maps, gradient) * maps).sum(dim=1))
        return upsample_to_grid(cam, model.classifier.grid(encoded))

    def weights(self, maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Weight of each channel, ``[batch, channels, 1, 1]``."""
        return gradient.mean(dim=(2, 3), keepdim=True)

    def passes(self, classifier: MaskedClassifier) -> int:
        return 2


@dataclass(frozen=True)
class GradCAMPlusPlus(GradCAM):
    """GradCAM++ (Chattopadhay et al., 2018, eq. 19)."""

    def weights(self, maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        # g^2 / (2 g^2 + sum(A) g^3), with g^2 cancelled: it underflows for small g
        denominator = 2 + maps.sum(dim=(2, 3), keepdim=True) * gradient
        alpha = torch.where(denominator.abs() > 1e-6, 1 / denominator, 0.0)
        return (alpha * relu(gradient)).sum(dim=(2, 3), keepdim=True)
