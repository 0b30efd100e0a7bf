"""CNN14 classifiers of SpeechBrain with random weights, as the files that its recipes write."""

from typing import NamedTuple

import torch
from speechbrain.lobes.models.Cnn14 import Cnn14
from speechbrain.lobes.models.ECAPA_TDNN import Classifier
from speechbrain.processing.features import STFT, Filterbank, spectral_magnitude
from torch import nn

MILLISECONDS = {"hop_length": 11.6099, "win_length": 23.2199}
"""Lengths in SpeechBrain's settings files of both layouts."""
LABELS = "'a' => 0\n'c' => 2\n'b' => 1\n================\n'starting_index' => 0\n"
"""Label encoder of three classes."""


class Published(NamedTuple):
    """SpeechBrain's modules of a classifier, and the arguments that load their weights here."""

    cnn14: nn.Module
    head: nn.Module
    stft: nn.Module
    filters: nn.Module
    settings: dict

    def magnitude(self, wavs):
        """Return the magnitudes ``[batch, frames, bins]`` of waveforms."""
        return spectral_magnitude(self.stft(wavs), power=0.5)

    def front_end(self, magnitude):
        """Return the input of CNN14, ``[batch, frames, 80]``."""
        mel = self.filters(magnitude)
        return mel if self.filters.log_mel else mel.log1p()

    def classify(self, magnitude):
        """Return the output of the head ``[batch, classes]``, and the hidden maps."""
        embedding, hidden = self.cnn14(self.front_end(magnitude))
        return self.head(embedding).squeeze(1), hidden


def randomize(module, seed=0):
    """Draw all weights and statistics of a module so that activations stay of order one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0, generator=generator)
            elif value.dim() > 1:
                value.normal_(0.0, (2 / value[0].numel()) ** 0.5, generator=generator)
            elif value.is_floating_point():
                value.normal_(1.0 if "norm" in name and "weight" in name else 0.0, 0.2)
    return module.eval().requires_grad_(False)


def published_classifier(folder, layout, dim=64, classes=50, seed=0):
    """Write a classifier with random weights, and return its modules and settings."""
    torch.manual_seed(seed)
    rate = {"recipe": 16000, "hub": 44100}[layout]
    cnn14 = randomize(Cnn14(80, dim, return_reps=True), seed)
    if layout == "recipe":
        head = nn.Linear(dim, classes)
    else:
        head = Classifier(dim, lin_blocks=1, out_neurons=classes)
    head = randomize(head, seed + 1)
    stft = STFT(rate, n_fft=1024, **MILLISECONDS)
    filters = Filterbank(80, layout == "hub", n_fft=1024, sample_rate=rate)
    settings = {"layout": layout}
    for name, module in (("weights", cnn14), ("head", head)):
        settings[name] = str(folder / f"{name}.ckpt")
        torch.save(module.state_dict(), settings[name])
    return Published(cnn14, head, stft, filters, settings)


def noise_clips(rate, seconds=1.0, batch=2, seed=0):
    """Return noise that ends in silence, with a largest sample of 1, ``[batch, time]``."""
    generator = torch.Generator().manual_seed(seed)
    wavs = torch.randn(batch, round(rate * seconds), generator=generator)
    wavs = wavs + wavs.roll(1, dims=1) + wavs.roll(2, dims=1)  # low frequencies are louder
    wavs[:, round(0.7 * rate * seconds) :] = 0
    return wavs / wavs.amax(dim=1, keepdim=True)


def relative(values, reference):
    """Return the largest difference as a fraction of the largest reference value."""
    return ((values - reference).abs().max() / reference.abs().max()).item()
