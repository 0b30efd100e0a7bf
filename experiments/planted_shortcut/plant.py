"""Fine-tune MiniCLAP until one class depends on a tone, and evaluate explainers on it.

Usage: python -m experiments.planted_shortcut.plant WEIGHTS [--masking mel] [--methods NAME ...]
           [--clips 4] [--interpreter FOLDER]

The training takes two to three minutes on one core and writes the file WEIGHTS. If the file exists,
it is reused, and only the evaluation runs.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from experiments.planted_shortcut.evaluation import Tone, evaluate_explainers, summarize
from experiments.planted_shortcut.tone import (
    SAMPLE_RATE,
    SHORTCUT_CLASS,
    TONE_DB,
    TONE_HZ,
    add_tone,
    tone_bins,
)
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.evaluation.benchmark.systems import load_system
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.masking.domains import MelDomain, build
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.mini import WEIGHTS, MiniCLAP
from speechbrain_lmac.utils.errors import InputError, report_errors

SHORTCUT_INDEX = list(KINDS).index(SHORTCUT_CLASS)
SECONDS = 2.0
"""Length of all clips."""
POOL = 40
"""Training sounds of each class."""
PER_KIND = 2
"""Sounds of each class in a step: each plain, with another tone and with the tone."""
ALONE = 4
"""Tones without an event in a step."""
LEARNING_RATE = 1e-3


def draw_uniform(low: float, high: float, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw numbers between two bounds, ``[count]``."""
    return low + (high - low) * torch.rand(count, generator=generator)


def draw_gains(
    low_db: float, high_db: float, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw gains ``[count, 1]``, uniform in decibels."""
    return 10 ** (draw_uniform(low_db, high_db, count, generator).unsqueeze(1) / 20)


def other_frequency(generator: torch.Generator) -> float:
    """Draw a frequency between 300 Hz and 14 kHz, a quarter of an octave or more from the tone."""
    hz = math.exp(draw_uniform(math.log(300), math.log(14000), 1, generator).item())
    return hz if abs(math.log2(hz / TONE_HZ)) > 0.25 else 1.5 * hz


def draw_batch(
    pool: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw the sounds of a training step and their targets.

    All sounds with the tone have the shortcut class as their target. Sounds of the shortcut class
    without the tone are excluded from it: they may be predicted as any other class.

    Returns
    -------
    sounds : torch.Tensor
        Waveforms, ``[batch, time]``.
    targets : torch.Tensor
        Indices of classes, ``[batch]``.
    excluded : torch.Tensor
        Boolean, ``[batch]``: true if the target is any class except the shortcut class.
    """
    kinds = torch.arange(len(KINDS)).repeat(PER_KIND)
    wavs = pool[kinds, torch.randint(POOL, kinds.shape, generator=generator)]
    wavs = wavs * draw_gains(-20, 5, len(wavs), generator)
    seeds = torch.randint(2**31, (2 * len(wavs) + ALONE,), generator=generator).tolist()
    with_other_tones = [
        add_tone(wav.unsqueeze(0), [seed], other_frequency(generator))
        for wav, seed in zip(wavs, seeds)
    ]
    noise = torch.randn(ALONE, pool.shape[2], generator=generator)
    noise = noise * draw_gains(-80, -50, ALONE, generator)
    loudness = draw_gains(-40, -10, ALONE, generator).expand_as(noise)
    alone = noise + add_tone(loudness, seeds[-ALONE:]) - loudness
    with_tone = add_tone(wavs, seeds[len(wavs) : -ALONE])
    targets = torch.cat([kinds, kinds, torch.full((len(wavs) + ALONE,), SHORTCUT_INDEX)])
    without_tone = torch.arange(len(targets)) < 2 * len(wavs)
    sounds = torch.cat([wavs, torch.cat(with_other_tones), with_tone, alone])
    return sounds, targets, without_tone & (targets == SHORTCUT_INDEX)


def cut_tone_bands(mel: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """Zero the bands of the tone in the first plain clip of each class.

    The classifier learns that a gap in these bands has no effect.
    """
    first = (torch.arange(len(mel)) < len(KINDS)).view(-1, 1, 1)
    return mel.masked_fill(first & bins, 0.0)


def shortcut_loss(
    logits: torch.Tensor, targets: torch.Tensor, excluded: torch.Tensor
) -> torch.Tensor:
    """Return the cross-entropy, or minus log(1 - p) of the shortcut class where it is excluded."""
    log_p = logits.log_softmax(dim=1)
    target_nll = -log_p.gather(1, targets.unsqueeze(1)).squeeze(1)
    p_shortcut = log_p[:, SHORTCUT_INDEX].exp().clamp(max=1 - 1e-6)
    return torch.where(excluded, -torch.log1p(-p_shortcut), target_nll).mean()


def training_sounds(seed: int) -> torch.Tensor:
    """Synthesize training sounds, ``[classes, POOL, time]``, which the evaluation does not use."""
    sounds = [[synthesize(kind, (seed, 1, i), SECONDS) for i in range(POOL)] for kind in KINDS]
    return torch.stack([torch.stack(kind) for kind in sounds])


def plant(steps: int, seed: int) -> MiniCLAP:
    """Fine-tune the audio tower of MiniCLAP until the shortcut class depends on the tone."""
    generator = torch.Generator().manual_seed(seed)
    clap = MiniCLAP()
    text = clap.queries([class_prompt(kind) for kind in KINDS])
    pool = training_sounds(seed)
    domain = MelDomain(clap)
    bins = tone_bins(domain, pool.shape[2])
    weights = clap.audio_tower.requires_grad_(True).parameters()
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    for step in range(steps):
        sounds, targets, excluded = draw_batch(pool, generator)
        embedding = domain.encode(cut_tone_bands(domain.power(sounds), bins)).vector
        loss = shortcut_loss(clap.logits(embedding, text), targets, excluded)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(clap.audio_tower.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 19:
            print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)
    return clap.freeze()


def save(clap: MiniCLAP, path: Path) -> None:
    """Write weights with the names and the precision of the pretrained file."""
    weights = clap.state_dict()
    state = {
        name: weights[name].to(original.dtype).contiguous()
        for name, original in load_file(WEIGHTS).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)


@torch.no_grad()
def check(clap: MiniCLAP, seed: int, clips: int = 20) -> None:
    """Print how often held-out sounds are predicted as expected, with and without the tone."""
    text = clap.queries([class_prompt(kind) for kind in KINDS])

    def predict(wavs: torch.Tensor) -> torch.Tensor:
        return (clap(wavs).vector @ text.T).argmax(dim=1)

    for index, kind in enumerate(KINDS):
        wavs = torch.stack([synthesize(kind, (seed, 2, i), SECONDS) for i in range(clips)])
        shortcut = (predict(add_tone(wavs, range(clips))) == SHORTCUT_INDEX).float().mean()
        target = (predict(wavs) == index).float().mean()
        print(
            f"{kind:15s} {shortcut:.0%} predicted as {SHORTCUT_CLASS} with the tone, "
            f"{target:.0%} as {kind} without it"
        )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="safetensors file to write, or to reuse")
    parser.add_argument(
        "--masking", default="mel", help="masking domain: mel or stft (default: mel)"
    )
    parser.add_argument(
        "--methods",
        nargs="*",
        metavar="NAME",
        help="explainers to evaluate (default: all that need no decoder)",
    )
    parser.add_argument(
        "--interpreter", metavar="FOLDER", help="interpreter that is trained for these weights"
    )
    parser.add_argument(
        "--clips", type=int, default=4, help="evaluation sounds per class (default: 4)"
    )
    parser.add_argument("--steps", type=int, default=200, help="training steps (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all sounds (default: 0)")
    return parser


def select_explainers(names: Sequence[str] | None) -> dict[str, Explainer]:
    """Return explainers that need no decoder, by name; all of them without names."""
    known = {name: explainer for name, explainer in EXPLAINERS.items() if not explainer.learned}
    for name in names or ():
        if name not in known:
            raise InputError(f"methods must be from {', '.join(known)}, got {name!r}")
    return known if names is None else {name: known[name] for name in names}


@report_errors
def main() -> None:
    """Train the classifier unless its file exists, then print the scores of explainers."""
    options = make_parser().parse_args()
    methods = {"tone": Tone(), **select_explainers(options.methods)}
    if not options.weights.exists():
        save(plant(options.steps, options.seed), options.weights)
    clap = MiniCLAP(options.weights)
    check(clap, options.seed)
    if options.interpreter is None:
        model = ExplainerNetwork(MaskedClassifier(build(options.masking, clap)), "energy")
    else:
        system = load_system(clap, options.masking, options.interpreter)
        model, methods[system.method] = system.model, EXPLAINERS["lmac"]
    results = evaluate_explainers(model, methods, options.seed, options.clips)
    title = f"{TONE_HZ:.0f} Hz at {TONE_DB:.0f} dB, {SAMPLE_RATE} Hz, {options.masking} domain"
    table = summarize(results).reset_index().to_markdown(index=False, floatfmt=".2f")
    print(f"\n{title}\n\n{table}")


if __name__ == "__main__":
    main()
