"""Small audio classifiers with random weights, for plumbing only."""

import torch
from torch import nn

from speechbrain_lmac.models.classifiers.front_end import FrontEnd
from speechbrain_lmac.models.classifiers.hooked import HookedClassifier

NAMES = ("siren", "rain", "dog")
SAMPLE_RATE = 16000


class SmallCNN(nn.Module):
    """Two convolutional stages, and a linear head over the mean of the last map."""

    def __init__(self, classes=3, width=8):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, 2)
        self.layer1 = stage(width, width)
        self.layer2 = stage(width, 2 * width)
        self.fc1 = nn.Linear(2 * width, 2 * width)
        self.gain = nn.Parameter(torch.ones(2 * width))
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, log_mel):
        maps = self.layer2(self.layer1(self.stem(log_mel)))
        return self.fc(self.gain * self.fc1(maps.mean(dim=(2, 3))).relu())


def stage(channels_in, channels_out):
    """Convolution, batch normalization and activation; the stride is 2."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, 2, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def front_end(**changes):
    """Front end at 16 kHz with 40 bands."""
    settings = {"sample_rate": SAMPLE_RATE, "n_fft": 512, "hop_length": 160, "bands": 40}
    return FrontEnd(**{**settings, "floor": 1e-5, "mean": -4.0, "std": 4.0, **changes})


def small_cnn(seed=0, classes=3):
    """Network with random weights."""
    torch.manual_seed(seed)
    return SmallCNN(classes)


def hooked(body=None, names=NAMES, **changes):
    """Classifier around a network; settings may change."""
    settings = {"head": "fc", "front_end": front_end(), "hidden": ("layer2", "layer1"), **changes}
    return HookedClassifier(body or small_cnn(), class_names=names, **settings)
