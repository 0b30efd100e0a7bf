"""One mixture under every method, side by side."""

import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.evaluation.benchmark import figures
from speechbrain_lmac.evaluation.benchmark.batches import load, mean_features, partners
from speechbrain_lmac.evaluation.benchmark.conditions import TWO_SOURCE, parse
from speechbrain_lmac.evaluation.scoring import explain

LONGEST = 900
"""Encoder passes of an explanation from which on it is left out."""


def draw(domain, folder):
    """Draw the first two-class mixture of a run on a plane.

    Arguments
    ---------
    domain : DomainRunner
        Of the run.
    folder : Path
        For ``<domain>_gallery.png``.
    """
    bench, subject = domain.bench, domain.subject
    scenes = bench.scenes(parse(TWO_SOURCE))
    seconds, model = bench.settings["clip_seconds"], subject.model
    average = mean_features(model, scenes[:4], seconds, bench.settings["batch_size"])
    batch = load(model, scenes[:1], partners(scenes)[:1], bench.prompts, seconds, average)
    pictures = [
        (name, _linear(model, explain(model, explainer, batch.asked).masks))
        for name, explainer in domain.explainers()[0].items()
        if explainer.passes(model.classifier) < LONGEST
    ]
    clap = model.classifier.audio_classifier
    power = power_of(clap.spectrogram(batch.asked.encoded.wavs)[0])
    level = 10 * power.clamp(min=1e-12).log10().cpu()
    extent = (seconds, clap.sample_rate / 2000)
    path = folder / f"{subject.masking}_gallery.png"
    figures.draw_side_by_side(pictures, level, extent, path)


@torch.no_grad()
def _linear(model, masks):
    """A mask on linear-frequency bins, as it is heard."""
    return model.classifier.domain.gains(masks)[0].cpu()
