"""Explanations of a sound of any length as a section of a page."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.inference.recording import needs_windowing
from speechbrain_lmac.reports.annotations import DEFAULT_RULE, RegionRule
from speechbrain_lmac.reports.areas import SHOWN_AREAS
from speechbrain_lmac.reports.clip import ClipSection, clip_section
from speechbrain_lmac.reports.recording import RecordingSection, recording_section


def explained_section(
    interpreter: Interpreter,
    sound: AudioSource,
    name: str,
    prompts: Sequence[str] | None,
    against: str | None = None,
    rule: RegionRule = DEFAULT_RULE,
    areas: tuple[float, ...] | None = SHOWN_AREAS,
    save_to: Path | None = None,
) -> ClipSection | RecordingSection:
    """Explain a sound and render its section: a short clip in full, a long recording by regions.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter that explains the sound.
    sound : AudioSource
        Sound to explain.
    name : str
        Heading of the section.
    prompts : list of str or None
        Prompts to explain. None for the prediction.
    against : str
        Text that each prompt is contrasted with. Default: none.
    rule : RegionRule
        Rule that makes the regions. Default: ``DEFAULT_RULE``.
    areas : tuple of float or None
        Areas of a short clip whose sounds are shown in addition to the smallest areas. None: no
        areas are shown. Default: ``SHOWN_AREAS``.
    save_to : Path
        Folder to which the sounds, the figure and the tables are written. Default: none.

    Returns
    -------
    ClipSection or RecordingSection
    """
    if not needs_windowing(interpreter, sound):
        interpretation = interpreter.interpret_file(sound, prompts, against)
        if save_to is not None:
            interpretation.save(save_to, areas=areas is not None, **rule._asdict())
        return clip_section(name, interpretation, areas, rule)
    with tempfile.TemporaryDirectory(prefix="speechbrain_lmac_") as temporary:
        folder, figure = save_to or temporary, save_to is not None
        timeline = interpreter.interpret_recording(
            sound, prompts, folder, against, figure=figure, **rule._asdict()
        )
        return recording_section(name, sound, timeline, interpreter.audio_classifier, rule)
