"""Any torch audio classifier as a supervised classifier, by forward hooks."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import pad

from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier
from speechbrain_lmac.models.classifiers.front_end import FrontEnd
from speechbrain_lmac.models.classifiers.probe import check_head, noise_mel, probe
from speechbrain_lmac.models.classifiers.wiring import BodyOutputs, wire
from speechbrain_lmac.models.state_dicts import load_strictly, state_sha256

HIDDEN = ("layer4", "layer3", "layer2")
"""Modules of torchvision's ResNets with hidden maps."""


class HookedClassifier(SupervisedClassifier):
    """Audio classifier around a network of the user.

    The network is frozen, and run on noise once to check that it can be explained. It exists in
    Python only: an interpreter of it is loaded with the classifier as ``audio_classifier``.

    If the head is a linear layer, its rows are the query vectors. Otherwise the logits are the
    features, and the query vectors are unit vectors.

    Arguments
    ---------
    body : torch.nn.Module
        Network from the output of the front end to logits ``[batch, classes]``, without softmax or
        sigmoid. It is frozen in place.
    head : str or torch.nn.Module
        Module of the body that returns the logits, or its name. The last layer of a
        ``Sequential`` is taken.
    class_names : sequence of str
        Name of every class, in the order of the logits.
    front_end : FrontEnd
        Front end, from the waveform to the input of the body.
    hidden : sequence of str
        Names of modules whose outputs are maps with 4 dimensions, deepest first. Each runs once
        for each input. Default: the last three stages of a ResNet.
    multilabel : bool
        Whether classes are independent labels (sigmoid), or exclusive (softmax). Default: False.

    Raises
    ------
    InputError
        If the network cannot be explained; with what to change.

    Example
    -------
    >>> body = nn.Sequential(
    ...     nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(),
    ...     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2),
    ... )
    >>> front_end = FrontEnd(16000, n_fft=512, hop_length=160, bands=40)
    >>> classifier = HookedClassifier(body, "6", ["dog", "rain"], front_end, hidden=["3", "1"])
    >>> classifier.hidden_channels
    (16, 8)
    """

    body: nn.Module

    def __init__(
        self,
        body: nn.Module,
        head: str | nn.Module,
        class_names: Sequence[str],
        front_end: FrontEnd,
        hidden: Sequence[str] = HIDDEN,
        multilabel: bool = False,
    ):
        body.eval()
        wiring = wire(body, head, hidden, front_end.bins_first)
        probed = probe(body, wiring, front_end)
        super().__init__(
            front_end.sample_rate,
            front_end.spectrogram(),
            front_end.filterbank,
            class_names,
            probed.weight,
            probed.bias,
            multilabel,
            front_end.input_window(),
        )
        self.body, self.wiring, self.front_end = body, wiring, front_end
        self.hidden_channels = probed.channels
        self.stages, self.shortest = probed.stages, probed.shortest
        self.freeze()
        self.to(probed.weight.device)

    def mel(self, power: torch.Tensor) -> torch.Tensor:
        with torch.autocast(power.device.type, enabled=False):
            return self.front_end.mel(power, self.filterbank)

    def features(self, mel: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        outputs = self.outputs(mel)
        return outputs.features, outputs.hidden

    def outputs(self, mel: torch.Tensor) -> BodyOutputs:
        """Logits, features and hidden maps of mel power ``[batch, frames, bands]``.

        Clips that are too short for the body are padded with silence.
        """
        mel = pad(mel, (0, 0, 0, max(0, self.shortest - mel.shape[1])))
        return self.wiring.run(self.body, self.front_end.body_input(mel))

    @property
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        return tuple(stage.module(self.body) for stage in self.stages)

    @property
    def reference(self) -> WeightsReference:
        name = type(self.body).__name__
        return WeightsReference(name, "own", state_sha256(self.body.state_dict()))

    def own_weights(self) -> dict[str, torch.Tensor]:
        return self.body.state_dict()

    def load_own_weights(self, weights: dict[str, torch.Tensor]) -> None:
        load_strictly(self.body, weights, "the weights of the classifier")
        mel = noise_mel(self.front_end, 1.0).to(self.device)
        with torch.no_grad():
            weight, bias = check_head(self.body, self.wiring, self.outputs(mel))
        self.set_head(self.class_names, weight, bias, self.multilabel)
