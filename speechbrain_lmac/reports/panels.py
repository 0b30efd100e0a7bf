"""A figure of two columns of images with titles and frequencies, without matplotlib's axes.

Drawing axes takes seconds if there are many prompts.
"""

from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from speechbrain_lmac.reports.canvas import DPI
from speechbrain_lmac.reports.raster import AXIS_HZ, HEIGHT, WIDTH, height_of, pixels

LEFT, GAP, TITLE, BOTTOM = 60, 90, 26, 34
"""Pixels left of a panel, between two panels, for a title, and below the last row."""


class PanelGrid:
    """A figure of rows with two panels each.

    Arguments
    ---------
    rows : int
        Number of rows.
    seconds : float
        Duration shown by a panel.
    nyquist : float
        Highest frequency shown by a panel, in Hz.
    """

    def __init__(self, rows: int, seconds: float, nyquist: float):
        self.rows, self.seconds, self.nyquist = rows, seconds, nyquist
        self.width = LEFT + 2 * WIDTH + GAP + 20
        self.height = rows * (TITLE + HEIGHT + 8) + BOTTOM
        self.figure = Figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI)
        FigureCanvasAgg(self.figure)

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return the lower left corner of a panel, in pixels."""
        left = LEFT + column * (WIDTH + GAP)
        return left, self.height - (row + 1) * (TITLE + HEIGHT + 8) + 8

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text at a position in pixels."""
        style = {"fontsize": 8, "va": "center", **style}
        self.figure.text(x / self.width, y / self.height, text, **style)

    def title(self, row: int, column: int, text: str) -> None:
        """Write the title of a panel."""
        left, bottom = self.corner(row, column)
        self.text(left, bottom + HEIGHT + TITLE / 2 - 2, text, fontsize=9)

    def bar(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a horizontal bar at a position in pixels."""
        corner = (x / self.width, y / self.height)
        size = (width / self.width, height / self.height)
        self.figure.add_artist(Rectangle(corner, *size, color="#4c78a8", linewidth=0))

    def panel(
        self,
        row: int,
        column: int,
        values: torch.Tensor,
        colors: str,
        limits: tuple[float, float],
        title: str,
    ) -> None:
        """Draw values ``[frames, bins]`` with a title, frequencies and times."""
        left, bottom = self.corner(row, column)
        self.figure.figimage(pixels(values, self.nyquist, colors, limits), left, bottom)
        self.title(row, column, title)
        for hertz in AXIS_HZ:
            if hertz < self.nyquist:
                y = bottom + HEIGHT * height_of(hertz, self.nyquist)
                self.text(left - 5, y, f"{hertz / 1000:g}", ha="right")
        self.text(left - 40, bottom + HEIGHT / 2, "kHz", rotation=90, ha="center")
        if row == self.rows - 1:
            for quarter in range(5):
                label = f"{quarter / 4 * self.seconds:.3g}" + " s" * (quarter == 4)
                self.text(left + WIDTH * quarter / 4, bottom - 14, label, ha="center")
