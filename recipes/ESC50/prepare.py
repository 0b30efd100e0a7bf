"""Check ESC-50 and write its manifest; download it if requested.

Usage: python recipes/ESC50/prepare.py FOLDER [--download] [--manifest FILE]

ESC-50 has 2000 clips of 5 s (600 MB) under CC BY-NC 3.0; its part ESC-10 is under CC BY 3.0.
"""

import argparse

from speechbrain_lmac.data.archives import ESC50, obtain
from speechbrain_lmac.data.prepare import add_skip_option, manifest_path, prepare_labeled
from speechbrain_lmac.utils.errors import report_errors


@report_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder of meta/esc50.csv and audio/")
    parser.add_argument(
        "--download", action="store_true", help="download the data set if it is missing"
    )
    parser.add_argument("--manifest", help="CSV file to write (default: manifest.csv in FOLDER)")
    add_skip_option(parser)
    options = parser.parse_args()
    if options.download:
        obtain(ESC50, options.folder)
    clips = prepare_labeled(
        options.folder,
        options.manifest,
        license="CC BY-NC 3.0",
        skip_invalid=options.skip_invalid,
    )
    path = manifest_path(options.folder, options.manifest)
    print(f"{len(clips)} clips: give {path} or {options.folder} as --data_folder")


if __name__ == "__main__":
    main()
