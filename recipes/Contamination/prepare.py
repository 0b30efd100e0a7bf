"""A plan of what is laid over which clip, for contaminated evaluation with known stems.

Usage: python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind white_noise
       python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind mixture
       python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind speech \\
           --corpus LJSPEECH [--download]
       python recipes/Contamination/prepare.py PLAN --data_folder ESC50 --kind wham \\
           --corpus WHAM [--download]

LJSpeech (public domain) is 2.7 GB, WHAM! noise (CC BY-NC 4.0) 18 GB. The SNRs are those of the
published code unless --snr_db says otherwise (two numbers: a range).
What is laid over test clips is never itself from the test folds.
"""

import argparse
from pathlib import Path

from speechbrain_lmac.audio.mixing import PRESETS
from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.archives import LJSPEECH, WHAM, obtain
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.manifest import remove_previous
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import check_not_input
from speechbrain_lmac.utils.ownership import owned_file

ARCHIVES = {"speech": LJSPEECH, "wham": WHAM}


@report_errors
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", help="csv file to write")
    parser.add_argument("--data_folder", required=True)
    parser.add_argument("--kind", required=True, choices=PRESETS)
    parser.add_argument("--corpus", metavar="FOLDER", help="of speech or noise: every sound in it")
    parser.add_argument("--download", action="store_true", help="fetch LJSpeech or WHAM!")
    parser.add_argument("--snr_db", nargs="+", type=float, metavar="DB")
    parser.add_argument("--test_folds", nargs="+", type=int, default=[5])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    check_not_input(options.plan, [options.data_folder])
    remove_previous(options.plan, contamination.PlanRow._fields)
    clips = read_clips(options.data_folder)
    tested = [clip for clip in clips if clip.fold in options.test_folds]
    snr_db = options.snr_db or [PRESETS[options.kind]]
    if not tested or len(snr_db) > 2:
        raise InputError("--test_folds must hold clips, and --snr_db be one or two numbers")
    rows = contamination.draw_plan(
        tested,
        others_of(options, clips),
        options.kind,
        (snr_db[0], snr_db[-1]),
        options.seed,
        options.test_folds,
    )
    contamination.write(options.plan, rows, owned_file)
    print(f"{len(rows)} clips with {options.kind} at {snr_db} dB in {options.plan}")


def others_of(options, clips):
    """What may be laid over clips."""
    if options.kind == contamination.WHITE_NOISE:
        return []
    if options.kind == "mixture":
        return clips
    if options.corpus is None:
        raise InputError(f"{options.kind} comes from a folder of sounds: give it as --corpus")
    if options.download:
        obtain(ARCHIVES[options.kind], options.corpus)
    return contamination.read_noise_folder(Path(options.corpus))


if __name__ == "__main__":
    main()
