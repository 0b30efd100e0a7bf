"""Activity of prompts over time, accumulated window by window."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import pad

from speechbrain_lmac.inference.timeline import STEP_SECONDS, Timeline
from speechbrain_lmac.masking.domains import MaskingDomain

BAND_EDGES = (0.05, 0.95)
"""Fractions of the masked-in energy below the lower and the upper edge of a step's band."""
COLUMNS = 480
"""Columns of the spectrogram of a recording, however long it is."""


class ActivityAccumulator:
    """Accumulates masked-in energy, bands and probabilities of a recording's windows.

    Memory holds a few numbers per step, whatever the frame rate of the spectrogram.

    Arguments
    ---------
    domain : MaskingDomain
        Masking domain, with its classifier.
    prompts : sequence of str
        Prompts of the masks.
    seconds : float
        Announced duration of the recording, which the spectrogram's columns divide.
    """

    def __init__(self, domain: MaskingDomain, prompts: Sequence[str], seconds: float):
        self.domain, self.prompts, self.seconds = domain, tuple(prompts), seconds
        self.audio_classifier = domain.audio_classifier
        self.rate = self.audio_classifier.sample_rate
        self.sums = torch.zeros(5, len(prompts), 1, dtype=torch.float64)
        bins = self.audio_classifier.spectrogram.n_fft // 2 + 1
        self.columns = torch.zeros(COLUMNS, bins)
        self.column_frames = torch.zeros(COLUMNS)

    def add(
        self,
        start: int,
        wav: torch.Tensor,
        mask: torch.Tensor | None,
        probability: torch.Tensor | None,
        counted: slice = slice(None),
        power: torch.Tensor | None = None,
    ) -> None:
        """Add a window.

        Arguments
        ---------
        start : int
            First sample of the window in the recording.
        wav : torch.Tensor
            Samples, ``[time]``.
        mask : torch.Tensor or None
            Masks, ``[prompts, frames, bins]``; None for digital silence.
        probability : torch.Tensor or None
            Probability of each prompt in the window, ``[prompts]``; None for digital silence.
        counted : slice
            Samples of the window that count here and not in a neighboring window. Default: all.
        power : torch.Tensor
            Power of the samples without offset, ``[frames, bins]``. Default: it is computed.
        """
        hop, device = self.audio_classifier.spectrogram.hop_length, self.audio_classifier.device
        if power is None:
            filtered = self.audio_classifier.without_offset(wav)
            power = self.audio_classifier.filtered_power(filtered.unsqueeze(0))[0].cpu()
        samples = torch.arange(len(power)) * hop
        first, end, _ = counted.indices(len(wav) + hop)
        in_window = (samples >= first) & (samples < end)
        power, seconds = power[in_window], (samples[in_window] + start).double() / self.rate
        self._add_columns(power, seconds)
        if mask is None or probability is None:
            return
        gains = self.domain.gains(mask.to(device)).cpu()[:, in_window]
        hertz = torch.linspace(0, self.rate / 2, power.shape[1])
        encoded = power * self.audio_classifier.encoded_bins.cpu()
        self._add_steps(seconds, measure(gains, encoded, hertz), probability)

    def add_energies(self, samples: int, energies: torch.Tensor, probability: torch.Tensor) -> None:
        """Add a clip as the only window, by the energies of its masks.

        Arguments
        ---------
        samples : int
            Length of the clip, in samples.
        energies : torch.Tensor
            Results of :func:`measure`, ``[prompts, 4, frames]``.
        probability : torch.Tensor
            Probability of each prompt, ``[prompts]``.
        """
        hop = self.audio_classifier.spectrogram.hop_length
        frames = min(energies.shape[-1], -(-samples // hop) + 1)
        seconds = torch.arange(frames).double() * hop / self.rate
        self._add_steps(seconds, energies[..., :frames], probability)

    def _add_steps(
        self, seconds: torch.Tensor, energies: torch.Tensor, probability: torch.Tensor
    ) -> None:
        masked_in, total, low, high = energies.unbind(dim=1)
        weighted = probability.unsqueeze(1) * total
        rows = torch.stack([masked_in, total, masked_in * low, masked_in * high, weighted])
        steps = (seconds / STEP_SECONDS + 1e-6).long()
        self.sums = pad(self.sums, (0, max(0, int(steps.max()) + 1 - self.sums.shape[2])))
        self.sums.index_add_(2, steps, rows.double())

    def _add_columns(self, power: torch.Tensor, seconds: torch.Tensor) -> None:
        index = (seconds / self.seconds * COLUMNS).long().clamp(max=COLUMNS - 1)
        self.columns.index_add_(0, index, power)
        self.column_frames.index_add_(0, index, torch.ones(len(index)))

    def timeline(
        self,
        samples: int,
        against: str | None = None,
        files: Sequence[Path] = (),
        gain: float = 1.0,
        file: str | None = None,
    ) -> Timeline:
        """Return the activity in a recording.

        Arguments
        ---------
        samples : int
            Length of the recording, in samples.
        against, files, gain, file
            As for :class:`~speechbrain_lmac.inference.timeline.Timeline`.

        Returns
        -------
        Timeline
        """
        steps = -(-samples // round(STEP_SECONDS * self.rate))
        sums = pad(self.sums, (0, max(0, steps - self.sums.shape[2])))
        sums[..., steps - 1] += sums[..., steps:].sum(dim=-1)  # a frame at the very end
        masked_in, total, low, high, weighted = sums[..., :steps]
        tiny = torch.finfo(torch.float32).tiny
        masked_in_energy = masked_in.clamp(min=tiny).unsqueeze(1)
        filled = self.column_frames > 0
        return Timeline(
            prompts=self.prompts,
            probability=(weighted / total.clamp(min=tiny)).float(),
            masked_in_fraction=(masked_in / total.clamp(min=tiny)).float(),
            bands=(torch.stack([low, high], dim=1) / masked_in_energy).float(),
            duration=samples / self.rate,
            spectrogram=self.columns[filled] / self.column_frames[filled].unsqueeze(1),
            sample_rate=self.rate,
            against=against,
            files=tuple(files),
            gain=gain,
            file=file,
            min_presence=self.domain.audio_classifier.min_presence,
        )


def measure(masks: torch.Tensor, power: torch.Tensor, hertz: torch.Tensor) -> torch.Tensor:
    """Measure the masked-in energy and its band in each frame.

    Arguments
    ---------
    masks : torch.Tensor
        Masks in [0, 1], ``[..., frames, bins]``.
    power : torch.Tensor
        Power, ``[frames, bins]``, or with the leading dimensions of ``masks``.
    hertz : torch.Tensor
        Frequency of each bin in Hz, ``[bins]``.

    Returns
    -------
    torch.Tensor
        Masked-in energy, energy of the frame, and lowest and highest masked-in frequency in Hz,
        ``[..., 4, frames]``.

    Example
    -------
    >>> mask = torch.tensor([[[0.0, 1.0, 0.5, 0.0]]])
    >>> measure(mask, torch.ones(1, 4), torch.tensor([100.0, 200.0, 300.0, 400.0])).flatten()
    tensor([  1.2500,   4.0000, 200.0000, 300.0000])
    """
    masked_in = masks.square() * power
    energy = masked_in.sum(dim=-1)
    tiny = torch.finfo(masked_in.dtype).tiny
    below = masked_in.cumsum(dim=-1) / energy.clamp(min=tiny).unsqueeze(-1)
    edges = [
        hertz[(below < fraction).sum(dim=-1).clamp(max=len(hertz) - 1)] for fraction in BAND_EDGES
    ]
    total = power.sum(dim=-1).expand_as(energy)
    return torch.stack([energy, total, *edges], dim=-2)
