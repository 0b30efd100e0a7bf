"""Explain a sound of any length, window by window."""

from dataclasses import replace

import torch
from tqdm import tqdm

from speechbrain_lmac.audio import is_silent
from speechbrain_lmac.evidence import EvidenceLog
from speechbrain_lmac.outputs import explanation_files, names_of, writing_to
from speechbrain_lmac.overlap import Joiner, windows
from speechbrain_lmac.spool import Spool

WINDOW_SECONDS = 5.0
"""As long as the clips that interpreters learn from; half of it is the next window's, too."""
AT_ONCE_SECONDS = 15.0
"""Sounds of up to so many seconds are explained in one piece."""


def is_long(interpreter, sound):
    """Whether a sound is explained window by window: what is beyond a few clips' length, and what
    the CLAP does not hear whole.
    """
    samples = round(sound.seconds * interpreter.sample_rate)
    return sound.seconds > AT_ONCE_SECONDS or not interpreter.hears_whole(samples)


def survey(interpreter, sound, prompts, against, folder, threshold):
    """Explain a sound window by window, and write the explanations as they come.

    Arguments
    ---------
    interpreter : Interpreter
        That explains each window.
    sound : Sound
        Of any length.
    prompts : list of str
        Each is explained.
    against : str or None
        As for ``Interpreter.interpret_file``.
    folder : Path
        Made if absent; gets a wav for each prompt, ``figure.png``, ``scores.json`` and the tables
        of :meth:`~speechbrain_lmac.timeline.Timeline.save`.
    threshold : float
        Evidence that makes a region.

    Returns
    -------
    Timeline

    Raises
    ------
    InputError
        As of ``Interpretation.save``, before any window is explained.
    """
    names = names_of(prompts, in_one_piece=False)
    with writing_to(folder, names, [sound.path], sound.path, kept=()) as stage:
        timeline = _survey(interpreter, sound, prompts, against, stage)
        timeline.write(stage, threshold)
    return replace(timeline, files=tuple(explanation_files(folder, prompts)))


def _survey(interpreter, sound, prompts, against, folder):
    """Write the explanations in a folder that holds nothing else: Timeline."""
    rate = interpreter.sample_rate
    step = round(WINDOW_SECONDS / 2 * rate)
    joiner = Joiner(step)
    log = EvidenceLog(interpreter.model.classifier.plane, prompts, sound.seconds)
    files = explanation_files(folder, prompts)
    expected = max(1, round(sound.seconds * rate / step - 1))
    shown = tqdm(total=expected, unit="window", leave=False)
    with Spool(files, rate) as spool, shown as bar:
        for window in windows(sound.blocks(rate), step):
            mine = _nearest(window, step)
            if not is_silent(window.wav):
                why = interpreter.interpret(window.wav, prompts, against, look_again=False)
                kept = why.waveform * why.contrast_holds.unsqueeze(1)
                log.add(window.start, window.wav, why.mask, why.likely, mine)
            else:  # digital silence: there is nothing to ask about
                kept = torch.zeros(len(prompts), len(window.wav))
                log.add(window.start, window.wav, None, None, mine)
            spool.write(joiner(window, kept))
            bar.update()
            length = window.start + len(window.wav)
    return log.timeline(length, against, files, spool.gain, sound.path)


def _nearest(window, step):
    """Of a window's samples those that are nearer to its middle than to any other's."""
    begin = window.fresh + step // 2 if window.start else 0
    return slice(begin, None if window.last else step + step // 2)
