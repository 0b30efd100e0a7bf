"""Sounds and pictures as text that stands in an HTML file."""

import base64
import io
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from matplotlib import colormaps
from PIL import Image

from speechbrain_lmac.audio import PEAK

RANGE_DB = 70
"""Below the loudest cell of the clip; what is fainter is drawn as silence."""
HEIGHT, WIDTH = 128, 480
"""Of pictures, in pixels."""
TRIES = 4
MOST_GAIN_DB = 20.0
"""By which a faint sound is raised to be heard beside the clip."""


def matched_gain(wav, like):
    """Gain under which a sound is as loud as another, and does not clip.

    Arguments
    ---------
    wav, like : torch.Tensor
        ``[time]`` both.

    Returns
    -------
    float
        At most ``MOST_GAIN_DB``; 1 for silence.

    Example
    -------
    >>> round(matched_gain(torch.tensor([0.1, -0.1]), torch.tensor([0.5, 0.5])), 3)
    5.0
    """
    level, peak = wav.square().mean().sqrt().item(), wav.abs().max().item()
    if level == 0:
        return 1.0
    wanted = like.square().mean().sqrt().item() / level
    return min(wanted, PEAK / peak, 10 ** (MOST_GAIN_DB / 20))


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


def picture(values, nyquist, colours, limits):
    """A plane as a picture: WebP, bytes.

    Arguments
    ---------
    values : torch.Tensor
        ``[frames, bins]``, linear in frequency; shown on a mel axis, low below.
    nyquist : float
        Frequency of the last bin, in Hz.
    colours : str
        Colour map of matplotlib.
    limits : tuple of float
        Values of its two ends.
    """
    image = _on_mel_axis(values.cpu().float(), nyquist).numpy()
    low, high = limits
    shades = np.clip((image - low) / (high - low), 0, 1)
    pixels = (255 * colormaps[colours](shades)[::-1, :, :3]).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=80, method=4)
    return buffer.getvalue()


def height_of(hertz, nyquist):
    """Where a frequency lies on a picture, 0 at its foot and 1 at its head."""
    return float(np.log1p(hertz / 700) / np.log1p(nyquist / 700))


def _on_mel_axis(values, nyquist):
    """``[frames, bins]`` -> ``[HEIGHT, WIDTH]``, even in mel; the mean of what a pixel holds."""
    bins = values.shape[1]
    hertz = 700 * np.expm1(np.linspace(0, np.log1p(nyquist / 700), HEIGHT + 1))
    edges = torch.from_numpy(hertz / nyquist * (bins - 1))
    low = edges[:-1].long()
    high = torch.maximum(edges[1:].ceil().long(), low + 1)
    below = torch.nn.functional.pad(values.double().cumsum(dim=1), (1, 0))
    rows = (below[:, high] - below[:, low]) / (high - low)  # [frames, HEIGHT]
    return torch.nn.functional.adaptive_avg_pool1d(rows.T.unsqueeze(0), WIDTH).squeeze(0)


def data_uri(kind, content):
    """Bytes as the address of themselves.

    Example
    -------
    >>> data_uri("image/webp", b"abc")
    'data:image/webp;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
