"""Scenes for the student to hear: recordings and textures, changed and mixed at random."""

import numpy as np
import soxr
import torch
from scipy.signal import fftconvolve

from experiments.mini_clap import textures
from experiments.mini_clap.textures import RATE, SAMPLES
from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.data.synthetic import KINDS, synthesize

SPECTROGRAM = Spectrogram(1024, 256)


def scene(rng, recordings):
    """One clip of five seconds at 32 kHz.

    Arguments
    ---------
    rng : numpy.random.Generator
        Decides everything.
    recordings : list of list of numpy.ndarray
        Collections of sounds ``[time]`` at 32 kHz.

    Returns
    -------
    numpy.ndarray
        ``[160000]``, float32, peaks at most 1.
    """
    if rng.random() < 0.02:
        return (10 ** rng.uniform(-7, -4) * textures.coloured(rng)).astype(np.float32)
    count = rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
    mixed = np.zeros(SAMPLES, dtype=np.float32)
    for level_db in (0, *rng.uniform(-20, 6, count - 1)):
        part = changed(rng, source(rng, recordings))
        mixed += 10 ** (level_db / 20) * part / (np.sqrt(np.mean(part**2)) + 1e-6)
    if rng.random() < 0.3:
        mixed = veiled(rng, mixed)
    return (mixed * 10 ** (rng.uniform(-35, 0) / 20) / (np.abs(mixed).max() + 1e-6)).astype("f4")


def source(rng, recordings):
    """A recording, a texture or one of the package's synthetic kinds."""
    kind = rng.random()
    if kind < 0.3:
        return textures.draw(rng)
    if kind < 0.4:
        names = list(KINDS)
        return synthesize(names[rng.integers(len(names))], rng.integers(2**31)).numpy()
    share = np.array([len(collection) ** 0.8 for collection in recordings])
    collection = recordings[rng.choice(len(recordings), p=share / share.sum())]
    return collection[rng.integers(len(collection))]


def changed(rng, wave):
    """Played faster or slower, filtered, echoed, placed in time; ``[160000]``."""
    if rng.random() < 0.5:
        wave = soxr.resample(wave, RATE, RATE * 2 ** rng.uniform(-0.6, 0.6), quality="QQ")
    wave = placed(rng, wave)
    if rng.random() < 0.5:
        wave = filtered(rng, wave)
    if rng.random() < 0.2:
        wave = echoed(rng, wave)
    return wave


def placed(rng, wave):
    """Cut, turned round, repeated or surrounded by silence, to five seconds."""
    if len(wave) >= SAMPLES:
        start = rng.integers(len(wave) - SAMPLES + 1)
        return np.roll(wave[start : start + SAMPLES], rng.integers(SAMPLES))
    if rng.random() < 0.5:
        gap = np.zeros(int(rng.uniform(0, 1) * RATE), dtype=np.float32)
        wave = np.tile(np.concatenate([wave, gap]), SAMPLES // max(len(wave), 1000) + 1)[:SAMPLES]
    room = SAMPLES - len(wave)
    before = int(rng.integers(room + 1))
    return np.pad(wave, (before, room - before))


def filtered(rng, wave):
    """Through a smooth random frequency response, often without the highest octaves."""
    frequency = np.linspace(0, 1, SAMPLES // 2 + 1)
    octaves = np.log2(np.maximum(frequency * RATE / 2, 40) / 40) / 8.7
    response_db = np.interp(octaves, np.linspace(0, 1, 7), rng.uniform(-12, 12, 7))
    if rng.random() < 0.4:
        cutoff = rng.uniform(2500, 13000) / (RATE / 2)
        response_db = response_db - 80 * np.clip((frequency - cutoff) / 0.05, 0, 1)
    return np.fft.irfft(np.fft.rfft(wave) * 10 ** (response_db / 20), SAMPLES)


def echoed(rng, wave):
    """In a room: an exponential tail of noise."""
    seconds = rng.uniform(0.1, 1.2)
    time = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(time.size) * np.exp(-6.9 * time / seconds)
    tail[0] = 10 ** rng.uniform(0.3, 1.5)
    return fftconvolve(wave, tail)[:SAMPLES]


def veiled(rng, wave):
    """Heard through a random mask, as explanations are: smooth or coarse, hard or soft."""
    stft = SPECTROGRAM(torch.from_numpy(wave).float().unsqueeze(0))
    grid = (int(rng.integers(2, 40)), int(rng.integers(2, 14)))
    noise = torch.from_numpy(rng.standard_normal((1, 1, *grid))).float()
    noise = torch.nn.functional.interpolate(noise, stft.shape[1:], mode="bilinear").squeeze(1)
    mask = torch.sigmoid(np.exp(rng.uniform(0, 2.5)) * (noise + rng.uniform(-1, 1)))
    return SPECTROGRAM.inverse(mask * stft, SAMPLES).squeeze(0).numpy()
