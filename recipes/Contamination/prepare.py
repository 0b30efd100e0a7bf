"""Write a contamination plan: the sound and the SNR that are mixed into each test clip.

Usage: python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind white_noise
       python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind mixture
       python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind speech \\
           --corpus LJSPEECH [--download]
       python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind wham \\
           --corpus WHAM [--download]

LJSpeech (public domain) is 2.7 GB, WHAM! noise (CC BY-NC 4.0) 18 GB. The SNRs are those of the
published code. --snr_db sets another SNR, or with two numbers a range from which it is drawn. Clips
of the test folds are never mixed into other clips.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from speechbrain_lmac.audio.mixing import PRESETS
from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.archives import LJSPEECH, WHAM, obtain
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.manifest import Clip, remove_previous
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import check_not_input
from speechbrain_lmac.utils.ownership import owned_file

ARCHIVES = {"speech": LJSPEECH, "wham": WHAM}


@report_errors
def main() -> None:
    """Write the plan and print its size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", help="CSV file to write")
    parser.add_argument("--data_folder", required=True, help="folder or manifest of the clips")
    parser.add_argument("--kind", required=True, choices=PRESETS, help="kind of the added sounds")
    parser.add_argument(
        "--corpus", metavar="FOLDER", help="folder of speech or noise, of which all sounds are used"
    )
    parser.add_argument(
        "--download", action="store_true", help="download LJSpeech or WHAM! if it is missing"
    )
    parser.add_argument(
        "--snr_db", nargs="+", type=float, metavar="DB", help="SNR in dB, or lower and upper bound"
    )
    parser.add_argument(
        "--test_folds", nargs="+", type=int, default=[5], help="folds of the clips (default: 5)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all draws (default: 0)")
    options = parser.parse_args()
    check_not_input(options.plan, [options.data_folder])
    remove_previous(options.plan, contamination.PlanRow._fields)
    clips = read_clips(options.data_folder)
    tested = [clip for clip in clips if clip.fold in options.test_folds]
    snr_db = options.snr_db or [PRESETS[options.kind]]
    if not tested or len(snr_db) > 2:
        raise InputError(
            "--test_folds must contain clips and --snr_db must be one or two numbers, got "
            f"{len(tested)} clips and {len(snr_db)} numbers. Change these options"
        )
    rows = contamination.draw_plan(
        tested,
        sounds_to_add(options, clips),
        options.kind,
        (snr_db[0], snr_db[-1]),
        options.seed,
        options.test_folds,
    )
    contamination.write(options.plan, rows, owned_file)
    print(f"{len(rows)} clips with {options.kind} at {snr_db} dB in {options.plan}")


def sounds_to_add(options: argparse.Namespace, clips: Sequence[Clip]) -> Sequence[Clip]:
    """Return the sounds that may be mixed into clips. White noise needs none."""
    if options.kind == contamination.WHITE_NOISE:
        return []
    if options.kind == "mixture":
        return clips
    if options.corpus is None:
        raise InputError(f"kind {options.kind} needs a folder of sounds. Give it with --corpus")
    if options.download:
        obtain(ARCHIVES[options.kind], options.corpus)
    return contamination.read_noise_folder(Path(options.corpus))


if __name__ == "__main__":
    main()
