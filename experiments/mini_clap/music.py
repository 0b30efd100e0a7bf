"""Random music for the synthetic textures: melody, chords, bass and drums."""

import numpy as np

from experiments.mini_clap.signals import RATE, SAMPLES, SECONDS, TIME, bandpass, decaying_impulses

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
"""Musical scales, in semitones above the root."""


def music(rng):
    """Draw music in a random key; each part may be absent."""
    beat = 60 / rng.uniform(60, 180)
    song = _Song(rng, SCALES[rng.integers(len(SCALES))], rng.uniform(90, 250))
    if rng.random() < 0.8:
        _add_melody(rng, song, beat)
    if rng.random() < 0.6:
        _add_chords(rng, song, beat)
    if rng.random() < 0.5:
        for start in np.arange(0, SECONDS, beat):
            song.add_note(rng.integers(0, 5), -1, start, beat, 0.8, (1.2, 0.01, 0.8))
    if rng.random() < 0.5 or not song.wave.any():
        song.wave = song.wave + _drums(rng, beat)
    return song.wave


class _Song:
    """A signal to which notes of one scale are added."""

    def __init__(self, rng, scale, root):
        self.rng, self.scale, self.root = rng, scale, root
        self.wave = np.zeros(SAMPLES)

    def add_note(self, degree, octave, start, seconds, level, timbre):
        """Add the note of a scale degree, ``degree`` >= 0, at ``start`` in seconds."""
        semitones = self.scale[degree % len(self.scale)]
        pitch = self.root * 2 ** (octave + semitones / 12 + degree // len(self.scale))
        note = _note(self.rng, pitch, seconds, *timbre)
        first = int(start * RATE)
        stop = min(SAMPLES, first + note.size)
        self.wave[first:stop] += level * note[: max(0, stop - first)]


def _note(rng, pitch, seconds, brightness, attack, decay):
    """Synthesize harmonics of a pitch in Hz with vibrato; attack and decay are in seconds."""
    n = int(seconds * RATE)
    time = np.arange(n) / RATE
    k = np.arange(1, 1 + int(min(16, 14000 / pitch)))[:, None]
    vibrato = 1 + 0.004 * np.sin(2 * np.pi * 5.5 * time) * rng.uniform(0, 2)
    phase = 2 * np.pi * np.cumsum(pitch * vibrato) / RATE
    tone = (np.sin(k * phase) * np.exp(-time * k / decay) / k**brightness).sum(axis=0)
    return tone * np.minimum(time / attack, 1) * np.minimum((seconds - time) / 0.02, 1)


def _draw_timbre(rng):
    """Draw brightness, attack and decay of the notes of one part."""
    return rng.uniform(0.5, 2.5), rng.uniform(0.003, 0.1), rng.choice([0.3, 1, 4, 1000])


def _add_melody(rng, song, beat):
    """Add a random walk over scale degrees."""
    timbre, degree, start = _draw_timbre(rng), 7, 0.0
    while start < SECONDS:
        length = beat * rng.choice([0.5, 0.5, 1, 1, 2])
        degree = int(np.clip(degree + rng.integers(-2, 3), 0, 14))
        song.add_note(degree, rng.integers(0, 2), start, length, 1.0, timbre)
        start += length


def _add_chords(rng, song, beat):
    """Add a random triad every two beats."""
    timbre = _draw_timbre(rng)
    for start in np.arange(0, SECONDS, 2 * beat):
        root_degree = rng.integers(0, 7)
        for interval in (0, 2, 4):
            song.add_note(root_degree + interval, 0, start, 2 * beat, 0.4, timbre)


def _drums(rng, beat):
    """Synthesize kick and snare drum in turn on the beats, and a hi-hat every half beat."""
    kick = decaying_impulses(np.arange(0, SECONDS, 2 * beat), 0.08, rng)
    snare = decaying_impulses(np.arange(beat, SECONDS, 2 * beat), 0.06, rng)
    hat = decaying_impulses(np.arange(0, SECONDS, beat / 2), 0.02, rng)
    drums = kick * np.sin(2 * np.pi * 60 * TIME) * 2 + snare * bandpass(rng, 200, 8000)
    return rng.uniform(0.3, 1.5) * (drums + 0.5 * hat * bandpass(rng, 7000, 15000))
