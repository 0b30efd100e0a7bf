"""A figure of two columns of images with titles, axes and color bars, drawn by Pillow.

A panel is one raster, so a figure takes milliseconds. Its colors are those of one palette.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw

from speechbrain_lmac.reports.curves import Box
from speechbrain_lmac.reports.fonts import fit_text, text_image
from speechbrain_lmac.reports.raster import AXIS_HZ, HEIGHT, WIDTH, height_of, shades
from speechbrain_lmac.utils.files import atomic_write

LEFT, GAP, RIGHT = 60, 126, 66
"""Pixels left of the panels, between two panels, and right of them."""
TITLE, ROW_GAP, BOTTOM = 26, 8, 34
"""Pixels of a title, between two rows, and below the last row."""
TITLE_WIDTH = WIDTH + RIGHT
"""Largest width of a title, in pixels."""
TICK = 4
"""Length of a tick, in pixels."""
BAR_GAP, BAR_WIDTH = 8, 10
"""Pixels between a panel and its color bar, and the width of the bar."""
TITLE_SIZE, LABEL_SIZE, SMALL_SIZE = 13.75, 12.0, 11.0
"""Font sizes, in pixels."""
SHADES, GRAYS = 112, 29
"""Colors of each color map, and grays of texts, in the palette."""
COLORS = ("magma", "viridis")
"""Color maps of the palette."""
ACCENTS = {"blue": 0x4C78A8, "amber": 0xFFD98A, "cyan": 0x7FE3FF}
"""Colors of curves, of regions and of their boxes, the last ones of the palette."""
FIRST_GRAY = SHADES * len(COLORS)
WHITE, MIDDLE_GRAY = FIRST_GRAY + GRAYS - 1, FIRST_GRAY + GRAYS // 2
BLUE, AMBER, CYAN = range(FIRST_GRAY + GRAYS, FIRST_GRAY + GRAYS + len(ACCENTS))


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
        width = LEFT + 2 * WIDTH + GAP + RIGHT
        self.ink = Image.new("L", (width, rows * (TITLE + HEIGHT + ROW_GAP) + BOTTOM), 255)
        self.draw = ImageDraw.Draw(self.ink)
        self.rasters: list[tuple[int, int, np.ndarray]] = []

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return the upper left corner of a panel, in pixels."""
        return LEFT + column * (WIDTH + GAP), row * (TITLE + HEIGHT + ROW_GAP) + TITLE

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = LABEL_SIZE,
        anchor: float = 0.0,
        faint: bool = False,
    ) -> None:
        """Write a text, vertically centered.

        Arguments
        ---------
        x, y : float
            Position in pixels.
        text : str
            Text in one line.
        size : float
            Font size, in pixels. Default: ``LABEL_SIZE``.
        anchor : float
            Fraction of the text that is left of ``x``. Default: 0.
        faint : bool
            Whether the text is gray. Default: False, black.
        """
        image = text_image(text, size)
        if faint:
            image = image.point([100 + round(155 * value / 255) for value in range(256)])
        self.ink.paste(image, (round(x - anchor * image.width), round(y) - image.height // 2))

    def title(self, row: int, column: int, text: str) -> None:
        """Write the title of a panel, cut to the width of the panel and its color bar."""
        left, top = self.corner(row, column)
        self.text(left, top - TITLE / 2, fit_text(text, TITLE_SIZE, TITLE_WIDTH), TITLE_SIZE)

    def curve(
        self,
        corner: tuple[float, float],
        height: float,
        values: np.ndarray,
        spans: Sequence[tuple[float, float]],
        threshold: float,
    ) -> None:
        """Draw a filled curve as wide as a panel, with spans and a threshold behind it.

        Arguments
        ---------
        corner : tuple of float
            Upper left corner, in pixels.
        height : float
            Height in pixels.
        values : numpy.ndarray
            Values in [0, 1] at equal steps, ``[WIDTH]``.
        spans : sequence of tuple of float
            Start and end of each span, as fractions of the width.
        threshold : float
            Height of the dotted line, in [0, 1].
        """
        rows = max(2, round(height))
        raster = np.full((rows, WIDTH), WHITE, np.uint8)
        for start, stop in spans:
            raster[:, int(start * WIDTH) : max(int(start * WIDTH) + 1, round(stop * WIDTH))] = AMBER
        raster[round((rows - 1) * (1 - threshold)), ::4] = MIDDLE_GRAY
        levels = np.arange(rows, 0, -1)[:, None]
        heights = np.rint(values * rows)
        raster[levels <= heights] = BLUE
        raster[-1, heights == 0] = MIDDLE_GRAY
        self.rasters.append((round(corner[0]), round(corner[1]), raster))

    def boxes(self, row: int, column: int, boxes: Iterable[Box]) -> None:
        """Outline boxes of a panel that is drawn before."""
        left, top = self.corner(row, column)
        for box in boxes:
            first, last = (round((WIDTH - 3) * x) for x in (box.left, box.left + box.width))
            upper = round((HEIGHT - 5) * (1 - box.bottom - box.height))
            lower = max(round((HEIGHT - 1) * (1 - box.bottom)), upper + 4)
            across = np.full((1, last - first + 3), CYAN, np.uint8)
            along = np.full((lower - upper, 1), CYAN, np.uint8)
            for y in (upper, lower):
                self.rasters.append((left + first, top + y, across))
            for x in (first, last + 2):
                self.rasters.append((left + x, top + upper, along))

    def panel(
        self,
        row: int,
        column: int,
        values: torch.Tensor,
        colors: str,
        limits: tuple[float, float],
        title: str,
        legend: tuple[str, str],
    ) -> None:
        """Draw a panel.

        Arguments
        ---------
        row, column : int
            Place of the panel.
        values : torch.Tensor
            Values on a linear frequency axis, ``[frames, bins]``.
        colors : str
            Color map, one of ``COLORS``.
        limits : tuple of float
            Values at the two ends of the color map.
        title : str
            Title above the panel.
        legend : tuple of str
            Labels of the lower and the upper end of the color bar.
        """
        left, top = self.corner(row, column)
        first = SHADES * COLORS.index(colors)
        raster = first + np.rint((SHADES - 1) * shades(values, self.nyquist, limits))
        self.rasters.append((left, top, raster.astype(np.uint8)))
        self.title(row, column, title)
        self._axes(row, left, top)
        x = left + WIDTH + BAR_GAP
        ramp = first + np.rint(np.linspace(SHADES - 1, 0, HEIGHT)).astype(np.uint8)
        self.rasters.append((x, top, np.repeat(ramp[:, None], BAR_WIDTH, axis=1)))
        for label, y in zip(legend, (top + HEIGHT - 6, top + 6)):
            self.text(x + BAR_WIDTH + 5, y, label, SMALL_SIZE)

    def _axes(self, row: int, left: int, top: int) -> None:
        """Draw the ticks of a panel: its frequencies, and in the last row its times."""
        for hertz in AXIS_HZ:
            if hertz < self.nyquist:
                y = round(top + HEIGHT * (1 - height_of(hertz, self.nyquist)))
                self.draw.line([(left - TICK, y), (left - 1, y)], fill=0)
                self.text(left - TICK - 4, y, f"{hertz / 1000:g}", anchor=1)
        unit = text_image("kHz", LABEL_SIZE).transpose(Image.Transpose.ROTATE_90)
        self.ink.paste(unit, (left - 60, top + (HEIGHT - unit.height) // 2))
        for quarter in range(5):
            x, bottom = left + (WIDTH - 1) * quarter // 4, top + HEIGHT
            self.draw.line([(x, bottom), (x, bottom + TICK - 1)], fill=0)
            if row == self.rows - 1:
                label = f"{quarter / 4 * self.seconds:.3g}" + " s" * (quarter == 4)
                self.text(x, bottom + 15, label, anchor=0.5)

    def save(self, path: str | Path) -> None:
        """Write the figure atomically, as PNG with a palette or in the format of the suffix."""
        grays = FIRST_GRAY + np.rint(np.linspace(0, GRAYS - 1, 256)).astype(np.uint8)
        pixels = grays[np.asarray(self.ink)]
        for left, top, raster in self.rasters:
            height, width = raster.shape
            pixels[top : top + height, left : left + width] = raster
        image = Image.fromarray(pixels)
        image.putpalette(_palette())
        form = Path(path).suffix.removeprefix(".") or "png"
        with atomic_write(path) as partial:
            if form == "png":
                image.save(partial, format="PNG", compress_level=1)
            else:
                image.convert("RGB").save(partial, format=form)


@cache
def _palette() -> bytes:
    """Return the colors of the palette: the color maps, the grays, and the accents."""
    maps = [colormaps[name](np.linspace(0, 1, SHADES))[:, :3] for name in COLORS]
    grays = np.repeat(np.linspace(0, 1, GRAYS)[:, None], 3, axis=1)
    accents = b"".join(color.to_bytes(3, "big") for color in ACCENTS.values())
    return np.rint(255 * np.concatenate([*maps, grays])).astype(np.uint8).tobytes() + accents
