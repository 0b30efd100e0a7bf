"""Explanation of a recording of any length, in overlapping windows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from speechbrain_lmac.audio.io import is_silent
from speechbrain_lmac.audio.overlap_add import OverlapAdd, Segment, segments
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.audio.streaming_writer import StreamingWriter
from speechbrain_lmac.inference.activity import ActivityAccumulator
from speechbrain_lmac.inference.outputs import output_names, writing_to
from speechbrain_lmac.inference.region_clips import write_region_clips
from speechbrain_lmac.inference.saving import write_timeline
from speechbrain_lmac.inference.sound_names import (
    EXPLANATION,
    EXPLANATION_OF_REGIONS,
    explanation_files,
)
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.reports.annotations import RegionRule
from speechbrain_lmac.reports.recording import MARGIN_SECONDS

WINDOW_SECONDS = 5.0
"""Length of a window, as of the clips that interpreters are trained on. Windows overlap by half."""
MAX_CLIP_SECONDS = 15.0
"""Length up to which a sound is explained in one piece."""


def needs_windowing(interpreter: Any, sound: AudioSource) -> bool:
    """Return True if a sound must be explained in windows.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter that explains the sound.
    sound : AudioSource
        Sound to explain.

    Returns
    -------
    bool
        True if the sound is longer than ``MAX_CLIP_SECONDS`` or than the encoder input.
    """
    samples = round(sound.seconds * interpreter.sample_rate)
    return sound.seconds > MAX_CLIP_SECONDS or not interpreter.fits_input_window(samples)


def explain_recording(
    interpreter: Any,
    sound: AudioSource,
    prompts: Sequence[str],
    against: str | None,
    folder: Path,
    rule: RegionRule,
    figure: bool = True,
    stems: bool = False,
    clips: bool = False,
) -> Timeline:
    """Explain a recording window by window and write the explanations.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter that explains each window.
    sound : AudioSource
        Recording of any length.
    prompts : list of str
        Prompts to explain.
    against : str or None
        Text that each prompt is contrasted with.
    folder : Path
        Output folder, created if it does not exist. Gets the files of
        :func:`~speechbrain_lmac.inference.outputs.output_names`.
    rule : RegionRule
        Rule that makes the regions.
    figure : bool
        Whether to draw ``figure.png``. Default: True.
    stems : bool
        Whether the masked-in sounds are complete WAV files. Default: they are FLAC files that are
        silent outside the regions.
    clips : bool
        Whether each region is written as a FLAC clip of the original recording, with a margin of
        0.5 s. Default: False.

    Returns
    -------
    Timeline

    Raises
    ------
    InputError
        As for ``Interpretation.save``, before any window is explained.
    """
    names = output_names(prompts, sound.path, windowed=True, stems=stems)
    end = EXPLANATION if stems else EXPLANATION_OF_REGIONS
    with writing_to(folder, names, [sound.path], sound.path, (), prompts) as stage:
        files = explanation_files(stage, prompts, end)
        audible = None if stems else rule
        timeline = _explain_windows(interpreter, sound, prompts, against, files, audible)
        if clips:
            write_region_clips(sound, timeline.regions(*rule), prompts, stage)
        write_timeline(timeline, stage, rule, figure)
    return replace(timeline, files=tuple(explanation_files(folder, prompts, end)))


def _explain_windows(
    interpreter: Any,
    sound: AudioSource,
    prompts: Sequence[str],
    against: str | None,
    files: Sequence[Path],
    audible: RegionRule | None,
) -> Timeline:
    """Write the explanations of a recording and return the timeline.

    They are silent outside the regions of the rule ``audible``, and complete without a rule.
    """
    rate = interpreter.sample_rate
    hop = round(WINDOW_SECONDS / 2 * rate)
    overlap_add = OverlapAdd(hop)
    activity = ActivityAccumulator(interpreter.model.classifier.domain, prompts, sound.seconds)
    expected = max(1, round(sound.seconds * rate / hop - 1))
    progress = tqdm(total=expected, unit="window", leave=False)
    with StreamingWriter(files, rate) as writer, progress as bar:
        for window in segments(sound.blocks(rate), hop):
            counted = own_samples(window, hop)
            if is_silent(window.wav):  # digital silence is not encoded
                explanation = torch.zeros(len(prompts), len(window.wav))
                activity.add(window.start, window.wav, None, None, counted)
            else:
                result = interpreter.interpret(window.wav, prompts, against, recheck_absent=False)
                explanation = result.waveform * result.contrast_holds.unsqueeze(1)
                probability = result.detection_probability
                activity.add(window.start, window.wav, result.mask, probability, counted)
            writer.write(overlap_add(window, explanation))
            bar.update()
            length = window.start + len(window.wav)
        timeline = activity.timeline(length, against, files, file=sound.path)
        if audible is not None:
            writer.audible = audible_spans(timeline, audible)
    taken_for = interpreter.audio_classifier.unfamiliar(prompts)
    explainer = interpreter.explainer_name
    return replace(timeline, gain=writer.gain, explainer=explainer, taken_for=taken_for)


def audible_spans(timeline: Timeline, rule: RegionRule) -> list[list[tuple[float, float]]]:
    """Return the spans of each prompt's regions, in seconds, with a margin before and after."""
    spans: dict[str, list[tuple[float, float]]] = {prompt: [] for prompt in timeline.prompts}
    for region in timeline.regions(*rule):
        start = max(0.0, region.start - MARGIN_SECONDS)
        spans[region.prompt].append((start, region.stop + MARGIN_SECONDS))
    return list(spans.values())


def own_samples(window: Segment, hop: int) -> slice:
    """Return the samples of a window that are nearer to its center than to any other's."""
    start = window.num_settled + hop // 2 if window.start else 0
    return slice(start, None if window.is_last else hop + hop // 2)
