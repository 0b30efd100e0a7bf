"""Gallery: one mixture and the masks of all methods, side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.evaluation.benchmark.batches import find_partners, load_batch, mean_features
from speechbrain_lmac.evaluation.benchmark.conditions import TWO_SOURCE, parse
from speechbrain_lmac.evaluation.benchmark.figure_styles import (
    DPI_OF_MAPS,
    new_panels,
    save_figure,
    short_name,
)
from speechbrain_lmac.evaluation.benchmark.runner import DomainRunner
from speechbrain_lmac.evaluation.scoring import explain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.reports.canvas import draw_time_frequency
from speechbrain_lmac.reports.raster import RANGE_DB
from speechbrain_lmac.utils.errors import InputError

MAX_PASSES = 900
"""Explainers with at least as many encoder passes are left out."""


def draw_galleries(folder: Path, runners: Iterable[DomainRunner]) -> None:
    """Draw the first two-source mixture of a run in each masking domain."""
    for runner in runners:
        config, system = runner.config, runner.system
        if not any(condition.kind == TWO_SOURCE for condition in config.conditions):
            continue
        items, model, seconds = config.items(parse(TWO_SOURCE)), system.model, config.clip_seconds
        average = mean_features(model, items[:4], seconds, config.batch_size)
        partners = find_partners(items)[:1]
        batch = load_batch(model, items[:1], partners, config.prompts, seconds, average).batch
        panels = [
            (name, _on_linear_bins(model, explain(model, explainer, batch).masks))
            for name, explainer in runner.explainers()[0].items()
            if explainer.passes(model.classifier) < MAX_PASSES
        ]
        clap = model.classifier.audio_classifier
        power = power_of(clap.spectrogram(batch.encoded.wavs)[0])
        level_db = 10 * power.clamp(min=1e-12).log10().cpu()
        extent = (seconds, clap.sample_rate / 2000)
        draw_gallery(panels, level_db, extent, folder / f"{system.domain}_gallery.png")


@torch.no_grad()
def _on_linear_bins(model: InterpreterNetwork, masks: torch.Tensor) -> torch.Tensor:
    """Return a mask as gains of linear-frequency bins."""
    return model.classifier.domain.gains(masks)[0].cpu()


def draw_gallery(
    panels: Sequence[tuple[str, torch.Tensor]],
    level_db: torch.Tensor,
    extent: tuple[float, float],
    path: str | Path,
) -> None:
    """Draw the spectrogram of a clip and the masks of several methods.

    Arguments
    ---------
    panels : list of tuple
        Title and mask ``[frames, bins]`` in [0, 1], on linear-frequency bins.
    level_db : torch.Tensor
        Spectrogram of the clip in dB, ``[frames, bins]``.
    extent : tuple of float
        Length of the clip in seconds and frequency of the highest bin in kHz.
    path : str or Path
        Image file to write.
    """
    if not len(panels):
        raise InputError(f"{path} needs masks to show, got none")
    axes, figure = new_panels(1 + len(panels), 1.75, DPI_OF_MAPS)
    top = float(level_db.max())
    clip = draw_time_frequency(axes[0], level_db, extent, "magma", (top - RANGE_DB, top))
    images = {"clip, dB": clip}
    axes[0].set_title("clip", fontsize=10)
    for axis, (title, mask) in zip(axes[1:], panels):
        images["mask"] = draw_time_frequency(axis, mask, extent, "viridis", (0, 1))
        axis.set_title(short_name(title), fontsize=10)
    for axis in axes:
        axis.set_ylabel("")
        axis.tick_params(labelsize=8)
    figure.supxlabel("time, s", fontsize=10)
    figure.supylabel("kHz", fontsize=10)
    for label, image in images.items():
        bar = figure.colorbar(image, ax=axes, fraction=0.015, aspect=40, pad=0.01)
        bar.set_label(label, fontsize=9)
        bar.ax.tick_params(labelsize=8)
    save_figure(figure, path)
