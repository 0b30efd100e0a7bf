"""Synthetic sound events for the demo, the doctests and the tests.

Each function ``(rng, time) -> samples`` has the name of its ESC-50 class; ``time`` holds the times
of the samples in seconds. The sounds are recognizable, not realistic. They exercise the same code
as recordings and do not replace them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.random import Generator as Rng
from scipy.signal import butter, lfilter, sosfilt
from torch import Tensor

SAMPLE_RATE = 32000
LOUDNESS = 0.1
"""Root mean square of an event."""

Seed = int | Sequence[Any]
"""Seed of a sound: an integer or a nested sequence of integers."""
Samples = np.ndarray
"""Samples ``[time]``, float64."""


def _noise(rng: Rng, time: Samples, low: float, high: float) -> Samples:
    """White noise between two frequencies, in Hz."""
    sos = butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
    return sosfilt(sos, rng.standard_normal(time.size))


def _wander(rng: Rng, time: Samples, rate: float) -> Samples:
    """Smooth random curve in [0, 1] with about ``rate`` turns per second."""
    knots = rng.random(int(time[-1] * rate) + 3)
    return np.interp(time * rate, np.arange(knots.size), knots)


def _phase(frequency: Samples) -> Samples:
    """Phase, in radians, of a tone of varying frequency in Hz."""
    return 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE


def _strikes(time: Samples, onsets: Samples, decay: float) -> Samples:
    """Sum of envelopes that jump to 1 at each onset and decay, both in seconds."""
    envelope = np.zeros_like(time)
    for onset in onsets:
        since = time - onset
        envelope += np.where(since >= 0, np.exp(-np.maximum(since, 0) / decay), 0)
    return envelope


def _beat(rng: Rng, time: Samples, period: float, jitter: float) -> Samples:
    """Onsets about ``period`` seconds apart; the first is in the first half of the clip."""
    onsets = np.arange(rng.uniform(0, min(period, time[-1] / 2)), time[-1], period)
    return onsets + rng.normal(0, jitter * period, onsets.size)


def siren(rng: Rng, time: Samples) -> Samples:
    rate = rng.choice([rng.uniform(0.2, 0.5), rng.uniform(2.0, 4.0)])
    sweep = 0.5 - 0.5 * np.cos(2 * np.pi * rate * time + rng.uniform(0, 6.3))
    phase = _phase(rng.uniform(500, 700) + rng.uniform(600, 900) * sweep)
    return np.tanh(2 * np.sin(phase)) + 0.3 * np.sin(2 * phase)


def church_bells(rng: Rng, time: Samples) -> Samples:
    partials = np.array([0.5, 1, 1.19, 1.5, 2, 2.51, 2.66, 3.01, 4.1])
    strike = rng.uniform(250, 600)
    onsets = _beat(rng, time, rng.uniform(0.8, 1.6), 0.01)
    tones = [
        _strikes(time, onsets, 1.2 / ratio) * np.sin(2 * np.pi * strike * ratio * time) / (i + 1)
        for i, ratio in enumerate(partials * rng.uniform(0.997, 1.003, partials.size))
    ]
    return np.sum(tones, axis=0)


def engine(rng: Rng, time: Samples) -> Samples:
    firing = rng.uniform(25, 70) * (1 + 0.08 * _wander(rng, time, 1.5))
    pulses = np.maximum(np.sin(_phase(firing)), 0) ** 6
    cylinders = 1 + 0.4 * np.sin(_phase(firing / 4))
    rumble = lfilter(
        [1], [1, -0.95], pulses * cylinders * (1 + 0.3 * rng.standard_normal(time.size))
    )
    return rumble - rumble.mean() + 0.15 * pulses * _noise(rng, time, 400, 2500)


def rain(rng: Rng, time: Samples) -> Samples:
    drops = rng.random(time.size) < rng.uniform(100, 500) / SAMPLE_RATE
    patter = lfilter([1], [1, -1.2, 0.75], drops * rng.exponential(1.0, time.size))
    wash = _noise(rng, time, 800, 12000) * (0.8 + 0.4 * _wander(rng, time, 1.0))
    return wash + rng.uniform(0.3, 1.0) * patter


def footsteps(rng: Rng, time: Samples) -> Samples:
    onsets = _beat(rng, time, rng.uniform(0.42, 0.65), 0.04)
    thud = _strikes(time, onsets, 0.03) * _noise(rng, time, 60, 350)
    scrape = _strikes(time, onsets + 0.04, 0.025) * _noise(rng, time, 1200, 5000)
    return 3 * thud + rng.uniform(0.2, 0.6) * scrape


def clock_tick(rng: Rng, time: Samples) -> Samples:
    period = rng.choice([0.25, 0.5, 1.0]) * rng.uniform(0.95, 1.05)
    onsets = _beat(rng, time, period, 0.002)
    case = rng.uniform(2200, 4500)
    tick = _strikes(time, onsets[::2], 0.004) * np.sin(2 * np.pi * case * time)
    tock = _strikes(time, onsets[1::2], 0.005) * np.sin(2 * np.pi * 0.8 * case * time)
    return tick + tock + 0.002 * rng.standard_normal(time.size)


def chirping_birds(rng: Rng, time: Samples) -> Samples:
    wave = np.zeros_like(time)
    for start in _beat(rng, time, rng.uniform(0.5, 1.0), 0.2):
        base, step, syllable = (
            rng.uniform(2500, 6000),
            rng.uniform(0.07, 0.14),
            rng.uniform(0.04, 0.06),
        )
        for onset in start + step * np.arange(rng.integers(2, 6)):
            progress = (time - onset) / syllable
            inside = (progress >= 0) & (progress < 1)
            sweep = base * (1 + rng.uniform(-0.3, 0.3) * np.clip(progress, 0, 1))
            wave += inside * np.sin(np.pi * np.clip(progress, 0, 1)) * np.sin(_phase(sweep))
    return wave + 0.002 * rng.standard_normal(time.size)


def clock_alarm(rng: Rng, time: Samples) -> Samples:
    pitch, beep = rng.uniform(1800, 3200), rng.uniform(0.06, 0.1)
    cycle = (time + rng.uniform(0, 0.2)) % rng.choice([0.6, 1.0])
    on = (cycle < 8 * beep) & (cycle % (2 * beep) < beep)
    return on * np.sign(np.sin(2 * np.pi * pitch * time)) * (1 - 0.3 * (cycle % beep) / beep)


def car_horn(rng: Rng, time: Samples) -> Samples:
    low = rng.uniform(330, 440)
    harmonics = np.arange(1, 15)[:, None]
    chord = sum(
        (np.sin(2 * np.pi * pitch * harmonics * time) / harmonics**0.7).sum(axis=0)
        for pitch in (low, low * rng.uniform(1.18, 1.27))
    )
    onsets = _beat(rng, time, rng.uniform(0.9, 2.0), 0.1)
    honk = rng.uniform(0.25, 0.7)
    pressed = sum((time >= onset) & (time < onset + honk) for onset in onsets) > 0
    return chord * lfilter([0.01], [1, -0.99], pressed.astype(float))


def wind(rng: Rng, time: Samples) -> Samples:
    gusts = [_wander(rng, time, rng.uniform(0.4, 1.0)) ** 2 for _ in range(3)]
    bands = [(80, 300), (250, 600), (500, 1100)]
    howl = sum(gust * _noise(rng, time, *band) for gust, band in zip(gusts, bands))
    return howl + 0.02 * _noise(rng, time, 50, 4000)


KINDS: dict[str, tuple[int, Callable[[Rng, Samples], Samples]]] = {
    "rain": (10, rain),
    "chirping_birds": (14, chirping_birds),
    "wind": (16, wind),
    "footsteps": (25, footsteps),
    "clock_alarm": (37, clock_alarm),
    "clock_tick": (38, clock_tick),
    "siren": (42, siren),
    "car_horn": (43, car_horn),
    "engine": (44, engine),
    "church_bells": (46, church_bells),
}
"""ESC-50 class name -> (ESC-50 target, synthesizer)."""


def synthesize(kind: str, seed: Seed, seconds: float = 5.0) -> Tensor:
    """Synthesize one sound event.

    Arguments
    ---------
    kind : str
        Key of ``KINDS``.
    seed : int or sequence of int
        Seed; the same seed gives the same sound.
    seconds : float
        Duration, in seconds. Default: 5.

    Returns
    -------
    torch.Tensor
        Waveform ``[time]`` at ``SAMPLE_RATE``. Its root mean square is ``LOUDNESS``, unless its
        peak would exceed 0.9. A sound that ends before its first event is silence.

    Example
    -------
    >>> synthesize("siren", seed=0, seconds=1.0).shape
    torch.Size([32000])
    """
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = KINDS[kind][1](rng, time)
    if wave.any():
        wave *= min(LOUDNESS / np.sqrt(np.mean(wave**2)), 0.9 / np.abs(wave).max())
    return torch.from_numpy(wave.astype(np.float32))


class Mixture(NamedTuple):
    """Two events, ``[time]`` each, and their exact sum."""

    mixture: Tensor
    first: Tensor
    second: Tensor


def mixture(first: str, second: str, seed: Seed, seconds: float = 5.0) -> Mixture:
    """Mix two events at equal energy (0 dB).

    Arguments
    ---------
    first, second : str
        Keys of ``KINDS``.
    seed : int or sequence of int
        Seed of both events.
    seconds : float
        Duration, in seconds. Default: 5.

    Returns
    -------
    Mixture
        Waveforms at ``SAMPLE_RATE``; the peak of the mixture is at most 0.9. A sound that ends
        before its first event is silence.

    Example
    -------
    >>> example = mixture("siren", "rain", seed=0, seconds=1.0)
    >>> bool((example.mixture == example.first + example.second).all())
    True
    """
    stems = [synthesize(kind, (seed, i), seconds) for i, kind in enumerate((first, second))]
    levels = [stem.square().mean().sqrt() for stem in stems]
    stems = [stem * LOUDNESS / level if level else stem for stem, level in zip(stems, levels)]
    peak = max(0.9, (stems[0] + stems[1]).abs().max().item())
    first_stem, second_stem = (stem * (0.9 / peak) for stem in stems)
    return Mixture(first_stem + second_stem, first_stem, second_stem)
