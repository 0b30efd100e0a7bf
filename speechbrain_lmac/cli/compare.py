"""``speechbrain-lmac compare``: clips under nine explainers, with or without their names."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from speechbrain_lmac.cli.batch import json_line
from speechbrain_lmac.cli.files import expand
from speechbrain_lmac.cli.inputs import load_interpreter
from speechbrain_lmac.cli.options import Classifier, Device, Json, Masking, Revision, Source
from speechbrain_lmac.utils.errors import InputError, printable

if TYPE_CHECKING:
    from speechbrain_lmac.evaluation.listening_test import Comparison
    from speechbrain_lmac.inference.interpreter import Interpreter

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac compare street.wav --prompt "the sound of a siren"
  speechbrain-lmac compare street.wav --prompt siren --blind --output test1.html
  speechbrain-lmac compare clips/ --blind --output test2.html
  speechbrain-lmac ratings ratings*.csv --keys test1.key.json
"""


def run(
    files: Annotated[
        list[str], Argument(metavar="FILE", help="Sound files up to 15 s, folders or patterns.")
    ],
    prompt: Annotated[
        str | None,
        Option(
            "--prompt",
            "--class",
            metavar="TEXT",
            help="Prompt or class to explain. Default: the most probable class of each clip.",
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
    """Compare nine explainers on clips, on one HTML page.

    The page shows the smallest area of each explainer that suffices for the decision. With --blind
    it hides their names and asks for ratings; 'ratings' evaluates them.
    """
    paths = expand(files)
    if prompt is not None and not prompt.strip():
        raise InputError("--prompt must not be blank")
    import secrets

    from speechbrain_lmac.evaluation.comparison_page import check_new_key, write_comparison
    from speechbrain_lmac.reports.page import check_page

    check_page(output, paths)
    if blind:
        check_new_key(output)
    interpreter = load_interpreter(source, revision, device, classifier, masking=masking)
    clips = [_compare(interpreter, path, prompt, methods) for path in paths]
    seed = secrets.randbits(32) if seed is None else seed
    words = interpreter.audio_classifier.question_words
    written = write_comparison(output, clips, seed if blind else None, words)
    if json:
        record = {"page": str(written[0]), "key": str(written[1]) if blind else None}
        print(json_line(record if blind else {**record, "clips": _records(paths, clips)}))
    else:
        print(*written, sep="\n")
    return 0


def _records(paths: list[str], clips: list["Comparison"]) -> list[dict[str, Any]]:
    """Return the JSON object of each clip."""
    return [
        {
            "file": path,
            "prompt": clip.prompt,
            "presence": {take.name: take.presence for take in clip.takes},
            "sufficient_area": {take.name: take.sufficient_area for take in clip.takes},
        }
        for path, clip in zip(paths, clips)
    ]


def _compare(
    interpreter: "Interpreter", path: str, prompt: str | None, methods: list[str] | None
) -> "Comparison":
    """Return the comparison of a clip for the prompt, or for the prediction."""
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.evaluation.listening_test import compare, default_methods
    from speechbrain_lmac.inference.recording import needs_windowing
    from speechbrain_lmac.utils.device import wrap_memory_errors

    sound = AudioSource(path)
    if needs_windowing(interpreter, sound):
        raise InputError(f"{path} must be a short clip, got {sound.seconds:.0f} s. Cut it")
    with wrap_memory_errors(path):
        text = interpreter.predicted_prompts(sound)[0] if prompt is None else prompt
        (text,) = interpreter.audio_classifier.spell([text])
        wav = sound.read(interpreter.sample_rate)
        chosen = methods or default_methods(interpreter.model)
        return compare(interpreter, wav, printable(Path(path).name), text, chosen)
