"""Training set for an interpreter: sounds with the planted tone, other tones and none.

Usage: python -m experiments.planted_shortcut.make_training_set FOLDER

The layout is that of ESC-50, with five folds of 2 s clips. The CLAP is trained and evaluated on
other sounds.
"""

import sys
from pathlib import Path

import pandas as pd
import soundfile
import torch

from experiments.planted_shortcut.cue import CUED, add_cue
from experiments.planted_shortcut.plant import SECONDS, draw_gains, other_frequency
from speechbrain_lmac.data.synthetic import KINDS, SAMPLE_RATE, synthesize
from speechbrain_lmac.data.synthetic_dataset import COLUMNS

SEED, PER_KIND = 3, 6
"""Seed, and number of sounds of each kind, fold and variant."""


def main(folder, per_kind=PER_KIND):
    """Write the set. Clips with the tone have the label that the CLAP predicts."""
    folder, rows = Path(folder), []
    generator = torch.Generator().manual_seed(SEED)
    for name in ("audio", "meta"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    number = 0
    for fold in range(1, 6):
        for kind in KINDS:
            for clip in range(per_kind):
                source = number  # one event, three ways
                plain = synthesize(kind, (SEED, fold, clip), SECONDS).unsqueeze(0)
                gain = draw_gains(-20, 5, 1, generator)
                other = add_cue(plain, [number], other_frequency(generator))
                ways = [(CUED, add_cue(plain, [number]))]
                if kind != CUED:  # without the tone, the CLAP knows no class for them
                    ways += [(kind, plain), (kind, other)]
                for label, sound in ways:
                    target, number = KINDS[label][0], number + 1
                    path = f"{fold}-{number}-A-{target}.wav"
                    samples = (gain * sound)[0].clamp(-1, 1).numpy()
                    soundfile.write(folder / "audio" / path, samples, SAMPLE_RATE, "PCM_16")
                    rows.append((path, fold, target, label, False, source, "A"))
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "meta" / "esc50.csv", index=False)
    print(f"{len(rows)} clips -> {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
