"""Write a training set for the interpreter: sounds with the planted tone, another tone and none.

Usage: python -m experiments.planted_shortcut.make_training_set FOLDER

The layout is that of ESC-50, with five folds of 2 s clips. The CLAP is trained and evaluated on
other sounds.
"""

import sys
from pathlib import Path

import pandas as pd
import soundfile
import torch

from experiments.planted_shortcut.plant import SECONDS, draw_gains, other_frequency
from experiments.planted_shortcut.tone import SHORTCUT_CLASS, add_tone
from speechbrain_lmac.data.synthetic import KINDS, SAMPLE_RATE, synthesize
from speechbrain_lmac.data.synthetic_dataset import COLUMNS

SEED = 3
PER_KIND = 6
"""Number of sounds of each class and fold."""


def main(folder: str | Path, per_kind: int = PER_KIND) -> None:
    """Write the set; clips with the tone have the label that the CLAP predicts."""
    folder, rows = Path(folder), []
    generator = torch.Generator().manual_seed(SEED)
    for name in ("audio", "meta"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    number = 0
    for fold in range(1, 6):
        for kind in KINDS:
            for clip in range(per_kind):
                source = number  # versions of one event share it
                plain = synthesize(kind, (SEED, fold, clip), SECONDS).unsqueeze(0)
                gain = draw_gains(-20, 5, 1, generator)
                with_other_tone = add_tone(plain, [number], other_frequency(generator))
                versions = [(SHORTCUT_CLASS, add_tone(plain, [number]))]
                if kind != SHORTCUT_CLASS:  # its sounds have no class without the tone
                    versions += [(kind, plain), (kind, with_other_tone)]
                for label, sound in versions:
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
