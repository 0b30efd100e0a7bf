"""Figures drawn by Pillow: panels, titles and texts."""

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image

from speechbrain_lmac.reports.annotations import RegionRule
from speechbrain_lmac.reports.fonts import fit_text, text_image, text_width
from speechbrain_lmac.reports.panels import ACCENTS, AMBER, BAR_GAP, BLUE, LEFT, SHADES, PanelGrid
from speechbrain_lmac.reports.plots import draw_interpretation
from speechbrain_lmac.reports.raster import HEIGHT, WIDTH, on_mel_axis


@pytest.fixture
def panel(tmp_path):
    """Draw values ``[frames, bins]`` in [0, 1] as one panel and return its pixels."""

    def draw(values, path=tmp_path / "figure.png"):
        grid = PanelGrid(1, 5.0, 16000.0)
        grid.panel(0, 0, values, "viridis", (0, 1), "Mask", ("0", "1"))
        grid.save(path)
        left, top = grid.corner(0, 0)
        pixels = np.asarray(Image.open(path).convert("RGB")) / 255
        return pixels[top : top + HEIGHT], left

    return draw


def test_panel_shows_the_values(panel):
    """A pixel has the color of its value, up to half a step of the palette."""
    values = torch.linspace(0, 1, 513).repeat(251, 1)
    pixels, left = panel(values)
    shown = pixels[:, left : left + WIDTH]
    expected = on_mel_axis(values, 16000.0).flip(0).numpy()
    nearest = np.rint(expected * (SHADES - 1)) / (SHADES - 1)
    assert np.allclose(shown, colormaps["viridis"](nearest)[..., :3], atol=1 / 255)


def test_panel_has_a_color_bar(panel):
    """The bar beside the panel runs from the highest to the lowest color."""
    pixels, left = panel(torch.zeros(10, 513))
    bar = pixels[:, left + WIDTH + BAR_GAP]
    ends = colormaps["viridis"]([1.0, 0.0])[:, :3]
    assert np.allclose(bar[[0, -1]], ends, atol=1 / 255)
    assert np.allclose(pixels[:, LEFT : LEFT + WIDTH], ends[1], atol=1 / 255)


def test_panel_has_labeled_axes(panel):
    """There are dark labels on white left of the panel."""
    pixels, left = panel(torch.ones(10, 513))
    assert pixels[:, :left].min() < 0.2 and pixels[:, :left].max() == 1


def test_grid_writes_other_formats(panel, tmp_path):
    """The suffix chooses the format of the image."""
    panel(torch.ones(10, 513), tmp_path / "figure.webp")
    assert Image.open(tmp_path / "figure.webp").format == "WEBP"


@pytest.mark.parametrize("frames", [1, 7, WIDTH, 3 * WIDTH])
def test_mel_axis_keeps_constants(frames):
    """The mean of equal values is the value, for any number of frames."""
    image = on_mel_axis(torch.full((frames, 513), 0.3), 16000.0)
    assert image.shape == (HEIGHT, WIDTH) and torch.allclose(image, torch.tensor(0.3))


def test_mel_axis_repeats_wide_frames():
    """Frames that are wider than a pixel appear in order, each as wide as the others."""
    values = torch.arange(4.0).unsqueeze(1).expand(4, 513)
    assert on_mel_axis(values, 16000.0)[0].round().long().bincount().tolist() == [WIDTH // 4] * 4


def test_long_titles_are_cut():
    """A text that is too wide is cut after as many letters as fit, and ends with an ellipsis."""
    text = "the sound of a very long prompt " * 5
    short = fit_text(text, 12, 200)
    assert short.endswith("…") and text.startswith(short[:-1])
    assert text_width(short, 12) <= 200 < text_width(text, 12)
    assert text_width(text[: len(short) + 1] + "…", 12) > 200


def test_texts_of_any_script_are_drawn():
    """Formulas, line breaks, and letters without a font are drawn as plain text."""
    for text in ("$x$", "a\nb", "狗", "مرحبا", "\N{DOG FACE}", ""):
        image = text_image(text, 12)
        assert image.size[0] >= 1 and (not text or np.asarray(image).min() < 128)


def colors(image, color):
    """Return where an image has a color, ``[height, width]`` of bool."""
    wanted = [ACCENTS[color] >> shift & 255 for shift in (16, 8, 0)]
    return (np.asarray(image.convert("RGB")) == wanted).all(axis=-1)


def test_figure_shows_activity_and_regions(interpretation, tmp_path):
    """Blue columns are as high as the activity, boxes and amber are where the regions are."""
    draw_interpretation(interpretation, tmp_path / "figure.png")
    image = Image.open(tmp_path / "figure.png")
    timeline = interpretation.timeline
    curve = colors(image, "blue").any(axis=0)
    active = (timeline.activity[0] > 0.01).double().mean()
    assert curve.sum() / WIDTH == pytest.approx(active.item(), abs=0.1)
    assert colors(image, "amber").any() and colors(image, "cyan").any()
    draw_interpretation(interpretation, tmp_path / "none.png", RegionRule(min_duration=60.0))
    none = Image.open(tmp_path / "none.png")
    assert not colors(none, "amber").any() and not colors(none, "cyan").any()
    assert colors(none, "blue").sum() == colors(image, "blue").sum()


def test_figure_lists_absent_prompts_only(interpretation, tmp_path):
    """An absent prompt has no panels."""
    draw_interpretation(interpretation, tmp_path / "figure.png")
    height = PanelGrid(2, 5.0, 16000.0).ink.height  # the clip and the siren, not the dog
    assert interpretation.absent.tolist() == [False, True]
    assert Image.open(tmp_path / "figure.png").height == height


def test_curve_is_as_high_as_its_values():
    """The number of filled pixels of each column is its value times the height."""
    grid, values = PanelGrid(1, 5.0, 16000.0), np.linspace(0, 1, WIDTH)
    grid.curve((0, 0), 50, values, [(0.5, 0.75)], 0.1)
    _, _, raster = grid.rasters[0]
    assert np.array_equal((raster == BLUE).sum(axis=0), np.rint(values * 50))
    spanned = (raster == AMBER).any(axis=0).nonzero()[0]
    assert spanned[0] == WIDTH // 2 and spanned[-1] == 3 * WIDTH // 4 - 1
