"""Explain a sound of any length, window by window."""

from dataclasses import replace

import torch
from torch.nn.functional import pad
from tqdm import tqdm

from speechbrain_lmac.audio.io import is_silent
from speechbrain_lmac.audio.overlap_add import OverlapAdd, segments
from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.audio.streaming_writer import StreamingWavWriter
from speechbrain_lmac.inference.outputs import explanation_files, names_of, writing_to
from speechbrain_lmac.inference.timeline import STEP_SECONDS, Timeline

WINDOW_SECONDS = 5.0
"""As long as the clips that interpreters learn from; half of it is the next window's, too."""
AT_ONCE_SECONDS = 15.0
"""Sounds of up to so many seconds are explained in one piece."""


def needs_windowing(interpreter, sound):
    """Whether a sound is explained window by window: what is beyond a few clips' length, and what
    the CLAP does not hear whole.
    """
    samples = round(sound.seconds * interpreter.sample_rate)
    return sound.seconds > AT_ONCE_SECONDS or not interpreter.fits_input_window(samples)


def explain_recording(interpreter, sound, prompts, against, folder, threshold):
    """Explain a sound window by window, and write the explanations as they come.

    Arguments
    ---------
    interpreter : Interpreter
        That explains each window.
    sound : AudioSource
        Of any length.
    prompts : list of str
        Each is explained.
    against : str or None
        As for ``Interpreter.interpret_file``.
    folder : Path
        Made if absent; gets a wav for each prompt, ``figure.png``, ``scores.json`` and the tables
        of :meth:`~speechbrain_lmac.inference.timeline.Timeline.save`.
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
    overlap_add = OverlapAdd(step)
    log = ActivityAccumulator(interpreter.model.classifier.domain, prompts, sound.seconds)
    files = explanation_files(folder, prompts)
    expected = max(1, round(sound.seconds * rate / step - 1))
    shown = tqdm(total=expected, unit="window", leave=False)
    with StreamingWavWriter(files, rate) as spool, shown as bar:
        for window in segments(sound.blocks(rate), step):
            mine = _nearest(window, step)
            if not is_silent(window.wav):
                why = interpreter.interpret(window.wav, prompts, against, look_again=False)
                kept = why.waveform * why.contrast_holds.unsqueeze(1)
                log.add(window.start, window.wav, why.mask, why.likely, mine)
            else:  # digital silence: there is nothing to ask about
                kept = torch.zeros(len(prompts), len(window.wav))
                log.add(window.start, window.wav, None, None, mine)
            spool.write(overlap_add(window, kept))
            bar.update()
            length = window.start + len(window.wav)
    return log.timeline(length, against, files, spool.gain, sound.path)


def _nearest(window, step):
    """Of a window's samples those that are nearer to its middle than to any other's."""
    begin = window.fresh + step // 2 if window.start else 0
    return slice(begin, None if window.last else step + step // 2)


EDGES = (0.05, 0.95)
"""Shares of the energy kept below the band of a step, and up to its upper edge."""
COLUMNS = 480
"""Of the picture of a sound, however long it is."""


class ActivityAccumulator:
    """What masks keep of a sound and where, added up as its windows are explained.

    Memory holds a few numbers a step, whatever the rate of the spectrogram.

    Arguments
    ---------
    domain : MaskingDomain
        That the masks live on.
    prompts : list of str
        Whose masks they are.
    seconds : float
        How long the sound is said to be: the picture is laid out by it.
    """

    def __init__(self, domain, prompts, seconds):
        self.domain, self.prompts, self.seconds = domain, prompts, seconds
        self.rate = domain.audio_classifier.sample_rate
        self.sums = torch.zeros(5, len(prompts), 1, dtype=torch.float64)
        bins = domain.audio_classifier.spectrogram.n_fft // 2 + 1
        self.picture = torch.zeros(COLUMNS, bins)
        self.drawn = torch.zeros(COLUMNS)

    def add(self, start, wav, mask, probability, mine=slice(None)):
        """Measure a window.

        Arguments
        ---------
        start : int
            Its first sample in the sound.
        wav : torch.Tensor
            ``[time]``.
        mask : torch.Tensor
            ``[prompts, frames, bins]``, or None where nothing is asked.
        probability : torch.Tensor
            ``[prompts]``, of each prompt in the window.
        mine : slice
            Of its samples: those that count here, and not in a window beside it.
        """
        spectrogram = self.domain.audio_classifier.spectrogram
        device = spectrogram.window.device
        heard = self.domain.audio_classifier.without_offset(wav)
        power = power_of(spectrogram(heard.unsqueeze(0).to(device)))[0].cpu()
        samples = torch.arange(len(power)) * spectrogram.hop_length
        first, end, _ = mine.indices(len(wav) + spectrogram.hop_length)
        counted = (samples >= first) & (samples < end)
        power, seconds = power[counted], (samples[counted] + start).double() / self.rate
        self._draw(power, seconds)
        if mask is None:
            return
        gains = self.domain.gains(mask.to(device)).cpu()[:, counted]
        hertz = torch.linspace(0, self.rate / 2, power.shape[1])
        encoded = power * self.domain.audio_classifier.encoded_bins.cpu()
        kept, whole, low, high = measure(gains, encoded, hertz).unbind(dim=1)
        present = probability.unsqueeze(1) * whole
        rows = torch.stack([kept, whole, kept * low, kept * high, present])
        places = (seconds / STEP_SECONDS + 1e-6).long()
        self.sums = pad(self.sums, (0, max(0, int(places.max()) + 1 - self.sums.shape[2])))
        self.sums.index_add_(2, places, rows.double())

    def _draw(self, power, seconds):
        columns = (seconds / self.seconds * COLUMNS).long().clamp(max=COLUMNS - 1)
        self.picture.index_add_(0, columns, power)
        self.drawn.index_add_(0, columns, torch.ones(len(columns)))

    def timeline(self, samples, against=None, files=(), gain=1.0, file=None):
        """What was measured of so many samples: Timeline."""
        steps = -(-samples // round(STEP_SECONDS * self.rate))
        sums = pad(self.sums, (0, max(0, steps - self.sums.shape[2])))
        sums[..., steps - 1] += sums[..., steps:].sum(dim=-1)  # of a frame at the very end
        kept, whole, low, high, present = sums[..., :steps]
        tiny = torch.finfo(torch.float32).tiny
        held = self.drawn > 0
        return Timeline(
            prompts=tuple(self.prompts),
            probability=(present / whole.clamp(min=tiny)).float(),
            kept=(kept / whole.clamp(min=tiny)).float(),
            bands=(torch.stack([low, high], dim=1) / kept.clamp(min=tiny).unsqueeze(1)).float(),
            duration=samples / self.rate,
            picture=self.picture[held] / self.drawn[held].unsqueeze(1),
            sample_rate=self.rate,
            against=against,
            files=tuple(files),
            gain=gain,
            file=file,
        )


def measure(masks, power, hertz):
    """What masks keep of each frame, and in which band.

    Arguments
    ---------
    masks : torch.Tensor
        ``[prompts, frames, bins]`` in [0, 1].
    power : torch.Tensor
        ``[frames, bins]``.
    hertz : torch.Tensor
        ``[bins]``: frequency of each.

    Returns
    -------
    torch.Tensor
        ``[prompts, 4, frames]``: energy kept, energy of the frame, and the lowest and the highest
        frequency of what is kept, in Hz.

    Example
    -------
    >>> mask = torch.tensor([[[0.0, 1.0, 0.5, 0.0]]])
    >>> measure(mask, torch.ones(1, 4), torch.tensor([100.0, 200.0, 300.0, 400.0])).flatten()
    tensor([  1.2500,   4.0000, 200.0000, 300.0000])
    """
    kept = masks.square() * power
    energy = kept.sum(dim=-1)
    below = kept.cumsum(dim=-1) / energy.clamp(min=torch.finfo(kept.dtype).tiny).unsqueeze(-1)
    edges = [hertz[(below < share).sum(dim=-1).clamp(max=len(hertz) - 1)] for share in EDGES]
    whole = power.sum(dim=-1).expand_as(energy)
    return torch.stack([energy, whole, *edges], dim=1)
