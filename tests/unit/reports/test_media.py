"""Sounds and images of pages."""

import base64
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from speechbrain_lmac.data.synthetic import mixture
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.reports.media import decode_mp3, encode_image, encode_mp3, matched_gain
from speechbrain_lmac.reports.players import ClipRenderer
from speechbrain_lmac.reports.raster import HEIGHT, WIDTH, height_of


def test_matched_gain_does_not_clip():
    """Levels are matched up to 20 dB and up to full scale."""
    loud, faint = torch.tensor([0.5, -0.5]), torch.tensor([0.1, -0.1])

    def energy(wavs):
        return wavs.square().mean(dim=-1)

    assert (matched_gain(faint, loud, energy) * faint).abs().max().item() == pytest.approx(0.5)
    peaky = torch.zeros(1000)
    peaky[0] = 0.5
    assert (matched_gain(peaky, loud, energy) * peaky).abs().max() < 1
    assert matched_gain(1e-6 * faint, loud, energy) == pytest.approx(10)  # at most 20 dB
    assert matched_gain(0 * faint, loud, energy) == 1


def test_encode_mp3_preserves_the_sound(interpretation):
    """The error of coding is small."""
    wav = interpretation.original
    decoded = decode_mp3(encode_mp3(wav, interpretation.sample_rate))
    assert len(decoded) >= len(wav)
    error = (decoded[: len(wav)] - wav).square().mean() / wav.square().mean()
    assert error < 0.15  # half of the clip is noise


def test_renderer_matches_levels_of_hot_clips():
    """Players of a clip beyond full scale are equally loud and do not clip."""
    scene = mixture("siren", "rain", seed=5, seconds=2.0)
    clip = 3 * scene.mixture / scene.mixture.abs().max()
    renderer = ClipRenderer(MiniCLAP(), clip)
    original = renderer.player("Clip", clip, "clip")
    masked_in = renderer.player("Masked-in", 0.2 * clip.clamp(-1, 1), "a part of the clip")
    players = (original, masked_in)
    sounds = [decode_mp3(base64.b64decode(player.sound.split(",")[1])) for player in players]
    levels = [10 * sound.square().mean().log10() for sound in sounds]
    assert all(sound.abs().max() <= 1 for sound in sounds)
    assert levels[1] - levels[0] < 1


def test_encode_image_draws_a_tone_at_its_height():
    """The brightest row is that of 2 kHz."""
    values = torch.zeros(10, 513)
    values[:, 64] = 1  # 2 kHz of 16
    encoded = encode_image(values, 16000, "gray", (0, 0.5))
    image = np.asarray(Image.open(BytesIO(encoded)).convert("L"))
    assert image.shape == (HEIGHT, WIDTH)
    row = image.mean(axis=1).argmax()
    assert 1 - row / HEIGHT == pytest.approx(height_of(2000, 16000), abs=0.02)
