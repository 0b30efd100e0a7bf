"""Write docs/samples: recordings of the documentation, cut to 5 s and matched in level.

Usage: python -m experiments.pretrained_interpreters.samples ESC10 [--output docs/samples]

The recordings are of fold 5 of ESC-50, which trained no pretrained interpreter. All are CC0.
"""

import argparse
from pathlib import Path

import soundfile

from speechbrain_lmac.audio.io import fit_length, load_audio
from speechbrain_lmac.utils.errors import report_errors

RECORDINGS = {
    "chainsaw": "5-170338-A-41",
    "clock_tick": "5-208624-A-38",
    "crackling_fire": "5-186924-A-12",
    "crying_baby": "5-151085-A-20",
    "dog": "5-203128-A-0",
    "helicopter": "5-205898-A-40",
    "rain": "5-181766-A-10",
    "rain_in_town": "5-195710-A-10",
    "rooster": "5-233160-A-1",
    "sea_waves": "5-208810-A-11",
    "sneezing": "5-202220-A-21",
    "steaming_fire": "5-213802-A-12",
}
"""Name of each sample, and its clip in ESC-50."""
RATE = 44100
SECONDS = 5
LEVEL = 0.05
"""Root mean square of each sample, -26 dB of full scale."""


@report_errors
def main(arguments=None):
    """Write all samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("esc50", type=Path, metavar="FOLDER", help="ESC-50 or ESC-10, as unpacked")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("docs/samples"),
        metavar="FOLDER",
        help="folder to write (default: docs/samples)",
    )
    options = parser.parse_args(arguments)
    for name, clip in RECORDINGS.items():
        (path,) = (options.esc50 / "audio").glob(f"{clip}.*")
        wav = fit_length(load_audio(path, RATE), SECONDS * RATE)
        wav *= LEVEL / wav.square().mean().sqrt()
        soundfile.write(options.output / f"{name}.ogg", wav.numpy(), RATE)


if __name__ == "__main__":
    main()
