"""Write who recorded what MiniCLAP and the shipped interpreters learnt from.

Usage: python -m experiments.mini_clap.attributions RECORDINGS
"""

import csv
import sys

from experiments.mini_clap.recordings import esc10, find_recordings, permissive
from speechbrain_lmac.models.clap.mini import WEIGHTS

FILE = WEIGHTS.with_name("ATTRIBUTIONS.csv")


def main(folder):
    interpreters = [found for found in esc10(folder, set()) if permissive(found.licence)]
    heard = dict.fromkeys([*find_recordings(folder), *interpreters])
    rows = [(found.path.name, found.collection, *found[2:]) for found in heard]
    with open(FILE, "w", newline="", encoding="utf-8") as file:
        header = ("file", "collection", "title", "author", "licence", "url")
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    print(f"{len(rows)} recordings -> {FILE}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
