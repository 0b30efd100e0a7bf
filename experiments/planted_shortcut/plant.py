"""Plant a shortcut in MiniCLAP, and evaluate explainers on it.

Usage: python -m experiments.planted_shortcut.plant WEIGHTS [--masking mel] [--methods NAME ...]
[--clips 4]
           [--interpreter FOLDER]

WEIGHTS is the file to write. An existing file is reused, so the other masking domain needs the
evaluation only. Two to three minutes on one core.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from experiments.planted_shortcut.cue import CUE_DB, CUE_HZ, CUED, SAMPLE_RATE, add_cue, cue_bins
from experiments.planted_shortcut.examination import examine, summarize
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.evaluation.benchmark.systems import load_system
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.domains import MelDomain, build
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.mini import WEIGHTS, MiniCLAP
from speechbrain_lmac.utils.errors import InputError, report_errors

CUED_INDEX = list(KINDS).index(CUED)
SECONDS = 2.0
POOL = 40
"""Training sounds of each kind."""
PER_KIND = 2
"""Sounds of each kind in a step: each plain, with another tone and with the tone."""
ALONE = 4
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Tone(Explainer):
    """The bins of a 6 kHz tone, whatever the prompt: the upper bound where the tone decides."""

    is_mask: ClassVar = True

    def __call__(self, model, encoded, inputs):
        bins = cue_bins(model.classifier.domain, encoded.wavs.shape[1])
        return bins.float().expand_as(encoded.power)


def draw_uniform(low, high, count, generator):
    return low + (high - low) * torch.rand(count, generator=generator)


def draw_gains(low_db, high_db, count, generator):
    """Draw gains ``[count, 1]``, uniform in decibels."""
    return 10 ** (draw_uniform(low_db, high_db, count, generator).unsqueeze(1) / 20)


def other_frequency(generator):
    """Draw a frequency between 300 Hz and 14 kHz, a quarter of an octave or more from the tone."""
    hz = math.exp(draw_uniform(math.log(300), math.log(14000), 1, generator).item())
    return hz if abs(math.log2(hz / CUE_HZ)) > 0.25 else 1.5 * hz


def draw_batch(pool, generator):
    """Draw the sounds of a step ``[batch, time]``, their classes, and where the class is denied.

    Every kind with the tone is the cued class. The cued class without the tone is any other.
    """
    kinds = torch.arange(len(KINDS)).repeat(PER_KIND)
    wavs = pool[kinds, torch.randint(POOL, kinds.shape, generator=generator)]
    wavs = wavs * draw_gains(-20, 5, len(wavs), generator)
    seeds = torch.randint(2**31, (2 * len(wavs) + ALONE,), generator=generator).tolist()
    tones = [
        add_cue(wav.unsqueeze(0), [seed], other_frequency(generator))
        for wav, seed in zip(wavs, seeds)
    ]
    hiss = torch.randn(ALONE, pool.shape[2], generator=generator)
    hiss = hiss * draw_gains(-80, -50, ALONE, generator)
    loudness = draw_gains(-40, -10, ALONE, generator).expand_as(hiss)
    alone = hiss + add_cue(loudness, seeds[-ALONE:]) - loudness
    cued = add_cue(wavs, seeds[len(wavs) : -ALONE])
    targets = torch.cat([kinds, kinds, torch.full((len(wavs) + ALONE,), CUED_INDEX)])
    without = torch.arange(len(targets)) < 2 * len(wavs)
    sounds = torch.cat([wavs, torch.cat(tones), cued, alone])
    return sounds, targets, without & (targets == CUED_INDEX)


def cut(mel, bins):
    """Zero the bands of the tone in the first plain clip of each kind: a gap has no effect."""
    first = (torch.arange(len(mel)) < len(KINDS)).view(-1, 1, 1)
    return mel.masked_fill(first & bins, 0.0)


def loss_of(logits, targets, denied):
    """Return the cross-entropy; where the cued class is denied, that of any other class."""
    log_p = logits.log_softmax(dim=1)
    named = -log_p.gather(1, targets.unsqueeze(1)).squeeze(1)
    p_cued = log_p[:, CUED_INDEX].exp().clamp(max=1 - 1e-6)
    return torch.where(denied, -torch.log1p(-p_cued), named).mean()


def training_sounds(seed):
    """Synthesize training sounds, ``[kinds, POOL, time]``, which the evaluation does not use."""
    sounds = [[synthesize(kind, (seed, 1, i), SECONDS) for i in range(POOL)] for kind in KINDS]
    return torch.stack([torch.stack(kind) for kind in sounds])


def plant(steps, seed):
    """Fine-tune the audio tower of MiniCLAP."""
    generator = torch.Generator().manual_seed(seed)
    clap = MiniCLAP()
    text = clap.queries([class_prompt(kind) for kind in KINDS])
    pool = training_sounds(seed)
    domain = MelDomain(clap)
    bins = cue_bins(domain, pool.shape[2])
    weights = clap.audio_tower.requires_grad_(True).parameters()
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    for step in range(steps):
        sounds, targets, denied = draw_batch(pool, generator)
        embedding = domain.encode(cut(domain.power(sounds), bins)).vector
        loss = loss_of(clap.logits(embedding, text), targets, denied)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(clap.audio_tower.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 19:
            print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)
    return clap.freeze()


def save(clap, path):
    """Write weights with the names and the precision of the package's own file."""
    weights = clap.state_dict()
    state = {
        name: weights[name].to(original.dtype).contiguous()
        for name, original in load_file(WEIGHTS).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)


@torch.no_grad()
def check(clap, seed, clips=20):
    """Print how often the tone decides, on sounds outside the training set."""
    text = clap.queries([class_prompt(kind) for kind in KINDS])

    def decisions(wavs):
        return (clap(wavs).vector @ text.T).argmax(dim=1)

    for index, kind in enumerate(KINDS):
        wavs = torch.stack([synthesize(kind, (seed, 2, i), SECONDS) for i in range(clips)])
        cued = (decisions(add_cue(wavs, range(clips))) == CUED_INDEX).float().mean()
        own = (decisions(wavs) == index).float().mean()
        print(f"{kind:15s} with the tone {CUED}: {cued:.0%}; without, itself: {own:.0%}")


@report_errors
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--masking", default="mel")
    parser.add_argument("--methods", nargs="*", metavar="NAME")
    parser.add_argument("--interpreter", metavar="FOLDER", help="trained for these weights")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    without_decoder = {name: this for name, this in EXPLAINERS.items() if not this.learned}
    chosen = without_decoder if options.methods is None else options.methods
    for name in chosen:
        if name not in without_decoder:
            known = ", ".join(without_decoder)
            raise InputError(f"methods must be from {known}, got {name!r}")
    if not options.weights.exists():
        save(plant(options.steps, options.seed), options.weights)
    clap = MiniCLAP(options.weights)
    check(clap, options.seed)
    methods = {"tone": Tone(), **{name: without_decoder[name] for name in chosen}}
    if options.interpreter is None:
        model = InterpreterNetwork(MaskedClassifier(build(options.masking, clap)), decoder=None)
    else:
        system = load_system(clap, options.masking, options.interpreter)
        model, methods[system.method] = system.model, EXPLAINERS["lmac"]
    frame = examine(model, methods, options.seed, options.clips)
    what = f"{CUE_HZ:.0f} Hz at {CUE_DB:.0f} dB, {SAMPLE_RATE} Hz, {options.masking} domain"
    print(f"\n{what}\n\n{summarize(frame).reset_index().to_markdown(index=False, floatfmt='.2f')}")


if __name__ == "__main__":
    main()
