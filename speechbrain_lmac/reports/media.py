"""Sounds and pictures as text that stands in an HTML file."""

import base64
import io
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image

from speechbrain_lmac.audio.io import PEAK
from speechbrain_lmac.reports.raster import pixels

TRIES = 4
MAX_GAIN_DB = 20.0
"""By which a faint sound is raised to be heard beside the clip."""


def matched_gain(wav, like, energy):
    """Gain under which a sound is as loud as another, and does not clip.

    Arguments
    ---------
    wav, like : torch.Tensor
        ``[time]`` both.
    energy : callable
        Sounds ``[batch, time]`` -> ``[batch]``: of what counts as loud.

    Returns
    -------
    float
        At most ``MAX_GAIN_DB``; 1 for silence.

    Example
    -------
    >>> soft, loud = torch.tensor([0.1, -0.1]), torch.tensor([0.5, 0.5])
    >>> round(matched_gain(soft, loud, lambda wavs: wavs.square().sum(dim=-1)), 3)
    5.0
    """
    peak = wav.abs().max().item()
    own, wanted = (energy(sound.unsqueeze(0)).item() for sound in (wav, like))
    matched = (wanted / own) ** 0.5 if own > 0 else 1.0
    return min(matched, PEAK / max(peak, PEAK * 1e-6), 10 ** (MAX_GAIN_DB / 20))


def mp3(wav, sample_rate):
    """A sound as MP3, which every browser plays: bytes."""
    samples = wav.detach().cpu().numpy().astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:  # in memory, libsndfile would call us back
        path = Path(folder) / "sound.mp3"  # from C, where an interruption has nowhere to go
        soundfile.write(path, samples, sample_rate, format="MP3", subtype="MPEG_LAYER_III")
        return path.read_bytes()


def unclipped_mp3(wav, gain, sample_rate):
    """A sound as MP3 that plays without clipping: bytes, and the gain that it has at last.

    Coding changes peaks: where what is decoded goes beyond full scale, the gain is lowered.
    """
    encoded = mp3(gain * wav, sample_rate)
    for _ in range(TRIES):
        peak = decoded(encoded).abs().max().item()
        if peak <= 1:
            break
        gain *= PEAK / peak
        encoded = mp3(gain * wav, sample_rate)
    return encoded, gain


def decoded(encoded):
    """What a player makes of encoded sound, ``[time]``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        path.write_bytes(encoded)
        samples, _ = soundfile.read(path, dtype="float32")
    return torch.from_numpy(samples)


def picture(values, nyquist, colors, limits):
    """A plane as a picture: WebP, bytes.

    Arguments
    ---------
    values : torch.Tensor
        ``[frames, bins]``, linear in frequency; shown on a mel axis, low below.
    nyquist : float
        Frequency of the last bin, in Hz.
    colors : str
        Color map of matplotlib.
    limits : tuple of float
        Values of its two ends.
    """
    pixel = pixels(values, nyquist, colors, limits)
    buffer = io.BytesIO()
    Image.fromarray(pixel).save(buffer, format="WEBP", quality=80, method=4)
    return buffer.getvalue()


def data_uri(kind, content):
    """Bytes as the address of themselves.

    Example
    -------
    >>> data_uri("image/webp", b"abc")
    'data:image/webp;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
