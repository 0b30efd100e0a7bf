"""Synthetic textures for the training of MiniCLAP: machines, tools, animals, music and noise.

Parameters are random over wide ranges rather than realistic, because EfficientAT CLAP scores each
sound as it is. Textures cover kinds that the available recordings lack: machines, tools, weapons
and instruments. Each kind is a function of a random generator that returns five seconds at 32 kHz.
"""

import numpy as np
from scipy.signal import fftconvolve, lfilter

from experiments.mini_clap.music import music
from experiments.mini_clap.signals import (
    RATE,
    SAMPLES,
    SECONDS,
    TIME,
    bandpass,
    colored_noise,
    decaying_impulses,
    on_off_envelope,
    random_curve,
    sawtooth,
    white_noise,
)


def drill(rng):
    """Draw a power tool: a motor whine with grinding noise, switched on and off."""
    base = rng.uniform(60, 500)
    pitch = base * (1 + rng.uniform(0, 0.5) * (random_curve(rng, rng.uniform(0.5, 3)) - 0.5))
    envelope = on_off_envelope(rng)
    phase = np.cumsum(pitch * (0.4 + 0.6 * envelope)) / RATE
    whine = sawtooth(phase) + rng.uniform(0, 1) * sawtooth(rng.integers(2, 9) * phase)
    grind = bandpass(rng, rng.uniform(500, 3000), rng.uniform(4000, 14000)) * (1 + sawtooth(phase))
    return envelope * (bandpass(rng, base, 12000, whine) + rng.uniform(0.2, 3) * grind)


def hammering(rng):
    """Draw hammering: regular blows at 6 to 40 per second, with motor noise."""
    rate = np.exp(rng.uniform(np.log(6), np.log(40)))
    onsets = np.cumsum(rng.normal(1, rng.uniform(0, 0.08), int(rate * SECONDS))) / rate
    envelope = decaying_impulses(onsets, rng.uniform(0.003, 0.03), rng, 2)
    low = rng.uniform(80, 1500)
    blows = envelope * bandpass(rng, low, low * rng.uniform(3, 30))
    motor_noise = rng.uniform(0, 0.3) * colored_noise(rng)
    return on_off_envelope(rng) * blows / (blows.std() + 1e-9) + motor_noise


def shots(rng):
    """Draw 1 to 11 shots, in a burst or at random times."""
    count = rng.integers(1, 12)
    if rng.random() < 0.4:
        onsets = rng.uniform(0, 2) + np.arange(count) / rng.uniform(4, 15)
    else:
        onsets = rng.uniform(0, SECONDS, count)
    crack = decaying_impulses(onsets, rng.uniform(0.002, 0.02), rng, 2) * white_noise(rng)
    boom = decaying_impulses(onsets, rng.uniform(0.05, 0.5), rng, 2) * bandpass(
        rng, 40, rng.uniform(300, 4000)
    )
    return crack + rng.uniform(0.1, 1.5) * boom / (boom.std() + 1e-9) * crack.std()


def hum(rng):
    """Draw a hum: harmonics of a low pitch, such as that of the mains, with air noise."""
    base = rng.choice([50, 60, 100, 120, rng.uniform(40, 300)])
    tones = sum(
        np.sin(2 * np.pi * base * k * TIME + rng.uniform(0, 6.3)) * 10 ** (rng.uniform(-40, 0) / 20)
        for k in range(1, 20)
    )
    air = colored_noise(rng) * (1 + rng.uniform(0, 0.3) * (random_curve(rng, 2) - 0.5))
    return tones / tones.std() * 10 ** (rng.uniform(-30, 10) / 20) + air


def motor(rng):
    """Draw a combustion engine with 1 to 6 cylinders and varying speed."""
    firing = rng.uniform(12, 120) * (
        1 + rng.uniform(0, 0.6) * random_curve(rng, rng.uniform(0.3, 2))
    )
    phase = np.cumsum(firing) / RATE
    cylinders = rng.integers(1, 7)
    strength = 1 + 0.5 * rng.standard_normal(cylinders)
    pulses = np.maximum(np.sin(2 * np.pi * phase), 0) ** rng.integers(2, 20)
    pulses = pulses * strength[phase.astype(int) % cylinders]
    pulses = pulses * (1 + rng.uniform(0, 1) * white_noise(rng))
    pole = rng.uniform(0.8, 0.99)
    rumble = lfilter([1], [1, -pole], pulses)
    rumble -= rumble.mean()
    hiss = pulses * bandpass(rng, rng.uniform(200, 1500), rng.uniform(2000, 10000))
    return rumble / rumble.std() + rng.uniform(0, 0.6) * hiss / (hiss.std() + 1e-9)


def alarm(rng):
    """Draw a siren, horn or beeper: tones with switched or swept pitch or level."""
    rate = np.exp(rng.uniform(np.log(0.15), np.log(12)))
    cycle = (rate * TIME + rng.random()) % 1
    shape = (
        0.5 - 0.5 * np.cos(2 * np.pi * cycle),
        cycle,
        (cycle < 0.5).astype(float),
        np.zeros(SAMPLES),
    )[rng.integers(4)]
    low = np.exp(rng.uniform(np.log(250), np.log(2500)))
    phase = np.cumsum(low * (1 + rng.uniform(0.2, 1.5) * shape)) / RATE
    voices = [1.0, rng.uniform(1.15, 1.5)][: rng.integers(1, 3)]
    tone = sum(np.tanh(rng.uniform(0.5, 6) * np.sin(2 * np.pi * v * phase)) for v in voices)
    pulsed = (rng.uniform(0.3, 6) * TIME) % 1 < rng.uniform(0.2, 0.8)
    level = pulsed if rng.random() < 0.5 else np.ones(SAMPLES)
    return tone * fftconvolve(level, np.ones(64) / 64, mode="same")


def calls(rng):
    """Draw animal-like and voice-like calls: gliding harmonics with a few resonances."""
    wave = np.zeros(SAMPLES)
    start, base = rng.uniform(0, 1), np.exp(rng.uniform(np.log(80), np.log(5000)))
    length, harmonics = rng.uniform(0.04, 1.2), rng.integers(1, 25)
    slope = rng.uniform(0.3, 2)
    contour = rng.uniform(0.6, 1.6, 4)
    while start < SECONDS:
        n = int(RATE * length * rng.uniform(0.7, 1.3))
        glide = np.interp(np.linspace(0, 3, n), np.arange(4), contour * rng.uniform(0.9, 1.1))
        phase = 2 * np.pi * np.cumsum(base * glide) / RATE
        k = np.arange(1, harmonics + 1)
        k = k[k * base * glide.max() < 15000]
        call = (np.sin(k[:, None] * phase) / k[:, None] ** slope).sum(axis=0)
        call = (call + rng.uniform(0, 0.5) * rng.standard_normal(n)) * np.hanning(n) ** 0.5
        position = int(start * RATE)
        wave[position : position + n] += call[: SAMPLES - position]
        start += length * rng.uniform(1, 4)
    for _ in range(rng.integers(0, 3)):
        center = rng.uniform(300, 4000)
        wave = wave + 2 * bandpass(rng, center * 0.85, center * 1.15, wave)
    return wave


def knocks(rng):
    """Draw knocks on an object: a few resonances, struck at regular or random times."""
    rate = np.exp(rng.uniform(np.log(0.5), np.log(12)))
    gaps = 1 / rate if rng.random() < 0.6 else rng.exponential(1 / rate, int(rate * 8) + 2)
    onsets = rng.random() / rate + np.cumsum(np.ones(int(rate * 8) + 2) * gaps)
    wave = (
        decaying_impulses(onsets, rng.uniform(0.001, 0.05), rng, 4)
        * white_noise(rng)
        * rng.uniform(0, 1)
    )
    for _ in range(rng.integers(1, 6)):
        pitch = np.exp(rng.uniform(np.log(80), np.log(8000)))
        ring = decaying_impulses(onsets, 10 ** rng.uniform(-2.5, 0.3), rng, 4)
        wave = wave + ring * np.sin(2 * np.pi * pitch * TIME)
    return wave


def noise_bands(rng):
    """Draw bands of noise of varying level, similar to rain, wind, crowds, frying or water."""
    wave = rng.uniform(0, 0.3) * colored_noise(rng)
    for _ in range(rng.integers(1, 6)):
        low = np.exp(rng.uniform(np.log(60), np.log(6000)))
        level = random_curve(rng, np.exp(rng.uniform(np.log(0.3), np.log(40)))) ** rng.uniform(
            0.3, 4
        )
        wave = wave + level * bandpass(rng, low, low * rng.uniform(1.3, 8))
    if rng.random() < 0.4:
        drops = rng.random(SAMPLES) < np.exp(rng.uniform(np.log(5), np.log(2000))) / RATE
        pitch = rng.uniform(500, 6000)
        ring = lfilter([1], [1, -2 * 0.97 * np.cos(2 * np.pi * pitch / RATE), 0.97**2], drops)
        wave = wave / (wave.std() + 1e-9) + rng.uniform(0.2, 3) * ring / (ring.std() + 1e-9)
    return wave


KINDS = (
    *(drill, hammering, shots, hum, motor, alarm, calls, knocks, noise_bands),
    *(music, music, colored_noise),
)
"""Kinds of textures, drawn with equal probability; music counts twice."""


def draw_texture(rng):
    """Draw one texture with a root mean square of 0.1."""
    wave = KINDS[rng.integers(len(KINDS))](rng)
    return (0.1 * wave / (np.sqrt(np.mean(wave**2)) + 1e-9)).astype(np.float32)
