"""Decode a sound file and end: ``python -m speechbrain_lmac.bulk.trial FILE``."""

import contextlib
import sys

from speechbrain_lmac.audio.io import check_audio
from speechbrain_lmac.utils.errors import InputError


def main(path: str) -> None:
    """Decode a file in constant memory. An invalid file is no error here."""
    with contextlib.suppress(InputError):
        check_audio(path)


if __name__ == "__main__":
    main(sys.argv[1])
