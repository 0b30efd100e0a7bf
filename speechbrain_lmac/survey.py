"""Explain a sound of any length, window by window."""

import torch
from tqdm import tqdm

from speechbrain_lmac.interpretation import explanation_files, make_folder
from speechbrain_lmac.overlap import Joiner, windows
from speechbrain_lmac.spectrogram import power_of
from speechbrain_lmac.spool import Spool
from speechbrain_lmac.timeline import ABSENT, STEP_SECONDS, Timeline, measure

WINDOW_SECONDS = 5.0
"""As long as the clips that interpreters learn from; half of it is the next window's, too."""


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
        Made if absent; gets a wav for each prompt, ``evidence.csv``, ``regions.csv`` and
        ``regions.selections.txt``.
    threshold : float
        Evidence that makes a region.

    Returns
    -------
    Timeline
    """
    rate = interpreter.sample_rate
    step = round(WINDOW_SECONDS / 2 * rate)
    joiner, log = Joiner(step), _Log(interpreter.model.classifier.plane, step)
    make_folder(folder)
    files = explanation_files(folder, prompts)
    expected = max(1, round(sound.seconds * rate / step - 1))
    with Spool(files, rate) as spool, tqdm(total=expected, unit="window", leave=False) as bar:
        for window in windows(sound.blocks(rate), step):
            if window.wav.any():
                why = interpreter.interpret(window.wav, prompts, against)
                kept = why.waveform * heard(why).unsqueeze(1)
                log.add(window, why)
            else:  # digital silence: there is nothing to ask about
                kept = torch.zeros(len(prompts), len(window.wav))
            spool.write(joiner(window, kept))
            bar.update()
            length = window.start + len(window.wav)
    timeline = log.timeline(prompts, length, files)
    timeline.save(folder, threshold)
    return timeline


def heard(why):
    """Gain of each prompt's explanation in a window, ``[prompts]``: less than 1 where the prompt is
    called absent, in proportion. Masks alone keep something of any sound, and over hours that
    would be what one hears most.
    """
    if why.against is not None:
        return torch.ones(len(why.prompts))
    return (why.presence / ABSENT).clamp(max=1)


class _Log:
    """What is measured of each window, by steps of the whole sound.

    A frame counts in the window that has it nearest to its middle.
    """

    def __init__(self, plane, step):
        self.plane, self.step = plane, step
        self.rate = plane.clap.sample_rate
        self.rows, self.places = [], []

    def add(self, window, why):
        spectrogram = self.plane.clap.spectrogram
        device = spectrogram.window.device
        power = power_of(spectrogram(window.wav.unsqueeze(0).to(device)))[0].cpu()
        gains = self.plane.gains(why.mask.to(device)).cpu()
        hertz = torch.linspace(0, self.rate / 2, power.shape[1])
        frames = torch.arange(len(power)) * spectrogram.hop_length + window.start
        begin = window.start + window.fresh + self.step // 2 if window.start else 0
        end = torch.inf if window.last else window.start + self.step + self.step // 2
        mine = (frames >= begin) & (frames < end)
        found = measure(gains[:, mine], power[mine], hertz)
        kept, whole, low, high = found.unbind(dim=1)
        likely = why.presence if why.against is None else why.probabilities
        present = likely.unsqueeze(1) * whole
        self.rows.append(torch.stack([kept, whole, kept * low, kept * high, present]))
        self.places.append((frames[mine] / (STEP_SECONDS * self.rate)).long())

    def timeline(self, prompts, length, files):
        steps = max(1, -(-length // round(STEP_SECONDS * self.rate)))
        sums = torch.zeros(5, len(prompts), steps, dtype=torch.float64)
        for rows, places in zip(self.rows, self.places):
            sums.index_add_(2, places.clamp(max=steps - 1), rows.double())
        kept, whole, low, high, present = sums
        tiny = torch.finfo(torch.float32).tiny
        return Timeline(
            prompts=tuple(prompts),
            probability=(present / whole.clamp(min=tiny)).float(),
            kept=(kept / whole.clamp(min=tiny)).float(),
            bands=(torch.stack([low, high], dim=1) / kept.clamp(min=tiny).unsqueeze(1)).float(),
            files=tuple(files),
        )
