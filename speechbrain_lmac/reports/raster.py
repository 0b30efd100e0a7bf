"""Time-frequency values as pixels, on a mel axis."""

import numpy as np
import torch
from matplotlib import colormaps

RANGE_DB = 70
"""Range below the loudest bin, in dB; what is fainter is drawn as silence."""
AXIS_HZ = (250, 1000, 4000, 10000)
"""Frequencies that are named beside pictures."""
HEIGHT, WIDTH = 128, 480
"""Size of pictures, in pixels."""


def pixels(values, nyquist, colors, limits):
    """Values as RGB pixels, low frequencies at the foot.

    Arguments
    ---------
    values : torch.Tensor
        ``[frames, bins]``, linear in frequency.
    nyquist : float
        Frequency of the last bin, in Hz.
    colors : str
        Color map of matplotlib.
    limits : tuple of float
        Values of its two ends.

    Returns
    -------
    numpy.ndarray
        uint8 ``[HEIGHT, WIDTH, 3]``.
    """
    image = on_mel_axis(values.cpu().float(), nyquist).numpy()
    low, high = limits
    shades = np.clip((image - low) / (high - low), 0, 1)
    return (255 * colormaps[colors](shades)[::-1, :, :3]).astype(np.uint8)


def height_of(hertz, nyquist):
    """Height of a frequency on a picture, 0 at its foot and 1 at its head."""
    return float(np.log1p(hertz / 700) / np.log1p(nyquist / 700))


def on_mel_axis(values, nyquist):
    """``[frames, bins]`` -> ``[HEIGHT, WIDTH]``, even in mel; a pixel is the mean of its bins."""
    bins = values.shape[1]
    hertz = 700 * np.expm1(np.linspace(0, np.log1p(nyquist / 700), HEIGHT + 1))
    edges = torch.from_numpy(hertz / nyquist * (bins - 1))
    low = edges[:-1].long()
    high = torch.maximum(edges[1:].ceil().long(), low + 1)
    below = torch.nn.functional.pad(values.double().cumsum(dim=1), (1, 0))
    rows = (below[:, high] - below[:, low]) / (high - low)  # [frames, HEIGHT]
    return torch.nn.functional.adaptive_avg_pool1d(rows.T.unsqueeze(0), WIDTH).squeeze(0)
