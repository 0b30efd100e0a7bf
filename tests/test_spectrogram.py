import pytest
import torch

from speechbrain_lmac.spectrogram import Spectrogram


@pytest.mark.parametrize("length", [700, 1024, 4096, 32001])
@pytest.mark.parametrize("hop_length", [256, 320, 512])
def test_inverse_gives_any_clip_back(length, hop_length):
    spectrogram = Spectrogram(1024, hop_length)
    wavs = torch.randn(2, length, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        spectrogram.inverse(spectrogram(wavs), length), wavs, atol=1e-5, rtol=0
    )


def test_tone_stands_in_its_bin():
    time = torch.arange(32000) / 32000
    power = (
        Spectrogram(1024, 512)(torch.sin(2 * torch.pi * 3125.0 * time).unsqueeze(0)).abs().square()
    )
    inner = power[0, 2:-2]
    assert (inner.argmax(dim=1) == 100).all()  # 3125 Hz / (32000 Hz / 1024)
    assert (inner[:, 98:103].sum(dim=1) / inner.sum(dim=1) > 0.999).all()


def test_hop_beyond_half_a_window_is_refused():
    with pytest.raises(ValueError, match="hop_length"):
        Spectrogram(1024, 600)
