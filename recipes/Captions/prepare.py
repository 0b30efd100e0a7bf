"""Sets of described sounds, where you have placed them, as one checked manifest.

Usage: python recipes/Captions/prepare.py MANIFEST [--clotho FOLDER] [--audiocaps FOLDER]
                                  [--macs FOLDER] [--fsd50k FOLDER] [--without ESC50 URBANSOUND8K]

Their sounds come under many licenses, some from YouTube: fetch them yourself.
  Clotho 2.1    https://zenodo.org/records/4783391: clotho_captions_*.csv, clotho_metadata_*.csv,
                development/, validation/, evaluation/
  AudioCaps     https://audiocaps.github.io: train.csv, val.csv, test.csv, audio/<youtube_id>.wav
  MACS          https://zenodo.org/records/5114771: MACS.yaml, audio/ of TAU Urban Scenes 2019
  FSD50K        https://zenodo.org/records/4060432: FSD50K.metadata/, FSD50K.dev_audio/

Clotho and FSD50K are from Freesound, as ESC-50 and UrbanSound8K are: --without leaves out the
recordings that those hold, on which training would refuse to be tested. Then:
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


@report_errors
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", help="csv file to write")
    for name in SETS:
        parser.add_argument(f"--{name}", metavar="FOLDER")
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="SET",
        help="manifests or folders of labeled sets: captions of their recordings are left out",
    )
    add_skip_option(parser)
    options = vars(parser.parse_args())
    folders = {name: options[name] for name in SETS if options[name]}
    if not folders:
        raise InputError(f"name the folder of at least one set: {', '.join(SETS)}")
    check_not_input(options["manifest"], options["without"])
    manifest.remove_previous(options["manifest"], manifest.Clip._fields)
    tested = {clip.src_file for held in options["without"] for clip in read_clips(held)}
    clips = read_captions(folders)
    kept = [clip for clip in clips if clip.src_file not in tested]
    if len(kept) < len(clips):
        print(f"{len(clips) - len(kept)} captions left out: their recordings are in the other sets")
    clips = prepare_manifest(kept, options["manifest"], options["skip_invalid"])
    for split, count in sorted(Counter(clip.split for clip in clips).items()):
        print(f"{count} captions to {split}")


if __name__ == "__main__":
    main()
