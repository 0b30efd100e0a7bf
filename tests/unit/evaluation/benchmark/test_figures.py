"""Figures of the benchmark: every method is named, visible and distinct."""

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from speechbrain_lmac.evaluation.benchmark.figures import (
    curve_points,
    draw_curves,
    draw_metrics,
    draw_presence,
    draw_randomization,
)
from speechbrain_lmac.evaluation.benchmark.gallery import draw_gallery
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.utils.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")  # a missing glyph is a warning
METHODS = [*EXPLAINERS, "50 $ or 60 $"]
"""All methods, and a name that could be taken for mathematics."""


def record_figures(patch):
    """Return a list to which every saved figure is appended."""
    saved, save = [], Figure.savefig

    def spy(figure, *args, **kwargs):
        saved.append(figure)
        return save(figure, *args, **kwargs)

    patch.setattr(Figure, "savefig", spy)
    return saved


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of the figures that a test saves."""
    return record_figures(monkeypatch)


def summary():
    rows = [
        {"method": name, "metric": metric, "mean": i, "low": i - 1, "high": i + 1, "clips": 9}
        for i, name in enumerate(METHODS)
        for metric in ("AD", "FF", "Fid-In")
    ]
    return pd.DataFrame(rows).assign(fraction="mean")


def points():
    rows = [
        (name, f"{kind}_silence", fraction, fraction)
        for name in METHODS
        for kind in ("insertion", "deletion")
        for fraction in (0, 0.02, 0.5, 1)
    ]
    return curve_points(pd.DataFrame(rows, columns=["method", "metric", "fraction", "value"]))


def randomized():
    return pd.DataFrame(
        {"method": name, "stage": stage, "spearman": 0.5, "ssim": 0.4}
        for name in METHODS
        for stage in ("text", "decoder", "audio-1", "audio-2")
    )


def presences():
    return pd.DataFrame(
        {"method": name, "present": present, "clap_similarity": 5.0, "mask_mean": 0.2}
        for name in METHODS
        for present in (True, False)
    )


def maps():
    generator = torch.Generator().manual_seed(0)
    return [(name, torch.rand(40, 65, generator=generator)) for name in METHODS]


PICTURES = {
    "metrics": lambda path: draw_metrics(summary(), "lmac", path),
    "curves": lambda path: draw_curves(points(), "lmac", path),
    "randomization": lambda path: draw_randomization(randomized(), "lmac", path),
    "presence": lambda path: draw_presence(presences(), path),
    "gallery": lambda path: draw_gallery(maps(), -80 * torch.rand(40, 65), (5, 8), path),
}


def visible_words(figure):
    """Return all visible words with their position in pixels."""
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible()]
    texts = [text for text in texts if any(map(str.isalpha, text.get_text()))]  # not ticks
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


@pytest.fixture(scope="module", params=PICTURES)
def picture(request, tmp_path_factory):
    """Return a figure and its PNG file."""
    path = tmp_path_factory.mktemp("pictures") / f"{request.param}.png"
    with pytest.MonkeyPatch.context() as patch:
        figures = record_figures(patch)
        PICTURES[request.param](path)
    return figures[0], path


def test_every_method_is_named_inside_the_figure(picture):
    """All names are visible, on a light background."""
    figure, path = picture
    pixels = imread(path)[..., :3]
    assert 900 <= pixels.shape[1] <= 1800 and pixels.shape[0] < 2400
    assert (pixels[:3] == 1).all() and (pixels[:, :3] == 1).mean() > 0.9  # a light background
    words = visible_words(figure)
    assert set(METHODS) <= {text for text, _ in words}
    for text, box in words:
        inside = box.x0 >= -1 and box.y0 >= -1
        assert inside and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text


def test_names_do_not_overlap(picture):
    """No two names of methods overlap."""
    boxes = [(text, box) for text, box in visible_words(picture[0]) if text in METHODS]
    for i, (text, box) in enumerate(boxes):
        for other, other_box in boxes[i + 1 :]:
            assert not box.overlaps(other_box), (text, other)


def test_metrics_are_sorted_by_drop(tmp_path, drawn):
    """The lowest AD stands on top."""
    draw_metrics(summary(), "lmac", tmp_path / "picture.png")
    axis = drawn[0].axes[0]
    heights = dict(zip((t.get_text() for t in axis.get_yticklabels()), axis.get_yticks()))
    assert sorted(METHODS, key=lambda name: -heights[name]) == METHODS


def test_dots_are_at_the_means(tmp_path, drawn):
    """One dot for each method."""
    draw_metrics(summary(), "lmac", tmp_path / "picture.png")
    dots = drawn[0].axes[1].collections[-1].get_offsets()
    assert sorted(dots[:, 0]) == list(range(len(METHODS)))


def test_curve_points_are_means():
    """Means over clips of the points of curves, without areas and other metrics."""
    rows = [
        *(("b", "insertion_noise_floor", 0.02, 0.2), ("b", "insertion_noise_floor", 0.02, 0.4)),
        *(("a", "insertion_noise_floor", 0.02, 0.5), ("b", "deletion_mean", 1.0, 0)),
        *(("b", "insertion_noise_floor", None, 7), ("b", "AD", 0.05, 7)),
    ]
    frame = pd.DataFrame(rows, columns=["method", "metric", "fraction", "value"])
    means = curve_points(frame).set_index(["method", "kind", "fill", "fraction"]).p
    assert means.to_dict() == pytest.approx(
        {
            ("b", "insertion", "noise_floor", 0.02): 0.3,
            ("a", "insertion", "noise_floor", 0.02): 0.5,
            ("b", "deletion", "mean", 1.0): 0,
        }
    )


def test_stages_keep_their_order(tmp_path, drawn):
    """The order of the table, not of the alphabet."""
    draw_randomization(randomized(), "lmac", tmp_path / "picture.png")
    labels = [text.get_text() for text in drawn[0].axes[0].get_xticklabels()]
    assert labels == ["text", "decoder", "audio-1", "audio-2"]


def test_methods_have_distinct_lines(tmp_path, drawn):
    """Color, dashes and width together."""
    draw_curves(points(), "lmac", tmp_path / "picture.png")
    lines = drawn[0].axes[0].get_lines()
    looks = {(line.get_color(), str(line._dash_pattern), line.get_linewidth()) for line in lines}
    assert len(looks) == len(METHODS)


def test_empty_results_are_refused(tmp_path):
    """The error names the figure."""
    with pytest.raises(InputError, match=r"needs .* to show, got none"):
        draw_curves(points()[:0], "a", tmp_path / "x")
    with pytest.raises(InputError, match=r"needs .* to show, got none"):
        draw_gallery([], torch.zeros(2, 2), (1, 1), tmp_path / "x.png")
