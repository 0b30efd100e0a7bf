"""docs/listen.html: what the shipped interpreter makes of real recordings and mixtures of them.

Usage: python -m experiments.pretrained_interpreters.listen [--sounds docs/listen] [--output
docs/listen.html]

Scenes were chosen for what can be heard in them, one of them because it goes wrong.
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
SCENES = [
    ("dog", "rain"),
    ("rooster", "crackling_fire"),
    ("dog", "chainsaw"),
    ("crying_baby", "helicopter"),
    ("crying_baby", "rain"),
]
"""Pairs of recordings, mixed at 0 dB, asked for both."""
ALONE = ("crying_baby", ["the sound of a crying baby", "the sound of a cat"])
TITLE = "Hear why: real recordings, explained"
SECONDS = 5


@report_errors
def main(arguments=None):
    this = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    this.add_argument("--sounds", type=Path, default=Path("docs/listen"), metavar="FOLDER")
    this.add_argument("--output", type=Path, default=Path("docs/listen.html"), metavar="FILE")
    options = this.parse_args(arguments)
    interpreter = Interpreter.from_hparams(source=SOURCE, run_opts={"device": "cpu"})
    rate = interpreter.sample_rate

    def sound(name):
        return load_audio(options.sounds / f"{name}.ogg", rate)[: SECONDS * rate]

    clips = []
    for kinds in SCENES:
        words = [kind.replace("_", " ") for kind in kinds]
        scene = mix(*(sound(kind) for kind in kinds), snr_db=0.0)
        why = interpreter.interpret(scene, [f"the sound of {word}" for word in words])
        clips.append(clip_section(" and ".join(words).capitalize(), why))
    name, prompts = ALONE
    why = interpreter.interpret(sound(name), prompts)
    clips.append(clip_section(name.replace("_", " ").capitalize(), why))
    about = (
        f"Interpreter {SOURCE} and MiniCLAP of speechbrain-lmac; recordings by seven "
        "authors of Freesound (CC0), unheard in training, mixed as loud as each other"
    )
    print(write_report(options.output, clips, about, TITLE))


if __name__ == "__main__":
    main()
