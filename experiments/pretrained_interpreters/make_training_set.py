"""The sounds that the shipped interpreters were trained on: ESC-10 and synthetic, one folder.

Usage: python -m experiments.pretrained_interpreters.make_training_set ESC10 FOLDER
"""

import shutil
import sys
from pathlib import Path

import pandas as pd

from speechbrain_lmac.data.synthetic_dataset import write_dataset

SYNTHETIC_SEED = 2
CLIPS_PER_FOLD = 6


def main(esc10, folder):
    """Join both sets in ESC-50's layout, without the clips that are not CC0 or CC BY."""
    esc10, folder = Path(esc10), Path(folder)
    synthetic = write_dataset(
        folder.with_name(folder.name + "-synthetic"), CLIPS_PER_FOLD, seed=SYNTHETIC_SEED
    )
    licences = pd.read_csv(esc10 / "meta" / "licences.csv").set_index("filename").licence
    real = pd.read_csv(esc10 / "meta" / "esc50.csv")
    real = real[real.filename.map(licences).isin(["CC0", "CC-BY"])]
    made = pd.read_csv(synthetic / "meta" / "esc50.csv")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    (folder / "meta").mkdir(exist_ok=True)
    for source, rows in ((esc10, real), (synthetic, made)):
        for name in rows.filename:
            shutil.copy(source / "audio" / name, folder / "audio" / name)
    pd.concat([real, made]).to_csv(folder / "meta" / "esc50.csv", index=False)
    print(f"{len(real)} recordings and {len(made)} synthetic clips -> {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
