"""Write docs/listen.html: explanations of real recordings and of their mixtures.

Usage: python -m experiments.pretrained_interpreters.listen [--sounds docs/samples]
           [--output docs/listen.html]

Each example teaches one thing. The last three show errors.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.reports.clip import clip_section
from speechbrain_lmac.reports.page import write_report
from speechbrain_lmac.utils.errors import report_errors

SOURCE = "mini-stft"
"""Name of the pretrained interpreter."""


class Example(NamedTuple):
    """Sound of the page, and what it teaches."""

    title: str
    sounds: tuple[str, ...]
    """Recordings, mixed at 0 dB if there are two."""
    words: tuple[str, ...]
    """Words of the prompts."""
    against: str | None = None
    """Words of the text that the prompts are contrasted with."""


EXAMPLES = [
    Example("Mixture: a dog and rain", ("dog", "rain"), ("dog", "rain")),
    Example(
        "Mixture: sounds that overlap in time",
        ("clock_tick", "sea_waves"),
        ("clock tick", "sea waves"),
    ),
    Example("Mixture: two voices", ("crying_baby", "rooster"), ("crying baby", "rooster")),
    Example(
        "Contrast: why a dog rather than a rooster",
        ("dog", "rooster"),
        ("dog",),
        against="rooster",
    ),
    Example(
        "Contrast: why a helicopter is taken for an airplane",
        ("helicopter",),
        ("airplane",),
        against="helicopter",
    ),
    Example("Absent: a baby, but no cat", ("crying_baby",), ("a crying baby", "a cat")),
    Example("Hidden: a sneeze in the rain", ("sneezing", "rain"), ("sneezing", "rain")),
    Example("One recording of several sounds", ("rain_in_town",), ("rain", "dog")),
    Example("Unsure: a fire, or wind", ("crackling_fire",), ("crackling fire", "wind")),
    Example(
        "Error of the classifier: a chainsaw is taken for snoring",
        ("chainsaw",),
        ("snoring", "chainsaw"),
    ),
    Example(
        "Error of the classifier: a fire is taken for a helicopter",
        ("steaming_fire",),
        ("helicopter", "crackling fire"),
    ),
    Example("Failure: the explanation loses half of the presence", ("sea_waves",), ("sea waves",)),
]
TITLE = "Explanations of real recordings"
SECONDS = 5


@report_errors
def main(arguments=None):
    """Explain the examples and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sounds",
        type=Path,
        default=Path("docs/samples"),
        metavar="FOLDER",
        help="folder with the recordings (default: docs/samples)",
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
        f"Interpreter {SOURCE} and MiniCLAP of speechbrain-lmac; recordings by twelve "
        "authors of Freesound (CC0), not used in training, mixed at equal levels"
    )
    sections = explain_examples(interpreter, options.sounds)
    print(write_report(options.output, sections, description, TITLE))


def explain_examples(interpreter, folder):
    """Return a section of the page for each example."""
    rate = interpreter.sample_rate

    def load(name):
        return load_audio(folder / f"{name}.ogg", rate)[: SECONDS * rate]

    sections = []
    for example in EXAMPLES:
        waves = [load(name) for name in example.sounds]
        wav = waves[0] if len(waves) == 1 else mix(*waves, snr_db=0.0)
        prompts = [f"the sound of {word}" for word in example.words]
        against = example.against and f"the sound of {example.against}"
        interpretation = interpreter.interpret(wav, prompts, against)
        sections.append(clip_section(example.title, interpretation))
    return sections


if __name__ == "__main__":
    main()
