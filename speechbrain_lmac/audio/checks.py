"""Checks of samples: finite, at full scale 1, and not silent."""

import numpy as np
import torch
from torch import Tensor

from speechbrain_lmac.utils.errors import InputError

MAX_PEAK = 32.0
"""Largest accepted absolute sample, where full scale is 1: 30 dB above it."""
MIN_RANGE = 1e-8
"""Difference between the largest and the smallest sample below which audio is silent."""

Range = tuple[Tensor, Tensor]
"""Smallest and largest samples, ``[channels]`` each or scalars."""


class SampleCheck:
    """Check samples block by block, for files and arrays alike.

    Samples must be finite and at most :data:`MAX_PEAK`. Audio with a peak above 1 and whole numbers
    as samples was never divided by its full scale and is refused. A constant offset is silence.

    Arguments
    ---------
    name : str
        Name of the audio in an error.

    Example
    -------
    >>> check = SampleCheck("the array")
    >>> check.add(torch.tensor([[0.5, 0.1]]))
    tensor([0.3000])
    >>> check.add(torch.tensor([[3000.0, 100.0]]))
    Traceback (most recent call last):
    ...
    speechbrain_lmac.utils.errors.InputError: the samples of the array must be at most 32, and ...
    """

    def __init__(self, name: str):
        self.name = name
        self._range: Range | None = None
        self._mean_range: Range | None = None

    def add(self, samples: Tensor) -> Tensor:
        """Check a block and average its channels.

        Arguments
        ---------
        samples : torch.Tensor
            Block of samples, ``[time, channels]``.

        Returns
        -------
        torch.Tensor
            Mean of the channels, ``[time]``.

        Raises
        ------
        InputError
            If a sample is not finite or not at full scale 1.
        """
        mean = samples.mean(dim=1)
        if not len(samples):
            return mean
        mean_range = torch.aminmax(mean)
        low, high = mean_range if samples.shape[1] == 1 else torch.aminmax(samples, dim=0)
        peak = torch.maximum(high, -low).amax().item()
        if not np.isfinite(peak):
            raise InputError(f"{self.name} holds NaN or infinite samples. Export it again")
        if peak > MAX_PEAK or (peak > 1 and _are_whole_numbers(samples)):
            raise InputError(
                f"the samples of {self.name} must be at most {MAX_PEAK:g}, and full scale is 1, "
                f"got {peak:g}. Divide them by their full scale"
            )
        self._range = _widen(self._range, low, high)
        self._mean_range = _widen(self._mean_range, *mean_range)
        return mean

    def finish(self) -> None:
        """Raise InputError if all blocks together are empty or silent."""
        if self._range is None or self._mean_range is None:
            raise InputError(f"{self.name} holds no samples")
        if _width(self._mean_range) > MIN_RANGE:
            return
        if _width(self._range) > MIN_RANGE:
            raise InputError(
                f"the channels of {self.name} cancel one another, as if one is inverted. Give one "
                "of them"
            )
        raise InputError(f"{self.name} is all silence. Leave it out")


def _are_whole_numbers(samples: Tensor) -> bool:
    """Whether more than 99 % of the nonzero samples are whole numbers."""
    nonzero = samples[samples != 0]
    return bool((nonzero == nonzero.round()).float().mean() > 0.99)


def _widen(current: Range | None, low: Tensor, high: Tensor) -> Range:
    """Extend a range of samples; channels are merged where their number changes."""
    if current is None:
        return low, high
    lowest, highest = current
    if lowest.shape != low.shape:
        lowest, highest, low, high = lowest.amax(), highest.amax(), low.amin(), high.amax()
    return torch.minimum(lowest, low), torch.maximum(highest, high)


def _width(samples: Range) -> float:
    return (samples[1] - samples[0]).amax().item()


def is_silent(wav: Tensor) -> bool:
    """Whether ``wav`` ``[time]`` is empty, silent or a constant offset.

    Example
    -------
    >>> is_silent(torch.full((9,), 0.5)), is_silent(torch.tensor([0.0, 0.1]))
    (True, False)
    """
    return not len(wav) or _width(torch.aminmax(wav)) <= MIN_RANGE


def check_samples(wav: Tensor, name: str = "the sound") -> Tensor:
    """Check a waveform by the rules of :class:`SampleCheck`.

    Arguments
    ---------
    wav : torch.Tensor
        Waveform, ``[time]``.
    name : str
        Name of the audio in an error. Default: ``the sound``.

    Returns
    -------
    torch.Tensor
        ``wav``.

    Raises
    ------
    InputError
        If the waveform is empty, silent, not finite or not at full scale 1.
    """
    check = SampleCheck(name)
    check.add(wav.detach().unsqueeze(1))
    check.finish()
    return wav
