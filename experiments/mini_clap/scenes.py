"""Training scenes of MiniCLAP: random mixtures of augmented recordings and synthetic sounds."""

import numpy as np
import soxr
import torch
from scipy.signal import fftconvolve

from experiments.mini_clap.signals import RATE, SAMPLES, colored_noise
from experiments.mini_clap.textures import draw_texture
from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.data.synthetic import KINDS, synthesize

SPECTROGRAM = Spectrogram(1024, 256)


def draw_scene(rng, recordings):
    """Draw a mixture of one to three sounds, or faint noise, of five seconds at 32 kHz.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of all random draws.
    recordings : list of list of numpy.ndarray
        Sounds ``[time]`` at 32 kHz, one list per collection.

    Returns
    -------
    numpy.ndarray
        Samples ``[160000]``, float32, absolute values at most 1.
    """
    if rng.random() < 0.02:
        return (10 ** rng.uniform(-7, -4) * colored_noise(rng)).astype(np.float32)
    count = rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
    mixed = np.zeros(SAMPLES, dtype=np.float32)
    for level_db in (0, *rng.uniform(-20, 6, count - 1)):
        part = augment(rng, draw_source(rng, recordings))
        mixed += 10 ** (level_db / 20) * part / (np.sqrt(np.mean(part**2)) + 1e-6)
    if rng.random() < 0.3:
        mixed = apply_random_mask(rng, mixed)
    return (mixed * 10 ** (rng.uniform(-35, 0) / 20) / (np.abs(mixed).max() + 1e-6)).astype("f4")


def draw_source(rng, recordings):
    """Draw a texture (30 %), a synthetic sound of the package (10 %) or a recording (60 %)."""
    draw = rng.random()
    if draw < 0.3:
        return draw_texture(rng)
    if draw < 0.4:
        names = list(KINDS)
        return synthesize(names[rng.integers(len(names))], rng.integers(2**31)).numpy()
    weights = np.array([len(collection) ** 0.8 for collection in recordings])
    collection = recordings[rng.choice(len(recordings), p=weights / weights.sum())]
    return collection[rng.integers(len(collection))]


def augment(rng, wave):
    """Resample, place in time, filter and reverberate a sound at random; ``[160000]``."""
    if rng.random() < 0.5:
        wave = soxr.resample(wave, RATE, RATE * 2 ** rng.uniform(-0.6, 0.6), quality="QQ")
    wave = place_in_time(rng, wave)
    if rng.random() < 0.5:
        wave = random_filter(rng, wave)
    if rng.random() < 0.2:
        wave = add_reverb(rng, wave)
    return wave


def place_in_time(rng, wave):
    """Bring a sound to five seconds: crop and shift it circularly, or repeat or pad it."""
    if len(wave) >= SAMPLES:
        start = rng.integers(len(wave) - SAMPLES + 1)
        return np.roll(wave[start : start + SAMPLES], rng.integers(SAMPLES))
    if rng.random() < 0.5:
        gap = np.zeros(int(rng.uniform(0, 1) * RATE), dtype=np.float32)
        wave = np.tile(np.concatenate([wave, gap]), SAMPLES // max(len(wave), 1000) + 1)[:SAMPLES]
    padding = SAMPLES - len(wave)
    before = int(rng.integers(padding + 1))
    return np.pad(wave, (before, padding - before))


def random_filter(rng, wave):
    """Apply a smooth random frequency response, with a low-pass filter in 40 % of the cases."""
    frequency = np.linspace(0, 1, SAMPLES // 2 + 1)
    octaves = np.log2(np.maximum(frequency * RATE / 2, 40) / 40) / 8.7
    response_db = np.interp(octaves, np.linspace(0, 1, 7), rng.uniform(-12, 12, 7))
    if rng.random() < 0.4:
        cutoff = rng.uniform(2500, 13000) / (RATE / 2)
        response_db = response_db - 80 * np.clip((frequency - cutoff) / 0.05, 0, 1)
    return np.fft.irfft(np.fft.rfft(wave) * 10 ** (response_db / 20), SAMPLES)


def add_reverb(rng, wave):
    """Convolve with a synthetic room response: noise with an exponential decay."""
    seconds = rng.uniform(0.1, 1.2)
    time = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(time.size) * np.exp(-6.9 * time / seconds)
    tail[0] = 10 ** rng.uniform(0.3, 1.5)
    return fftconvolve(wave, tail)[:SAMPLES]


def apply_random_mask(rng, wave):
    """Apply a random STFT mask like that of an explanation: smooth or coarse, soft or binary."""
    stft = SPECTROGRAM(torch.from_numpy(wave).float().unsqueeze(0))
    grid = (int(rng.integers(2, 40)), int(rng.integers(2, 14)))
    noise = torch.from_numpy(rng.standard_normal((1, 1, *grid))).float()
    noise = torch.nn.functional.interpolate(noise, stft.shape[1:], mode="bilinear").squeeze(1)
    mask = torch.sigmoid(np.exp(rng.uniform(0, 2.5)) * (noise + rng.uniform(-1, 1)))
    return SPECTROGRAM.inverse(mask * stft, SAMPLES).squeeze(0).numpy()
