import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from speechbrain_lmac.evaluation.benchmark.figures import (
    curve_points,
    draw_curves,
    draw_mean_against_similarity,
    draw_metrics,
    draw_randomisation,
    draw_side_by_side,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.utils.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")  # a missing letter of a font is a warning
METHODS = [*EXPLAINERS, "50 $ or 60 $"]
"""All that a table may hold, and a name that could be taken for mathematics."""


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, as they were when they were."""
    saved, save = [], Figure.savefig

    def spy(figure, *args, **kwargs):
        saved.append(figure)
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return saved


def held():
    rows = [
        {"method": name, "metric": metric, "mean": i, "low": i - 1, "high": i + 1, "clips": 9}
        for i, name in enumerate(METHODS)
        for metric in ("AD@mean", "FF@mean", "Fid-In@mean")
    ]
    return pd.DataFrame(rows)


def points():
    shares = (0, 2, 50, 100)
    columns = {f"{kind} silence@{s}": s / 100 for kind in ("insertion", "deletion") for s in shares}
    return curve_points(pd.DataFrame([{"method": name, **columns} for name in METHODS]))


def randomized():
    return pd.DataFrame(
        {"method": name, "stage": stage, "spearman": 0.5, "ssim": 0.4}
        for name in METHODS
        for stage in ("text", "decoder", "audio-1", "audio-2")
    )


def similarities():
    return pd.DataFrame(
        {"method": name, "present": present, "similarity": 5.0, "mean": 0.2}
        for name in METHODS
        for present in (True, False)
    )


def maps():
    generator = torch.Generator().manual_seed(0)
    return [(name, torch.rand(40, 65, generator=generator)) for name in METHODS]


PICTURES = {
    "metrics": lambda path: draw_metrics(held(), "lmac", path),
    "curves": lambda path: draw_curves(points(), "lmac", path),
    "randomization": lambda path: draw_randomisation(randomized(), "lmac", path),
    "similarity": lambda path: draw_mean_against_similarity(similarities(), path),
    "side by side": lambda path: draw_side_by_side(maps(), -80 * torch.rand(40, 65), (5, 8), path),
}


def words(figure):
    """All words that are seen, with where it lies in pixels."""
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible()]
    texts = [text for text in texts if any(map(str.isalpha, text.get_text()))]  # not ticks
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


@pytest.mark.parametrize("name", PICTURES)
def test_every_method_is_named_within_the_picture(name, tmp_path, drawn):
    path = tmp_path / "picture.png"
    PICTURES[name](path)
    pixels = imread(path)[..., :3]
    assert 900 <= pixels.shape[1] <= 1800 and pixels.shape[0] < 2400
    assert (pixels[:3] == 1).all() and (pixels[:, :3] == 1).mean() > 0.9  # a light background
    figure = drawn[0]
    seen = words(figure)
    assert set(METHODS) <= {text for text, _ in seen}
    for text, box in seen:
        inside = box.x0 >= -1 and box.y0 >= -1
        assert inside and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text


@pytest.mark.parametrize("name", PICTURES)
def test_no_method_is_written_over_another(name, tmp_path, drawn):
    PICTURES[name](tmp_path / "picture.png")
    boxes = [(text, box) for text, box in words(drawn[0]) if text in METHODS]
    for i, (text, box) in enumerate(boxes):
        for other, its in boxes[i + 1 :]:
            assert not box.overlaps(its), (text, other)


def test_lower_is_better_stands_on_top(tmp_path, drawn):
    draw_metrics(held(), "lmac", tmp_path / "picture.png")
    axis = drawn[0].axes[0]
    heights = dict(zip((t.get_text() for t in axis.get_yticklabels()), axis.get_yticks()))
    assert sorted(METHODS, key=lambda name: -heights[name]) == METHODS


def test_dots_stand_at_their_means(tmp_path, drawn):
    draw_metrics(held(), "lmac", tmp_path / "picture.png")
    dots = drawn[0].axes[1].collections[-1].get_offsets()
    assert sorted(dots[:, 0]) == list(range(len(METHODS)))


def test_curves_of_the_bench_are_means_over_clips():
    frame = pd.DataFrame(
        {
            "method": ["b", "b", "a"],
            "insertion noise_floor@2": [0.2, 0.4, 0.5],
            "deletion mean@100": [0, 0, np.nan],
            "insertion noise_floor": 7,
            "AD@5": 7,
        }
    )
    found = curve_points(frame).set_index(["method", "kind", "fill", "share"]).p
    assert found.to_dict() == pytest.approx(
        {
            ("b", "insertion", "noise_floor", 0.02): 0.3,
            ("a", "insertion", "noise_floor", 0.02): 0.5,
            ("b", "deletion", "mean", 1.0): 0,
        }
    )


def test_stages_keep_their_order(tmp_path, drawn):
    draw_randomisation(randomized(), "lmac", tmp_path / "picture.png")
    labels = [text.get_text() for text in drawn[0].axes[0].get_xticklabels()]
    assert labels == ["text", "decoder", "audio-1", "audio-2"]


def test_no_two_methods_look_alike(tmp_path, drawn):
    draw_curves(points(), "lmac", tmp_path / "picture.png")
    lines = drawn[0].axes[0].get_lines()
    looks = {(line.get_color(), str(line._dash_pattern), line.get_linewidth()) for line in lines}
    assert len(looks) == len(METHODS)


def test_nothing_measured_is_said(tmp_path):
    with pytest.raises(InputError, match="nothing was measured"):
        draw_curves(curve_points(pd.DataFrame({"method": ["a"], "AD": [1]})), "a", tmp_path / "x")
    with pytest.raises(InputError, match="nothing was measured"):
        draw_side_by_side([], torch.zeros(2, 2), (1, 1), tmp_path / "x.png")
