"""Matplotlib parts that the figures share: time-frequency axes, short texts, atomic saving."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text

from speechbrain_lmac.reports.fonts import FALLBACK_FONTS
from speechbrain_lmac.utils.files import atomic_write

TICKS_KHZ = (0.25, 0.5, 1, 2, 4, 8, 16)
DPI = 110


def draw_time_frequency(
    axis: Axes,
    values: torch.Tensor,
    extent: tuple[float, float],
    colors: str,
    limits: tuple[float, float],
) -> QuadMesh:
    """Draw values of a linear frequency axis on a frequency axis equidistant in mel.

    Arguments
    ---------
    axis : matplotlib.axes.Axes
        Axes to draw on.
    values : torch.Tensor
        ``[frames, bins]``.
    extent : tuple of float
        Duration in seconds and frequency of the last bin in kHz.
    colors : str
        Name of a color map.
    limits : tuple of float
        Values at the two ends of the color map.

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    (frames, bins), (seconds, nyquist) = values.shape, extent
    image = axis.pcolormesh(
        np.linspace(0, seconds, frames),
        np.linspace(0, nyquist, bins),
        values.T.cpu().numpy(),
        cmap=colors,
        vmin=limits[0],
        vmax=limits[1],
        shading="nearest",
        rasterized=True,
    )
    axis.set_yscale("function", functions=(_mel, _from_mel))
    axis.set_ylim(0, nyquist)
    axis.set_yticks([tick for tick in TICKS_KHZ if tick <= nyquist])
    axis.set_yticklabels([f"{tick:g}" for tick in TICKS_KHZ if tick <= nyquist])
    axis.set_ylabel("kHz")
    return image


def _mel(kilohertz: Any) -> np.ndarray:
    return np.log1p(np.asarray(kilohertz) / 0.7)


def _from_mel(mel: Any) -> np.ndarray:
    return 0.7 * np.expm1(mel)


def shorten(text: str, width: int = 60) -> str:
    """Return a text of at most ``width`` letters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure atomically, with prompts as plain text in any script."""
    families = ["DejaVu Sans", *(name for name in FALLBACK_FONTS if name in _installed_fonts())]
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a dollar sign in a prompt is no formula
        text.set_fontfamily(families)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a letter without a font: a box
        with atomic_write(path) as partial:
            figure.savefig(partial, dpi=DPI, format=Path(path).suffix.removeprefix(".") or "png")


@cache
def _installed_fonts() -> set[str]:
    return set(font_manager.get_font_names())
