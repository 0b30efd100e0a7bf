"""Write authors and licenses of the recordings that trained MiniCLAP and its interpreters.

Usage: python -m experiments.mini_clap.attributions RECORDINGS
"""

import csv
import sys

from experiments.mini_clap.recordings import esc10_recordings, find_recordings, is_permissive
from speechbrain_lmac.models.clap.mini import WEIGHTS

FILE = WEIGHTS.with_name("ATTRIBUTIONS.csv")


def main(folder):
    """Write the recordings of MiniCLAP, then the other ones of the interpreters."""
    of_interpreters = [r for r in esc10_recordings(folder, set()) if is_permissive(r.license)]
    recordings = dict.fromkeys([*find_recordings(folder), *of_interpreters])
    rows = [(recording.path.name, recording.collection, *recording[2:]) for recording in recordings]
    with open(FILE, "w", newline="", encoding="utf-8") as file:
        header = ("file", "collection", "title", "author", "licence", "url")
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    print(f"{len(rows)} recordings -> {FILE}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
