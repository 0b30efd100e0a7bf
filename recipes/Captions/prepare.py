"""Check captioned data sets and write one manifest of them.

Usage: python recipes/Captions/prepare.py MANIFEST [--clotho FOLDER] [--audiocaps FOLDER]
                                  [--macs FOLDER] [--fsd50k FOLDER] [--without ESC50 URBANSOUND8K]

You download the data sets yourself, because their sounds have many licenses and some are from
YouTube:

  Clotho 2.1    https://zenodo.org/records/4783391: clotho_captions_*.csv, clotho_metadata_*.csv,
                development/, validation/, evaluation/
  AudioCaps     https://audiocaps.github.io: train.csv, val.csv, test.csv, audio/<youtube_id>.wav
  MACS          https://zenodo.org/records/5114771: MACS.yaml, audio/ of TAU Urban Scenes 2019
  FSD50K        https://zenodo.org/records/4060432: FSD50K.metadata/, FSD50K.dev_audio/

Clotho and FSD50K are from Freesound, like ESC-50 and UrbanSound8K. --without excludes captions of
recordings in these two data sets, because training refuses test clips whose recordings it is
trained on. Then train:

  python train.py hparams/lmac_zs_microsoft.yaml --train_manifest MANIFEST --data_folder ESC50
"""

import argparse
from collections import Counter

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.captions import SETS, read_captions
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prepare import add_skip_option, prepare_manifest
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import check_not_input

NAMES = {"clotho": "Clotho 2.1", "audiocaps": "AudioCaps", "macs": "MACS", "fsd50k": "FSD50K"}


@report_errors
def main() -> None:
    """Write the manifest and print the number of captions per split."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", help="CSV file to write")
    for name in SETS:
        parser.add_argument(f"--{name}", metavar="FOLDER", help=f"folder of {NAMES[name]}")
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="SET",
        help="manifests or folders of labeled data sets whose recordings are excluded",
    )
    add_skip_option(parser)
    options = vars(parser.parse_args())
    folders = {name: options[name] for name in SETS if options[name]}
    if not folders:
        known = ", ".join(f"--{name}" for name in SETS)
        raise InputError(f"at least one data set must be given. Give a folder with one of {known}")
    check_not_input(options["manifest"], options["without"])
    manifest.remove_previous(options["manifest"], manifest.Clip._fields)
    excluded = {clip.src_file for source in options["without"] for clip in read_clips(source)}
    clips = read_captions(folders)
    included = [clip for clip in clips if clip.src_file not in excluded]
    if len(included) < len(clips):
        print(f"{len(clips) - len(included)} captions are excluded by --without")
    clips = prepare_manifest(included, options["manifest"], options["skip_invalid"])
    for split, count in sorted(Counter(clip.split for clip in clips).items()):
        print(f"{split}: {count} captions")


if __name__ == "__main__":
    main()
