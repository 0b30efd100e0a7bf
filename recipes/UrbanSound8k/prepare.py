"""Check UrbanSound8K and write its manifest.

Usage: python recipes/UrbanSound8k/prepare.py FOLDER [--manifest FILE]

Its license (CC BY-NC 3.0) requires that you download it yourself from
https://urbansounddataset.weebly.com/urbansound8k.html. Unpack it and give the folder that holds
metadata/UrbanSound8K.csv and audio/fold1 to fold10.
"""

import argparse

from speechbrain_lmac.data.prepare import add_skip_option, manifest_path, prepare_labeled
from speechbrain_lmac.utils.errors import report_errors


@report_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder of metadata/UrbanSound8K.csv and audio/")
    parser.add_argument("--manifest", help="CSV file to write (default: manifest.csv in FOLDER)")
    add_skip_option(parser)
    options = parser.parse_args()
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
