"""Settings of an AST: its patches, its normalization, its class names and its input window."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.models.backbones.kaldi import FRAMES_AFTER, FRAMES_BEFORE
from speechbrain_lmac.models.clap.transformers_files import read_mapping
from speechbrain_lmac.models.input_window import VariableLengthInput
from speechbrain_lmac.utils.errors import InputError

EXTRACTOR = "preprocessor_config.json"
SAMPLE_RATE = 16000
DEFAULTS = {
    **{"num_mel_bins": 128, "max_length": 1024, "patch_size": 16},
    **{"time_stride": 10, "frequency_stride": 10},
}
"""Settings of a configuration that may be left out."""


class Patches(NamedTuple):
    """Patches of a log-mel spectrogram."""

    bands: int
    """Number of mel bands."""
    longest: int
    """Frames of the encoder input."""
    size: int
    """Frames, and bands, of a patch."""
    time_stride: int
    """Frames between patches."""
    frequency_stride: int
    """Bands between patches."""

    @property
    def frames(self) -> int:
        """Number of patches along time."""
        return (self.longest - self.size) // self.time_stride + 1

    @property
    def bins(self) -> int:
        """Number of patches along frequency."""
        return (self.bands - self.size) // self.frequency_stride + 1


def read_patches(config: Mapping[str, Any], folder: Path) -> Patches:
    """Patches of a configuration, which its feature extractor must have, too."""
    values = [config.get(name, default) for name, default in DEFAULTS.items()]
    if not all(isinstance(value, int) and value > 0 for value in values):
        raise InputError(
            f"{folder}: {', '.join(DEFAULTS)} in its config.json must be whole numbers"
        )
    patches = Patches(*values)
    if patches.size > min(patches.bands, patches.longest):
        raise InputError(f"{folder}: patch_size in its config.json must fit into the spectrogram")
    extractor = read_extractor(folder)
    expected = {
        "sampling_rate": SAMPLE_RATE,
        "num_mel_bins": patches.bands,
        "max_length": patches.longest,
    }
    for name, value in expected.items():
        if extractor.get(name, value) != value:
            raise InputError(
                f"{folder / EXTRACTOR}: {name} must be {value}, got {extractor[name]}. Give the "
                "feature extractor of the model"
            )
    return patches


def read_normalization(folder: Path) -> tuple[float, float]:
    """Mean and divisor of log-mel values: the feature extractor divides by ``2 * std``."""
    extractor = read_extractor(folder)
    if not extractor.get("do_normalize", True):
        return 0.0, 1.0
    mean, std = (extractor.get(name) for name in ("mean", "std"))
    numbers = [value for value in (mean, std) if isinstance(value, int | float)]
    if len(numbers) != 2 or not all(map(math.isfinite, numbers)) or numbers[1] <= 0:
        raise InputError(
            f"{folder / EXTRACTOR}: mean and std must be numbers, got {mean!r} and {std!r}"
        )
    return float(numbers[0]), 2 * float(numbers[1])


def read_extractor(folder: Path) -> dict[str, Any]:
    """Settings of the feature extractor; InputError if there are none."""
    if not (folder / EXTRACTOR).is_file():
        raise InputError(
            f"{folder} must hold {EXTRACTOR}, which states the normalization. Save the feature "
            "extractor of the model there"
        )
    return read_mapping(folder / EXTRACTOR)


def names_of(id2label: Mapping[Any, Any]) -> list[Any]:
    """Class names of a configuration in the order of the logits."""
    return [id2label[index] for index in sorted(id2label)]


class PatchedInput(VariableLengthInput):
    """Encoder input from the start of a clip, in patches.

    Longer clips are cut at the end. Shorter ones are padded in the encoder. The frames at the edges
    that Kaldi leaves out are outside the input.

    Arguments
    ---------
    patches : Patches
        Patches of the encoder.
    hop_length, window : int
        Distance between frames and length of a frame, in samples.

    Example
    -------
    >>> window = PatchedInput(Patches(128, 1024, 16, 10, 10), 160, 400)
    >>> window.span(10 ** 6)
    (0, 164080)
    >>> window.frame_positions(5, 720).isnan().squeeze().tolist()
    [True, False, False, True, True]
    """

    def __init__(self, patches: Patches, hop_length: int, window: int):
        self.patches = patches
        self.samples = (patches.longest - 1) * hop_length + window

    def fit_wav(self, wavs: torch.Tensor) -> torch.Tensor:
        """Beginning of ``wavs`` ``[batch, time]``."""
        return wavs[:, : self.samples]

    def align_mask(self, mask: torch.Tensor, samples: int) -> torch.Tensor:
        """Mask ``[..., frames, bins]`` on the frames of the encoder input."""
        return mask[..., : self.patches.longest + FRAMES_BEFORE + FRAMES_AFTER, :]

    def span(self, samples: int) -> tuple[int, int]:
        """First sample of a clip in the encoder input, and the sample after the last one."""
        return 0, min(samples, self.samples)

    def frame_positions(self, frames: int, samples: int) -> torch.Tensor:
        """Position of each frame between the centers of patches, 0 to 1, ``[1, frames]``.

        The value is NaN for frames outside the encoder input.
        """
        index = torch.arange(frames) - FRAMES_BEFORE
        count = min(frames - FRAMES_BEFORE - FRAMES_AFTER, self.patches.longest)
        place = (index + 0.5 - self.patches.size / 2) / self.patches.time_stride
        position = ((place + 0.5) / self.patches.frames).clamp(0, 1)
        return position.where((index >= 0) & (index < count), torch.nan).unsqueeze(0)
