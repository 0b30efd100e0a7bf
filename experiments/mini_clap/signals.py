"""Building blocks of the synthetic textures: noise, filters and envelopes of five seconds."""

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE = 32000
"""Sample rate in Hz."""
SECONDS = 5.0
SAMPLES = round(RATE * SECONDS)
TIME = np.arange(SAMPLES) / RATE
"""Time of each sample in seconds."""


def white_noise(rng):
    """Draw Gaussian white noise."""
    return rng.standard_normal(SAMPLES)


def colored_noise(rng):
    """Draw noise whose spectrum falls by 0 to 12 dB per octave."""
    spectrum = np.fft.rfft(white_noise(rng))
    frequency = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    wave = np.fft.irfft(spectrum * np.maximum(frequency, 20) ** -rng.uniform(0, 2), SAMPLES)
    return wave / wave.std()


def bandpass(rng, low, high, wave=None):
    """Filter a signal, by default white noise, to a band between two frequencies in Hz."""
    wave = white_noise(rng) if wave is None else wave
    sos = butter(2, (low, min(high, 15500)), "bandpass", fs=RATE, output="sos")
    return sosfilt(sos, wave)


def random_curve(rng, rate):
    """Draw a piecewise linear curve in [0, 1] with ``rate`` random knots per second."""
    knots = rng.random(int(SECONDS * rate) + 3)
    return np.interp(TIME * rate, np.arange(knots.size), knots)


def on_off_envelope(rng):
    """Draw an envelope: 1 throughout (probability 0.4), or switched on and off smoothly."""
    if rng.random() < 0.4:
        return np.ones(SAMPLES)
    is_on = (random_curve(rng, rng.uniform(0.4, 2.0)) > rng.uniform(0.3, 0.6)).astype(float)
    ramp = np.hanning(int(RATE * rng.uniform(0.01, 0.3)))
    return fftconvolve(is_on, ramp / ramp.sum(), mode="same")


def decaying_impulses(onsets, decay, rng, level_std_db=0.0):
    """Start an exponential decay at each onset; onsets and time constant are in seconds."""
    impulses = np.zeros(SAMPLES)
    positions = (np.asarray(onsets) * RATE).astype(int)
    positions = positions[(positions >= 0) & (positions < SAMPLES)]
    impulses[positions] = 10 ** (level_std_db * rng.standard_normal(positions.size) / 20)
    return lfilter([1], [1, -np.exp(-1 / (decay * RATE))], impulses)


def sawtooth(phase):
    """Return a sawtooth wave; ``phase`` is in cycles."""
    return 2 * (phase % 1) - 1
