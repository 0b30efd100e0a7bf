import pytest
import torch

from speechbrain_lmac.audio.stft import Spectrogram


@pytest.mark.parametrize("length", [700, 1024, 4096, 32001])
@pytest.mark.parametrize("hop_length", [256, 320, 512])
def test_inverse_gives_any_clip_back(length, hop_length):
    spectrogram = Spectrogram(1024, hop_length)
    wavs = torch.randn(2, length, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        spectrogram.inverse(spectrogram(wavs), length), wavs, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("length", [300, 980, 1024, 1500, 31744, 31745, 32000, 32255])
@pytest.mark.parametrize(
    "window, hop_length", [(1024, 256), (1024, 320), (1024, 480), (1024, 512), (800, 320)]
)
def test_masked_clips_end_as_quietly_as_they_go_on(length, hop_length, window):
    """Wherever between two frames they end; and unmasked, they come back."""
    spectrogram = Spectrogram(1024, hop_length, torch.hann_window(window, periodic=False))
    generator = torch.Generator().manual_seed(length)
    wavs = torch.randn(2, length, generator=generator)
    stft = spectrogram(wavs)
    closing_frame = spectrogram.closing_frame(wavs, stft.shape[1])
    whole = spectrogram.inverse(stft, length, closing_frame)
    torch.testing.assert_close(whole, wavs, atol=1e-5, rtol=0)
    mask = (torch.rand(stft.shape, generator=generator) < 0.2).float()
    last = None if closing_frame is None else mask[:, -1] * closing_frame
    assert spectrogram.inverse(mask * stft, length, last).abs().max() < wavs.abs().max()


def test_the_closing_frame_is_the_next_of_a_clip_that_goes_on_in_its_mirror():
    """Exactly so where the mirror that torch adds is as long as the rest of that frame."""
    spectrogram = Spectrogram(1024, 512)
    wavs = torch.randn(1, 512 * 9 + 100, generator=torch.Generator().manual_seed(1))
    closing_frame = spectrogram.closing_frame(wavs, 10)
    mirrored = torch.cat([wavs, wavs[:, -513:-1].flip(1), torch.zeros(1, 2000)], dim=1)
    torch.testing.assert_close(closing_frame, spectrogram(mirrored)[:, 10], atol=1e-4, rtol=1e-4)
    assert spectrogram.closing_frame(wavs[:, : 512 * 9], 10) is None


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
