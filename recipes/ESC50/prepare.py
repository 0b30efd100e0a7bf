"""ESC-50 as a checked manifest, fetched from its authors if it is not there.

Usage: python recipes/ESC50/prepare.py FOLDER [--download] [--manifest FILE]

ESC-50 is CC BY-NC 3.0 (its part ESC-10 is CC BY 3.0): 2000 clips of 5 s, 600 MB.
"""

import argparse

from speechbrain_lmac.data.archives import ESC50, obtain
from speechbrain_lmac.data.prepare import add_skip_option, manifest_path, prepare_labeled
from speechbrain_lmac.utils.errors import report_errors


@report_errors
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="holds meta/esc50.csv and audio/, or is to")
    parser.add_argument("--download", action="store_true", help="fetch the set if it is not there")
    parser.add_argument("--manifest", help="default: manifest.csv in the folder")
    add_skip_option(parser)
    options = parser.parse_args()
    if options.download:
        obtain(ESC50, options.folder)
    clips = prepare_labeled(
        options.folder, options.manifest, license="CC BY-NC 3.0", skip_invalid=options.skip_invalid
    )
    path = manifest_path(options.folder, options.manifest)
    print(f"{len(clips)} clips: give {path} or {options.folder} as --data_folder")


if __name__ == "__main__":
    main()
