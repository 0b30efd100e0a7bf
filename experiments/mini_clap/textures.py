"""Sounds made at random, wide rather than real: what the tagger takes them for is the lesson.

Each kind is a function ``rng -> samples`` of five seconds at 32 kHz. The recordings at hand hold
few machines, tools, weapons or instruments, and the student can only learn what it is played.
"""

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE = 32000
SECONDS = 5.0
SAMPLES = round(RATE * SECONDS)
TIME = np.arange(SAMPLES) / RATE


def noise(rng):
    return rng.standard_normal(SAMPLES)


def coloured(rng):
    """Noise whose spectrum falls by 0 to 12 dB an octave."""
    spectrum = np.fft.rfft(noise(rng))
    frequency = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    wave = np.fft.irfft(spectrum * np.maximum(frequency, 20) ** -rng.uniform(0, 2), SAMPLES)
    return wave / wave.std()


def band(rng, low, high, wave=None):
    wave = noise(rng) if wave is None else wave
    sos = butter(2, (low, min(high, 15500)), "bandpass", fs=RATE, output="sos")
    return sosfilt(sos, wave)


def wander(rng, rate):
    """A smooth curve in [0, 1] that turns ``rate`` times a second."""
    knots = rng.random(int(SECONDS * rate) + 3)
    return np.interp(TIME * rate, np.arange(knots.size), knots)


def turned_on(rng):
    """1 while something runs: all the time, or in stretches with soft edges."""
    if rng.random() < 0.4:
        return np.ones(SAMPLES)
    running = (wander(rng, rng.uniform(0.4, 2.0)) > rng.uniform(0.3, 0.6)).astype(float)
    ramp = np.hanning(int(RATE * rng.uniform(0.01, 0.3)))
    return fftconvolve(running, ramp / ramp.sum(), mode="same")


def strikes(onsets, decay, rng, spread=0.0):
    """Exponential decays from each onset, in seconds."""
    impulses = np.zeros(SAMPLES)
    places = (np.asarray(onsets) * RATE).astype(int)
    places = places[(places >= 0) & (places < SAMPLES)]
    impulses[places] = 10 ** (spread * rng.standard_normal(places.size) / 20)
    return lfilter([1], [1, -np.exp(-1 / (decay * RATE))], impulses)


def saw(phase):
    return 2 * (phase % 1) - 1


def drill(rng):
    base = rng.uniform(60, 500)
    pitch = base * (1 + rng.uniform(0, 0.5) * (wander(rng, rng.uniform(0.5, 3)) - 0.5))
    on = turned_on(rng)
    phase = np.cumsum(pitch * (0.4 + 0.6 * on)) / RATE
    whine = saw(phase) + rng.uniform(0, 1) * saw(rng.integers(2, 9) * phase)
    grind = band(rng, rng.uniform(500, 3000), rng.uniform(4000, 14000)) * (1 + saw(phase))
    return on * (band(rng, base, 12000, whine) + rng.uniform(0.2, 3) * grind)


def hammering(rng):
    rate = np.exp(rng.uniform(np.log(6), np.log(40)))
    onsets = np.cumsum(rng.normal(1, rng.uniform(0, 0.08), int(rate * SECONDS))) / rate
    envelope = strikes(onsets, rng.uniform(0.003, 0.03), rng, 2)
    low = rng.uniform(80, 1500)
    blows = envelope * band(rng, low, low * rng.uniform(3, 30))
    motor = rng.uniform(0, 0.3) * coloured(rng)
    return turned_on(rng) * blows / (blows.std() + 1e-9) + motor


def shots(rng):
    count = rng.integers(1, 12)
    if rng.random() < 0.4:
        onsets = rng.uniform(0, 2) + np.arange(count) / rng.uniform(4, 15)
    else:
        onsets = rng.uniform(0, SECONDS, count)
    crack = strikes(onsets, rng.uniform(0.002, 0.02), rng, 2) * noise(rng)
    boom = strikes(onsets, rng.uniform(0.05, 0.5), rng, 2) * band(rng, 40, rng.uniform(300, 4000))
    return crack + rng.uniform(0.1, 1.5) * boom / (boom.std() + 1e-9) * crack.std()


def hum(rng):
    base = rng.choice([50, 60, 100, 120, rng.uniform(40, 300)])
    tones = sum(
        np.sin(2 * np.pi * base * k * TIME + rng.uniform(0, 6.3)) * 10 ** (rng.uniform(-40, 0) / 20)
        for k in range(1, 20)
    )
    air = coloured(rng) * (1 + rng.uniform(0, 0.3) * (wander(rng, 2) - 0.5))
    return tones / tones.std() * 10 ** (rng.uniform(-30, 10) / 20) + air


def motor(rng):
    firing = rng.uniform(12, 120) * (1 + rng.uniform(0, 0.6) * wander(rng, rng.uniform(0.3, 2)))
    phase = np.cumsum(firing) / RATE
    cylinders = rng.integers(1, 7)
    strength = 1 + 0.5 * rng.standard_normal(cylinders)
    pulses = np.maximum(np.sin(2 * np.pi * phase), 0) ** rng.integers(2, 20)
    pulses = pulses * strength[phase.astype(int) % cylinders]
    pulses = pulses * (1 + rng.uniform(0, 1) * noise(rng))
    pole = rng.uniform(0.8, 0.99)
    rumble = lfilter([1], [1, -pole], pulses)
    rumble -= rumble.mean()
    hiss = pulses * band(rng, rng.uniform(200, 1500), rng.uniform(2000, 10000))
    return rumble / rumble.std() + rng.uniform(0, 0.6) * hiss / (hiss.std() + 1e-9)


def alarm(rng):
    """Sirens, horns, beepers: tones whose pitch or level is switched or swept."""
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
    """Animal-like and voice-like calls: gliding harmonics through a few resonances."""
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
        place = int(start * RATE)
        wave[place : place + n] += call[: SAMPLES - place]
        start += length * rng.uniform(1, 4)
    for _ in range(rng.integers(0, 3)):
        center = rng.uniform(300, 4000)
        wave = wave + 2 * band(rng, center * 0.85, center * 1.15, wave)
    return wave


def knocks(rng):
    """Struck things: a few resonances, rung at regular or random instants."""
    rate = np.exp(rng.uniform(np.log(0.5), np.log(12)))
    gaps = 1 / rate if rng.random() < 0.6 else rng.exponential(1 / rate, int(rate * 8) + 2)
    onsets = rng.random() / rate + np.cumsum(np.ones(int(rate * 8) + 2) * gaps)
    wave = strikes(onsets, rng.uniform(0.001, 0.05), rng, 4) * noise(rng) * rng.uniform(0, 1)
    for _ in range(rng.integers(1, 6)):
        pitch = np.exp(rng.uniform(np.log(80), np.log(8000)))
        ring = strikes(onsets, 10 ** rng.uniform(-2.5, 0.3), rng, 4)
        wave = wave + ring * np.sin(2 * np.pi * pitch * TIME)
    return wave


def texture(rng):
    """Bands of noise that come and go: rain, wind, crowds, frying, water."""
    wave = rng.uniform(0, 0.3) * coloured(rng)
    for _ in range(rng.integers(1, 6)):
        low = np.exp(rng.uniform(np.log(60), np.log(6000)))
        level = wander(rng, np.exp(rng.uniform(np.log(0.3), np.log(40)))) ** rng.uniform(0.3, 4)
        wave = wave + level * band(rng, low, low * rng.uniform(1.3, 8))
    if rng.random() < 0.4:
        drops = rng.random(SAMPLES) < np.exp(rng.uniform(np.log(5), np.log(2000))) / RATE
        pitch = rng.uniform(500, 6000)
        ring = lfilter([1], [1, -2 * 0.97 * np.cos(2 * np.pi * pitch / RATE), 0.97**2], drops)
        wave = wave / (wave.std() + 1e-9) + rng.uniform(0.2, 3) * ring / (ring.std() + 1e-9)
    return wave


SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))


def _note(rng, pitch, seconds, brightness, attack, decay):
    n = int(seconds * RATE)
    time = np.arange(n) / RATE
    k = np.arange(1, 1 + int(min(16, 14000 / pitch)))[:, None]
    vibrato = 1 + 0.004 * np.sin(2 * np.pi * 5.5 * time) * rng.uniform(0, 2)
    phase = 2 * np.pi * np.cumsum(pitch * vibrato) / RATE
    tone = (np.sin(k * phase) * np.exp(-time * k / decay) / k**brightness).sum(axis=0)
    return tone * np.minimum(time / attack, 1) * np.minimum((seconds - time) / 0.02, 1)


def music(rng):
    """A tune, chords, a bass, drums, any of them left out."""
    beat = 60 / rng.uniform(60, 180)
    scale, root = SCALES[rng.integers(len(SCALES))], rng.uniform(90, 250)
    wave = np.zeros(SAMPLES)

    def play(degree, octave, start, seconds, level, timbre):
        pitch = root * 2 ** (octave + (scale[degree % len(scale)]) / 12 + degree // len(scale))
        note = _note(rng, pitch, seconds, *timbre)
        place = int(start * RATE)
        end = min(SAMPLES, place + note.size)
        wave[place:end] += level * note[: max(0, end - place)]

    def timbre():
        return rng.uniform(0.5, 2.5), rng.uniform(0.003, 0.1), rng.choice([0.3, 1, 4, 1000])

    if rng.random() < 0.8:
        tune, degree, start = timbre(), 7, 0.0
        while start < SECONDS:
            length = beat * rng.choice([0.5, 0.5, 1, 1, 2])
            degree = int(np.clip(degree + rng.integers(-2, 3), 0, 14))
            play(degree, rng.integers(0, 2), start, length, 1.0, tune)
            start += length
    if rng.random() < 0.6:
        chords = timbre()
        for start in np.arange(0, SECONDS, 2 * beat):
            step = rng.integers(0, 7)
            for third in (0, 2, 4):
                play(step + third, 0, start, 2 * beat, 0.4, chords)
    if rng.random() < 0.5:
        for start in np.arange(0, SECONDS, beat):
            play(rng.integers(0, 5), -1, start, beat, 0.8, (1.2, 0.01, 0.8))
    if rng.random() < 0.5 or not wave.any():
        kick = strikes(np.arange(0, SECONDS, 2 * beat), 0.08, rng)
        snare = strikes(np.arange(beat, SECONDS, 2 * beat), 0.06, rng)
        hat = strikes(np.arange(0, SECONDS, beat / 2), 0.02, rng)
        drums = kick * np.sin(2 * np.pi * 60 * TIME) * 2 + snare * band(rng, 200, 8000)
        wave = wave + rng.uniform(0.3, 1.5) * (drums + 0.5 * hat * band(rng, 7000, 15000))
    return wave


KINDS = (
    *(drill, hammering, shots, hum, motor, alarm, calls, knocks, texture),
    *(music, music, coloured),
)
"""Drawn alike, music twice."""


def draw(rng):
    """One texture, root mean square 0.1."""
    wave = KINDS[rng.integers(len(KINDS))](rng)
    return (0.1 * wave / (np.sqrt(np.mean(wave**2)) + 1e-9)).astype(np.float32)
