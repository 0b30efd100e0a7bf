"""Texts in any script, drawn by Pillow."""

from bisect import bisect_right
from functools import cache, lru_cache
from itertools import groupby
from math import ceil
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

FALLBACK_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "Microsoft YaHei", "Arial"),
)
"""Fonts with letters of many scripts, used if they are installed."""
ELLIPSIS = "…"


def text_width(text: str, size: float) -> float:
    """Return the width of a text in pixels.

    Arguments
    ---------
    text : str
        Text.
    size : float
        Font size, in pixels.

    Returns
    -------
    float
    """
    return sum(_font(path, size).getlength(part) for path, part in _runs(text))


def fit_text(text: str, size: float, width: float) -> str:
    """Return a text, cut with an ellipsis if it is wider than ``width`` pixels.

    Example
    -------
    >>> fit_text("rain", 12, 100), fit_text("rain on a tin roof", 12, 60)
    ('rain', 'rain on…')
    """
    if text_width(text, size) <= width:
        return text
    letters = bisect_right(
        range(len(text)), width, key=lambda last: text_width(text[: last + 1] + ELLIPSIS, size)
    )
    return text[:letters].rstrip() + ELLIPSIS


@lru_cache(maxsize=1024)
def text_image(text: str, size: float) -> Image.Image:
    """Return a text in one line as a gray image, black on white.

    The middle of the image is at half the height of the capital letters.

    Arguments
    ---------
    text : str
        Text.
    size : float
        Font size, in pixels.

    Returns
    -------
    PIL.Image.Image
        Image of mode ``L``; copy it before a change.
    """
    half = ceil(0.8 * size)
    image = Image.new("L", (max(1, ceil(text_width(text, size))), 2 * half), 255)
    draw, x = ImageDraw.Draw(image), 0.0
    for path, part in _runs(text):
        font = _font(path, size)
        draw.text((x, half + 0.36 * size), part, fill=0, font=font, anchor="ls")
        x += font.getlength(part)
    return image


@cache
def _font(path: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _runs(text: str) -> list[tuple[str, str]]:
    """Return the parts of a text in one font, with the path of each font."""
    text = " ".join(text.split())
    paths = [_font_path(letter) for letter in text]
    parts = groupby(zip(paths, text), key=lambda pair: pair[0])
    return [(path, "".join(letter for _, letter in pairs)) for path, pairs in parts]


@lru_cache(maxsize=4096)
def _font_path(letter: str) -> str:
    """Return the path of a font with a letter; the default font draws a box for others."""
    default = _default_font()
    if _has_letter(default, letter):
        return default
    return next((path for path in _fallback_paths() if _has_letter(path, letter)), default)


@cache
def _default_font() -> str:
    """Return the path of DejaVu Sans, which comes with matplotlib."""
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@cache
def _fallback_paths() -> tuple[str, ...]:
    from matplotlib import font_manager  # reads the list of all installed fonts

    installed = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    return tuple(installed[name] for name in FALLBACK_FONTS if name in installed)


def _has_letter(path: str, letter: str) -> bool:
    return bool(_face(path).get_char_index(ord(letter)))


@cache
def _face(path: str) -> FT2Font:
    return FT2Font(path)
