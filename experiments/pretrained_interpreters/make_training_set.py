"""Write the main training set of the pretrained interpreters: ESC-10 and synthetic sounds.

Usage: python -m experiments.pretrained_interpreters.make_training_set ESC10 FOLDER
"""

import shutil
import sys
from pathlib import Path

import pandas as pd

from speechbrain_lmac.data.synthetic_dataset import write_dataset

SYNTHETIC_SEED = 2
CLIPS_PER_FOLD = 6
"""Synthetic clips of each kind per fold."""


def main(esc10, folder):
    """Join both sets in the layout of ESC-50, with the CC0 and CC BY recordings only."""
    esc10, folder = Path(esc10), Path(folder)
    synthetic = write_dataset(
        folder.with_name(folder.name + "-synthetic"), CLIPS_PER_FOLD, seed=SYNTHETIC_SEED
    )
    licenses = pd.read_csv(esc10 / "meta" / "licences.csv").set_index("filename").licence
    real_rows = pd.read_csv(esc10 / "meta" / "esc50.csv")
    real_rows = real_rows[real_rows.filename.map(licenses).isin(["CC0", "CC-BY"])]
    synthetic_rows = pd.read_csv(synthetic / "meta" / "esc50.csv")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    (folder / "meta").mkdir(exist_ok=True)
    for source, rows in ((esc10, real_rows), (synthetic, synthetic_rows)):
        for name in rows.filename:
            shutil.copy(source / "audio" / name, folder / "audio" / name)
    pd.concat([real_rows, synthetic_rows]).to_csv(folder / "meta" / "esc50.csv", index=False)
    print(f"{len(real_rows)} recordings and {len(synthetic_rows)} synthetic clips -> {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
