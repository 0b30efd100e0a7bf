"""Write docs/listen.html: explanations of real recordings and of their mixtures.

Usage: python -m experiments.pretrained_interpreters.listen [--sounds docs/listen]
           [--output docs/listen.html]

The examples were selected by ear. One of them shows a failure.
"""

import argparse
from pathlib import Path

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.reports.clip import clip_section
from speechbrain_lmac.reports.page import write_report
from speechbrain_lmac.utils.errors import report_errors

SOURCE = "mini-stft"
"""Name of the pretrained interpreter."""
MIXTURES = [
    ("dog", "rain"),
    ("rooster", "crackling_fire"),
    ("dog", "chainsaw"),
    ("crying_baby", "helicopter"),
    ("crying_baby", "rain"),
]
"""Pairs of recordings, mixed at 0 dB and explained for both sounds."""
SINGLE_SOUND = ("crying_baby", ["the sound of a crying baby", "the sound of a cat"])
"""A recording and its prompts."""
TITLE = "Explanations of real recordings"
SECONDS = 5


@report_errors
def main(arguments=None):
    """Explain the examples and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sounds",
        type=Path,
        default=Path("docs/listen"),
        metavar="FOLDER",
        help="folder with the recordings (default: docs/listen)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("docs/listen.html"),
        metavar="FILE",
        help="page to write (default: docs/listen.html)",
    )
    options = parser.parse_args(arguments)
    interpreter = Interpreter.from_hparams(source=SOURCE, run_opts={"device": "cpu"})
    description = (
        f"Interpreter {SOURCE} and MiniCLAP of speechbrain-lmac; recordings by seven "
        "authors of Freesound (CC0), not used in training, mixed at equal levels"
    )
    sections = explain_examples(interpreter, options.sounds)
    print(write_report(options.output, sections, description, TITLE))


def explain_examples(interpreter, folder):
    """Return a section of the page for each mixture and for the single sound."""
    rate = interpreter.sample_rate

    def load(name):
        return load_audio(folder / f"{name}.ogg", rate)[: SECONDS * rate]

    sections = []
    for names in MIXTURES:
        words = [name.replace("_", " ") for name in names]
        mixture = mix(*(load(name) for name in names), snr_db=0.0)
        interpretation = interpreter.interpret(mixture, [f"the sound of {word}" for word in words])
        sections.append(clip_section(" and ".join(words).capitalize(), interpretation))
    name, prompts = SINGLE_SOUND
    interpretation = interpreter.interpret(load(name), prompts)
    sections.append(clip_section(name.replace("_", " ").capitalize(), interpretation))
    return sections


if __name__ == "__main__":
    main()
