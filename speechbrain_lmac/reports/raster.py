"""Time-frequency values as pixels on a mel axis."""

from functools import lru_cache

import numpy as np
import torch

RANGE_DB = 70
"""Dynamic range of spectrograms, in dB below the loudest bin."""
AXIS_HZ = (250, 1000, 4000, 10000)
"""Frequencies that the axis of an image names."""
HEIGHT, WIDTH = 128, 480
"""Size of images, in pixels."""


def pixels(
    values: torch.Tensor, nyquist: float, colors: str, limits: tuple[float, float]
) -> np.ndarray:
    """Return values as RGB pixels with low frequencies at the bottom.

    Arguments
    ---------
    values : torch.Tensor
        Values on a linear frequency axis, ``[frames, bins]``.
    nyquist : float
        Frequency of the last bin, in Hz.
    colors : str
        Name of a color map of matplotlib.
    limits : tuple of float
        Values at the two ends of the color map.

    Returns
    -------
    numpy.ndarray
        uint8 ``[HEIGHT, WIDTH, 3]``.
    """
    from matplotlib import colormaps

    levels = shades(values, nyquist, limits)
    return (255 * colormaps[colors](levels)[..., :3]).astype(np.uint8)


def shades(values: torch.Tensor, nyquist: float, limits: tuple[float, float]) -> np.ndarray:
    """Return values as shades in [0, 1] with low frequencies at the bottom.

    Arguments
    ---------
    values, nyquist, limits
        As for :func:`pixels`.

    Returns
    -------
    numpy.ndarray
        ``[HEIGHT, WIDTH]``.
    """
    image = on_mel_axis(values.cpu().float(), nyquist).numpy()
    low, high = limits
    return np.clip((image - low) / (high - low), 0, 1)[::-1]


def height_of(hertz: float, nyquist: float) -> float:
    """Return the height of a frequency in an image, 0 (bottom) to 1 (top)."""
    return float(np.log1p(hertz / 700) / np.log1p(nyquist / 700))


def on_mel_axis(values: torch.Tensor, nyquist: float) -> torch.Tensor:
    """Resample ``[frames, bins]`` to ``[HEIGHT, WIDTH]``, equidistant in mel.

    A pixel is the mean of its bins and frames. A frame wider than a pixel is repeated.
    """
    rows = values @ _mean_of_bins(values.shape[1], nyquist).to(values)  # [frames, HEIGHT]
    frames = len(rows)
    if frames <= WIDTH:
        return rows[torch.arange(WIDTH, device=rows.device) * frames // WIDTH].T
    return torch.nn.functional.adaptive_avg_pool1d(rows.T.unsqueeze(0), WIDTH).squeeze(0)


@lru_cache(maxsize=8)
def _mean_of_bins(bins: int, nyquist: float) -> torch.Tensor:
    """Return the weight of each bin in each row of an image, ``[bins, HEIGHT]``."""
    hertz = 700 * np.expm1(np.linspace(0, np.log1p(nyquist / 700), HEIGHT + 1))
    edges = torch.from_numpy(hertz / nyquist * (bins - 1))
    low = edges[:-1].long()
    high = torch.maximum(edges[1:].ceil().long(), low + 1)
    index = torch.arange(bins).unsqueeze(1)
    return ((index >= low) & (index < high)) / (high - low)
