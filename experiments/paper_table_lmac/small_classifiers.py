"""Two small supervised classifiers with opposite front ends, both trained on ESC-10 here.

``MiniatureCNN14`` has the front end and the blocks of L-MAC's classifier at an eighth of the width:
its features are ``log(1 + magnitude)``, which encode gain. ``TaggerHead`` is the body of
EfficientAT with a head of ten classes: its features are log-mel, which hardly encode gain.

Usage: python -m experiments.paper_table_lmac.small_classifiers ESC10 FOLDER [TAGGER_WEIGHTS]
"""

import itertools
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy, relu
from tqdm import trange

from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.models.backbones.cnn14 import ConvBlock
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier
from speechbrain_lmac.models.classifiers.efficientat import EfficientATLabels
from speechbrain_lmac.models.classifiers.speechbrain_layouts import LAYOUTS, log1p_magnitude
from speechbrain_lmac.utils.files import absolute_if_exists, file_sha256

WIDTHS = (1, 8, 16, 32, 64, 128, 256)
BANDS = 80
SECONDS = 5.0
TRAIN_FOLDS = (1, 2, 3)
EPOCHS = 40
BATCH = 16
MINIATURE, HEAD = "miniature.safetensors", "head.safetensors"


class Body(nn.Module):
    """CNN14 at an eighth of the width, with hidden maps of the blocks 6, 5, 4 and 3."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(BANDS)
        pools = (2, 2, 2, 2, 2, 1)
        self.blocks = nn.ModuleList(
            ConvBlock(*widths, pool) for widths, pool in zip(itertools.pairwise(WIDTHS), pools)
        )
        self.last = nn.Linear(WIDTHS[-1], WIDTHS[-1])

    def forward(self, log_mel):
        """Map ``[batch, frames, 80]`` to features ``[batch, 256]`` and hidden maps."""
        maps = self.norm(log_mel.unsqueeze(1).transpose(1, 3)).transpose(1, 3)
        hidden = []
        for block in self.blocks:
            maps = block(maps)
            hidden.insert(0, maps)
        over_bins = maps.mean(dim=3)
        return relu(self.last(over_bins.amax(dim=2) + over_bins.mean(dim=2))), tuple(hidden[:4])


class MiniatureCNN14(SupervisedClassifier):
    """Classifier of ESC-10 on log1p magnitudes at 16 kHz, with SpeechBrain's front end.

    Arguments
    ---------
    weights : str or Path
        File that :func:`train_miniature` writes.
    peak_normalized : bool
        Whether clips are divided by their maximum first, as in SpeechBrain's recipe. Default: True.
    """

    hidden_channels = WIDTHS[:-5:-1]
    stft_is_unfiltered = False

    def __init__(self, weights, peak_normalized=True):
        layout = LAYOUTS["recipe"]
        state = load_file(weights)
        head = (state.pop("head.weight"), state.pop("head.bias"))
        names = Path(weights).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
        front_end = (layout.sample_rate, layout.spectrogram(), layout.filterbank())
        window = layout.window() if peak_normalized else None
        super().__init__(*front_end, names, *head, window=window)
        self.body = Body()
        self.body.load_state_dict(state)
        self.settings = {
            "weights": absolute_if_exists(weights),
            "peak_normalized": peak_normalized,
        }
        self.sha256 = file_sha256(weights)
        self.freeze()

    def mel(self, power):
        """Squared band magnitudes, so that a mask is an amplitude gain."""
        return (power.clamp(min=1e-20).sqrt() @ self.filterbank).square()

    def features(self, mel):
        return self.body(log1p_magnitude(mel))

    @property
    def audio_blocks(self):
        first, *deeper = self.body.blocks
        return (self.body.last, *reversed(deeper), nn.ModuleList([self.body.norm, first]))

    @property
    def reference(self):
        return WeightsReference("miniature-cnn14", MINIATURE, self.sha256)


class TaggerHead(EfficientATLabels):
    """EfficientAT's body with a softmax head for the classes of ESC-10.

    Arguments
    ---------
    weights : str or Path
        EfficientAT's weights. Default: downloaded.
    head : str or Path
        File that :func:`train_head` writes.
    """

    def __init__(self, head, weights=None):
        super().__init__(weights)
        state = load_file(head)
        names = Path(head).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
        self.set_head(names, state["weight"], state["bias"])
        self.settings = {**self.settings, "head": absolute_if_exists(head)}
        self.sha256 = file_sha256(head)

    @property
    def reference(self):
        return WeightsReference("efficientat-ten-classes", HEAD, self.sha256)


def read_fold_clips(folder, folds, sample_rate):
    """Return waveforms ``[clips, time]``, class indices and class names of some folds."""
    clips = read_clips(folder)
    names = sorted({clip.label for clip in clips})
    clips = [clip for clip in clips if clip.fold in folds]
    wavs = [load_clip(c.wav, sample_rate, SECONDS, c.start, c.stop) for c in clips]
    return torch.stack(wavs), torch.tensor([names.index(clip.label) for clip in clips]), names


def train_miniature(folder, path, seed=0):
    """Train the body and a linear head from scratch on folds 1 to 3; write the weights."""
    torch.manual_seed(seed)
    layout = LAYOUTS["recipe"]
    wavs, labels, names = read_fold_clips(folder, TRAIN_FOLDS, layout.sample_rate)
    window, spectrogram, bank = layout.window(), layout.spectrogram(), layout.filterbank()
    body, head = Body(), nn.Linear(WIDTHS[-1], len(names))
    weights = [*body.parameters(), *head.parameters()]
    steps = EPOCHS * (len(labels) // BATCH)
    optimizer = torch.optim.AdamW(weights, lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    targets = torch.eye(len(names))[labels]
    for _ in trange(EPOCHS, desc="training the miniature"):
        for batch in torch.randperm(len(labels)).split(BATCH):
            if len(batch) < BATCH:
                continue
            noisy = window.fit_wav(add_noise(wavs[batch]))
            log_mel = (spectrogram(noisy).abs() @ bank).log1p()
            inputs, target = augment(log_mel, targets[batch])
            loss = cross_entropy(head(body(inputs)[0]), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    state = {**body.state_dict(), "head.weight": head.weight, "head.bias": head.bias}
    write(path, {name: value.detach() for name, value in state.items()}, names)


def add_noise(wavs):
    """Roll clips in time and add noise of a random color at 0 to 20 dB, in place of WHAM!."""
    wavs = torch.stack([wav.roll(int(torch.randint(len(wav), ()))) for wav in wavs])
    spectrum = torch.fft.rfft(torch.randn_like(wavs))
    slope = torch.rand(len(wavs), 1)
    spectrum *= torch.arange(1, spectrum.shape[1] + 1) ** -slope
    noise = torch.fft.irfft(spectrum, wavs.shape[1])
    return mix(wavs, noise, 20 * torch.rand(len(wavs)))


def augment(log_mel, target):
    """Mix pairs of clips, and silence a random band and span of each."""
    fraction, order = float(torch.rand(())), torch.randperm(len(target))
    log_mel = fraction * log_mel + (1 - fraction) * log_mel[order]
    for clip in log_mel:
        frame, band = int(torch.randint(380, ())), int(torch.randint(70, ()))
        clip[frame : frame + 50] = 0
        clip[:, band : band + 10] = 0
    return log_mel, fraction * target + (1 - fraction) * target[order]


def train_head(folder, tagger_weights, path):
    """Fit a softmax head on EfficientAT's features of folds 1 to 3; write it."""
    tagger = EfficientATLabels(tagger_weights)
    wavs, labels, names = read_fold_clips(folder, TRAIN_FOLDS, tagger.sample_rate)
    with torch.no_grad():
        features = torch.cat([tagger(part).vector[:, :-2] for part in wavs.split(8)])
    head = nn.Linear(features.shape[1], len(names))
    nn.init.zeros_(head.weight)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200)

    def closure():
        optimizer.zero_grad()
        penalty = 1e-3 * head.weight.square().sum()
        loss = cross_entropy(head(features), labels) + penalty
        loss.backward()
        return loss

    optimizer.step(closure)
    write(path, {"weight": head.weight.detach(), "bias": head.bias.detach()}, names)


def write(path, state, names):
    """Write weights, and the class names beside them."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).with_suffix(".txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    save_file({name: value.contiguous() for name, value in state.items()}, path)


@torch.no_grad()
def accuracy(classifier, folder, folds=(5,)):
    """Fraction of the clips of some folds that are classified as their label."""
    wavs, labels, names = read_fold_clips(folder, folds, classifier.sample_rate)
    queries = classifier.class_queries(names)
    logits = [classifier.logits(classifier(part).vector, queries) for part in wavs.split(8)]
    return (torch.cat(logits).argmax(dim=1) == labels).float().mean().item()


def main(esc10, folder, tagger_weights=None):
    """Train both classifiers and print their accuracy on fold 5."""
    folder = Path(folder)
    train_miniature(esc10, folder / MINIATURE)
    train_head(esc10, tagger_weights, folder / HEAD)
    miniature, tagger = (
        MiniatureCNN14(folder / MINIATURE),
        TaggerHead(folder / HEAD, tagger_weights),
    )
    for name, classifier in (("miniature", miniature), ("tagger head", tagger)):
        print(f"{name}: {100 * accuracy(classifier, esc10):.1f} % of the clips of fold 5")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
