"""``speechbrain-lmac compare``: one clip under nine explainers, with or without their names."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from speechbrain_lmac.cli.batch import json_line
from speechbrain_lmac.cli.files import expand
from speechbrain_lmac.cli.inputs import load_interpreter
from speechbrain_lmac.cli.options import Classifier, Device, Json, Masking, Revision, Source
from speechbrain_lmac.utils.errors import InputError, printable

if TYPE_CHECKING:
    from speechbrain_lmac.evaluation.listening_test import Take
    from speechbrain_lmac.inference.interpreter import Interpreter
    from speechbrain_lmac.reports.players import Axis, Player

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac compare street.wav --prompt "the sound of a siren"
  speechbrain-lmac compare street.wav --prompt siren --blind --output test1.html
  speechbrain-lmac ratings ratings*.csv --keys test1.key.json
"""


def run(
    file: Annotated[str, Argument(metavar="FILE", help="Sound file.")],
    prompt: Annotated[
        str | None,
        Option(
            "--prompt",
            "--class",
            metavar="TEXT",
            help="Prompt or class to explain. Default: the most probable class.",
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        Option(metavar="METHOD...", help="Explainers to compare. Default: all nine."),
    ] = None,
    blind: Annotated[
        bool, Option("--blind", help="Shuffle the explainers, hide their names, ask for ratings.")
    ] = False,
    seed: Annotated[
        int | None, Option(metavar="N", help="Seed of the shuffling. Default: random.")
    ] = None,
    output: Annotated[str, Option(metavar="FILE", help="HTML file to write.")] = "comparison.html",
    source: Source = "mini-stft",
    revision: Revision = None,
    classifier: Classifier = None,
    masking: Masking = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Compare nine explainers on one clip, on one HTML page.

    With --blind the page hides their names and asks for ratings; 'ratings' evaluates them.
    """
    path = _only_file(file)
    if prompt is not None and not prompt.strip():
        raise InputError("--prompt must not be blank")
    import secrets

    from speechbrain_lmac.evaluation.listening_test import check_new_key, write_comparison
    from speechbrain_lmac.reports.page import check_page

    check_page(output, [path])
    if blind:
        check_new_key(output)
    interpreter = load_interpreter(source, revision, device, classifier, masking=masking)
    prompt, (original, takes, axis) = _takes(interpreter, path, prompt, methods)
    seed = secrets.randbits(32) if seed is None else seed
    name = printable(Path(path).name)
    words = interpreter.audio_classifier.question_words
    page = (output, name, prompt, original, takes, axis)
    written = write_comparison(*page, seed if blind else None, words)
    if json:
        record = {"page": str(written[0]), "key": str(written[1]) if blind else None}
        presence = {take.name: take.presence for take in takes}
        print(json_line(record if blind else {**record, "presence": presence}))
    else:
        print(*written, sep="\n")
    return 0


def _only_file(name: str) -> str:
    """Return the one sound file that ``name`` stands for."""
    path, *more = expand([name])
    if more:
        raise InputError(f"FILE must be one sound file, got {name} with {1 + len(more)} files")
    return path


def _takes(
    interpreter: "Interpreter", path: str, prompt: str | None, methods: list[str] | None
) -> tuple[str, tuple["Player", list["Take"], "Axis"]]:
    """Return the prompt, or the prediction, and the results of ``listening_test.takes``."""
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.evaluation.listening_test import default_methods, takes
    from speechbrain_lmac.inference.recording import needs_windowing
    from speechbrain_lmac.utils.device import wrap_memory_errors

    sound = AudioSource(path)
    if needs_windowing(interpreter, sound):
        raise InputError(f"{path} must be a short clip, got {sound.seconds:.0f} s. Cut it")
    with wrap_memory_errors(path):
        text = interpreter.predicted_prompts(sound)[0] if prompt is None else prompt
        (text,) = interpreter.audio_classifier.spell([text])
        wav = sound.read(interpreter.sample_rate)
        return text, takes(interpreter, wav, text, methods or default_methods(interpreter.model))
