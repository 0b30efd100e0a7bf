"""Explanation of one file for ``speechbrain-lmac explain``, as JSON and as text."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_lmac.cli.batch import Result
from speechbrain_lmac.cli.explain_tables import AREA_FIELDS
from speechbrain_lmac.cli.explain_text import Record, describe_clip, describe_recording, lines
from speechbrain_lmac.cli.inputs import chosen_prompts

if TYPE_CHECKING:
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.inference.interpreter import Interpreter
    from speechbrain_lmac.reports.annotations import RegionRule

REPORTED = (
    "prompt",
    *("probability", "probability_masked_in", "probability_masked_out"),
    *("presence", "presence_masked_in", "presence_masked_out"),
    *("similarity", "mask_mean"),
    *("absent", "explained", *AREA_FIELDS, "activity", "regions"),
)
"""Fields of a prompt's JSON object, null if not measured. All fields are in scores.json."""
FULL_BAND_RATE = 48000
"""Highest sample rate, in Hz, of recordings that cover only what people can hear."""


class Settings(NamedTuple):
    """Options of an explanation."""

    against: str | None
    rule: "RegionRule"
    every: bool
    areas: bool
    explain_above: float | None
    stems: bool = False
    """Whether the masked-in sounds of long recordings are complete."""
    figure: bool = True
    """Whether a figure is drawn."""
    clips: bool = False
    """Whether each region is written as a clip of the original recording."""


def explain(
    interpreter: "Interpreter",
    file: str,
    prompts: list[str] | None,
    folder: Path,
    settings: Settings,
) -> Result:
    """Explain one file and write the explanation to a folder.

    Without prompts, the prediction is explained, or every probable class. Recordings that are
    processed in windows have no smallest areas, and all their prompts are explained.

    Returns
    -------
    dict, iterable of str
        JSON record and lines to print.
    """
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.inference.recording import needs_windowing

    sound = AudioSource(file)
    prompts = chosen_prompts(interpreter, sound, prompts, settings.every)
    windowed = needs_windowing(interpreter, sound)
    work = _explain_recording if windowed else _explain_clip
    rows, against, warnings = work(interpreter, sound, prompts, folder, settings)
    record = {
        **{"file": str(file), "folder": str(folder), "seconds": sound.seconds},
        "against": against,
        "prompts": rows,
        "skipped": False,
        "warnings": [*_bandwidth_warning(sound, interpreter), *warnings],
    }
    describe = describe_recording if windowed else partial(describe_clip, areas=settings.areas)
    return record, lines(record, describe, interpreter.audio_classifier.question_words)


def _explain_clip(
    interpreter: "Interpreter",
    sound: "AudioSource",
    prompts: list[str] | None,
    folder: Path,
    settings: Settings,
) -> tuple[list[Record], str | None, list[str]]:
    """Explain a clip; return the rows of its prompts, the spelled ``against`` and warnings."""
    above = settings.explain_above
    if above is None:  # predicted classes are explained whatever their presence
        above = 0.0 if settings.every else interpreter.audio_classifier.min_presence
    clip = interpreter.interpret_file(sound, prompts, settings.against, explain_above=above)
    options = {"areas": settings.areas, **settings.rule._asdict()}
    written = iter(clip.save(folder, figure=settings.figure, clips=settings.clips, **options))
    rows = [
        reported(row, next(written) if row["explained"] else None) for row in clip.rows(**options)
    ]
    return rows, clip.against, clip.warnings


def _explain_recording(
    interpreter: "Interpreter",
    sound: "AudioSource",
    prompts: list[str] | None,
    folder: Path,
    settings: Settings,
) -> tuple[list[Record], str | None, list[str]]:
    """Explain a recording in windows; the results are those of :func:`_explain_clip`."""
    timeline = interpreter.interpret_recording(
        sound,
        prompts,
        folder,
        settings.against,
        figure=settings.figure,
        stems=settings.stems,
        clips=settings.clips,
        **settings.rule._asdict(),
    )
    rows = map(reported, timeline.rows(*settings.rule), timeline.files)
    return list(rows), timeline.against, timeline.warnings


def reported(row: Record, path: Path | None) -> Record:
    """Return the JSON object of a prompt, from its entry in ``scores.json``.

    Arguments
    ---------
    row : dict
        Entry in ``scores.json``.
    path : Path or None
        Path of the masked-in sound. None for a prompt that is not explained.

    Returns
    -------
    dict
    """
    row = {"explained": True, **row}
    values = {name: row.get(name) for name in REPORTED}
    return {**values, "explanation": None if path is None else str(path)}


def _bandwidth_warning(sound: "AudioSource", interpreter: "Interpreter") -> Iterator[str]:
    """Yield a warning if the recording has content above the classifier's bandwidth."""
    if sound.rate > FULL_BAND_RATE > interpreter.sample_rate:
        yield (
            f"the classifier uses frequencies up to {interpreter.sample_rate / 2000:g} kHz; "
            f"this file has frequencies up to {sound.rate / 2000:g} kHz"
        )
