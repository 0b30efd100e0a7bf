"""Explain one sound of a mixture rather than the other, with and without the reverse difference.

Usage: python -m experiments.gradient_features.contrast DATA [--source mini-stft] [--folds 4]
           [--pairs 240]

Pairs of clips of different classes are mixed at equal levels. Three masks are compared: that of the
first class alone, that of the difference of both queries, and the contrast, which also opposes the
reverse difference. The fraction of the first sound in the masked-in energy should be larger than in
the mixture, and its class should be more probable than the other. A classifier that confuses one of
the sounds on its own cannot tell them apart in the mixture either, so such pairs are counted apart.
"""

import argparse
import random
from collections.abc import Sequence

import torch
from torch.nn.functional import normalize
from tqdm import tqdm

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.data.datasets import class_names, read_clips
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.utils.errors import report_errors

SECONDS = 5.0
BATCH = 8


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the masks of all pairs and print the three rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with the layout of ESC-50 or UrbanSound8K")
    parser.add_argument("--source", default="mini-stft")
    parser.add_argument("--folds", type=int, nargs="+", default=[4])
    parser.add_argument("--pairs", type=int, default=240)
    options = parser.parse_args(arguments)
    run_opts = {"device": "cpu"}
    model = Interpreter.from_hparams(source=options.source, run_opts=run_opts).model
    clips = [clip for clip in read_clips(options.data) if clip.fold in options.folds]
    names = class_names(options.data, clips, "dataset")
    vectors = dict(zip(names, model.classifier.audio_classifier.class_queries(names, [TEMPLATE])))
    pairs = draw_pairs(clips, options.pairs)
    results = [
        measure(model, pairs[start : start + BATCH], vectors)
        for start in tqdm(range(0, len(pairs), BATCH))
    ]
    for name in results[0]:
        gains, wins, clear = torch.cat([part[name] for part in results], dim=1)
        print(
            f"{name}: energy gain {gains.mean():+.3f}, none in {int((gains <= 0).sum())}, "
            f"the class wins in {int(wins.sum())} of {len(pairs)}; of the {int(clear.sum())} pairs "
            f"without confused sounds: none in {int(((gains <= 0) * clear).sum())}, the class wins "
            f"in {int((wins * clear).sum())}"
        )


def draw_pairs(clips: Sequence[Clip], count: int) -> list[tuple[Clip, Clip]]:
    """Draw pairs of clips of different classes."""
    rng, pairs = random.Random(0), list[tuple[Clip, Clip]]()
    while len(pairs) < count:
        first, second = rng.sample(clips, 2)
        if first.label != second.label:
            pairs.append((first, second))
    return pairs


@torch.no_grad()
def measure(
    model: InterpreterNetwork,
    pairs: Sequence[tuple[Clip, Clip]],
    vectors: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Return three values of each mask, ``[3, batch]``.

    They are the gain of the energy fraction, whether the class wins, and whether the classifier
    recognizes both sounds on their own.
    """
    classifier = model.classifier
    rate = classifier.audio_classifier.sample_rate
    first, second = (
        torch.stack([load_clip(clip.wav, rate, SECONDS) for clip in side]) for side in zip(*pairs)
    )
    mixtures = torch.stack([mix(*waves, snr_db=0.0) for waves in zip(first, second)])
    powers = classifier.domain.power(first), classifier.domain.power(mixtures - first)
    own, other = (torch.stack([vectors[clip.label] for clip in side]) for side in zip(*pairs))
    encoded = classifier.encode_clips(mixtures)
    difference = normalize(own - other, dim=-1).unsqueeze(0)
    masks = {
        "class alone": model(encoded, own.unsqueeze(0))[0],
        "difference": model(encoded, difference)[0],
        "contrast": model.contrast(encoded, difference)[0],
    }
    paired_logits = classifier.audio_classifier.paired_logits
    alone = [classifier.encode_clips(wavs).encoding.vector for wavs in (first, second)]
    clear = paired_logits(alone[0], own) > paired_logits(alone[0], other)
    clear &= paired_logits(alone[1], other) > paired_logits(alone[1], own)
    results = {}
    for name, mask in masks.items():
        gain = fraction(mask.square(), *powers) - fraction(torch.ones_like(mask), *powers)
        vector = classifier.encode_masked_vector(encoded, mask)
        wins = paired_logits(vector, own) > paired_logits(vector, other)
        results[name] = torch.stack([gain, wins.float(), clear.float()])
    return results


def fraction(gains: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Fraction of the first power in the masked-in power of both, ``[batch]``."""
    kept = (gains * first).sum(dim=(1, 2))
    return kept / (kept + (gains * second).sum(dim=(1, 2))).clamp(min=1e-12)


if __name__ == "__main__":
    main()
