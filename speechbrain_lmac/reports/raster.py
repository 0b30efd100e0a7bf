"""Time-frequency values as pixels on a mel axis."""

import numpy as np
import torch
from matplotlib import colormaps

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
    image = on_mel_axis(values.cpu().float(), nyquist).numpy()
    low, high = limits
    shades = np.clip((image - low) / (high - low), 0, 1)
    return (255 * colormaps[colors](shades)[::-1, :, :3]).astype(np.uint8)


def height_of(hertz: float, nyquist: float) -> float:
    """Return the height of a frequency in an image, 0 (bottom) to 1 (top)."""
    return float(np.log1p(hertz / 700) / np.log1p(nyquist / 700))


def on_mel_axis(values: torch.Tensor, nyquist: float) -> torch.Tensor:
    """Resample ``[frames, bins]`` to ``[HEIGHT, WIDTH]``, equidistant in mel.

    A pixel is the mean of its bins.
    """
    bins = values.shape[1]
    hertz = 700 * np.expm1(np.linspace(0, np.log1p(nyquist / 700), HEIGHT + 1))
    edges = torch.from_numpy(hertz / nyquist * (bins - 1))
    low = edges[:-1].long()
    high = torch.maximum(edges[1:].ceil().long(), low + 1)
    below = torch.nn.functional.pad(values.double().cumsum(dim=1), (1, 0))
    rows = (below[:, high] - below[:, low]) / (high - low)  # [frames, HEIGHT]
    return torch.nn.functional.adaptive_avg_pool1d(rows.T.unsqueeze(0), WIDTH).squeeze(0)
