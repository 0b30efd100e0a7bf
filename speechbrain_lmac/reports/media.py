"""Sounds and images as data URIs for HTML."""

import base64
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image

from speechbrain_lmac.audio.io import PEAK
from speechbrain_lmac.reports.raster import pixels

MAX_TRIES = 4
"""Times that a sound is encoded until it does not clip."""
MAX_GAIN_DB = 20.0
"""Maximum gain of a faint sound."""


def matched_gain(
    wav: torch.Tensor, reference: torch.Tensor, energy: Callable[[torch.Tensor], torch.Tensor]
) -> float:
    """Return the gain that makes a sound as loud as a reference without clipping.

    Arguments
    ---------
    wav : torch.Tensor
        Sound, ``[time]``.
    reference : torch.Tensor
        Reference sound, ``[time]``.
    energy : callable
        Measure of loudness: sounds ``[batch, time]`` -> ``[batch]``.

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
    own, wanted = (energy(sound.unsqueeze(0)).item() for sound in (wav, reference))
    matched = (wanted / own) ** 0.5 if own > 0 else 1.0
    return min(matched, PEAK / max(peak, PEAK * 1e-6), 10 ** (MAX_GAIN_DB / 20))


def encode_mp3(wav: torch.Tensor, sample_rate: int) -> bytes:
    """Encode a sound ``[time]`` as MP3, which all browsers play."""
    samples = wav.detach().cpu().numpy().astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:  # in memory, libsndfile would call us back
        path = Path(folder) / "sound.mp3"  # from C, where an interruption has nowhere to go
        soundfile.write(path, samples, sample_rate, format="MP3", subtype="MPEG_LAYER_III")
        return path.read_bytes()


def encode_unclipped_mp3(wav: torch.Tensor, gain: float, sample_rate: int) -> tuple[bytes, float]:
    """Encode a sound as MP3 with a gain that is lowered until the decoded sound does not clip.

    Arguments
    ---------
    wav : torch.Tensor
        Sound, ``[time]``.
    gain : float
        Gain to start from. Lossy encoding changes peaks, so it may have to be lowered.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    bytes, float
        Encoded sound and final gain.
    """
    encoded = encode_mp3(gain * wav, sample_rate)
    for _ in range(MAX_TRIES):
        peak = decode_mp3(encoded).abs().max().item()
        if peak <= 1:
            break
        gain *= PEAK / peak
        encoded = encode_mp3(gain * wav, sample_rate)
    return encoded, gain


def decode_mp3(encoded: bytes) -> torch.Tensor:
    """Decode MP3 as a player does: ``[time]``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        path.write_bytes(encoded)
        samples, _ = soundfile.read(path, dtype="float32")
    return torch.from_numpy(samples)


def encode_image(
    values: torch.Tensor, nyquist: float, colors: str, limits: tuple[float, float]
) -> bytes:
    """Encode time-frequency values as a WebP image on a mel axis.

    Arguments
    ---------
    values : torch.Tensor
        Values on a linear frequency axis, ``[frames, bins]``.
    nyquist : float
        Frequency of the last bin, in Hz.
    colors : str
        Name of a color map of matplotlib.
    limits : tuple of float
        Values at the two ends of the color map.

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    image = Image.fromarray(pixels(values, nyquist, colors, limits))
    image.save(buffer, format="WEBP", quality=80, method=4)
    return buffer.getvalue()


def data_uri(media_type: str, content: bytes) -> str:
    """Return bytes as a data URI.

    Example
    -------
    >>> data_uri("image/webp", b"abc")
    'data:image/webp;base64,YWJj'
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
