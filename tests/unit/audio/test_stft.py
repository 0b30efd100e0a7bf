"""The short-time Fourier transform and its inverse."""

import pytest
import torch

from speechbrain_lmac.audio.stft import Spectrogram


@pytest.mark.parametrize("length", [700, 1024, 4096, 32001])
@pytest.mark.parametrize("hop_length", [256, 320, 512])
def test_inverse_restores_any_clip(length, hop_length):
    """The inverse of an unmodified transform is the clip."""
    spectrogram = Spectrogram(1024, hop_length)
    wavs = torch.randn(2, length, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        spectrogram.inverse(spectrogram(wavs), length), wavs, atol=1e-5, rtol=0
    )


def assert_restores(spectrogram, length):
    """The inverse is exact, and a masked clip is not amplified at its end."""
    generator = torch.Generator().manual_seed(length)
    wavs = torch.randn(2, length, generator=generator)
    stft = spectrogram(wavs)
    closing = spectrogram.closing_frame(wavs, stft.shape[1])
    full = spectrogram.inverse(stft, length, closing)
    torch.testing.assert_close(full, wavs, atol=1e-5, rtol=0)
    mask = (torch.rand(stft.shape, generator=generator) < 0.2).float()
    masked = None if closing is None else mask[:, -1] * closing
    assert spectrogram.inverse(mask * stft, length, masked).abs().max() < wavs.abs().max()


@pytest.mark.parametrize("length", [300, 980, 1024, 1500, 31744, 31745, 32000, 32255])
@pytest.mark.parametrize(
    "window, hop_length", [(1024, 256), (1024, 320), (1024, 480), (1024, 512), (800, 320)]
)
def test_masked_clip_ends_without_click(length, hop_length, window):
    """The end of a masked clip is not amplified, wherever between two frames it is."""
    spectrogram = Spectrogram(1024, hop_length, torch.hann_window(window, periodic=False))
    assert_restores(spectrogram, length)


def test_closing_frame_is_of_the_mirrored_clip():
    """It equals the next frame of a clip that is continued by its own reflection."""
    spectrogram = Spectrogram(1024, 512)
    wavs = torch.randn(1, 512 * 9 + 100, generator=torch.Generator().manual_seed(1))
    closing = spectrogram.closing_frame(wavs, 10)
    mirrored = torch.cat([wavs, wavs[:, -513:-1].flip(1), torch.zeros(1, 2000)], dim=1)
    torch.testing.assert_close(closing, spectrogram(mirrored)[:, 10], atol=1e-4, rtol=1e-4)
    assert spectrogram.closing_frame(wavs[:, : 512 * 9], 10) is None


def test_spectrogram_puts_tone_in_its_bin():
    """A tone of 3125 Hz is in bin 100 of 31.25 Hz each."""
    time = torch.arange(32000) / 32000
    tone = torch.sin(2 * torch.pi * 3125.0 * time).unsqueeze(0)
    power = Spectrogram(1024, 512)(tone).abs().square()
    inner = power[0, 2:-2]
    assert (inner.argmax(dim=1) == 100).all()
    assert (inner[:, 98:103].sum(dim=1) / inner.sum(dim=1) > 0.999).all()


@pytest.mark.parametrize("length", [300, 1024, 1500, 16000, 16100])
def test_zero_padded_clip_is_restored(length):
    """The inverse is exact, and a masked clip ends without a click."""
    spectrogram = Spectrogram(1024, 186, torch.hamming_window(372), pad_mode="constant")
    assert_restores(spectrogram, length)


def test_spectrogram_refuses_long_hop():
    """Frames must overlap by at least half a window."""
    with pytest.raises(ValueError, match="hop_length"):
        Spectrogram(1024, 600)


def test_zeros_beyond_the_edges():
    """With constant padding, the first and the closing frame see silence beyond the clip."""
    window = torch.hamming_window(372)
    spectrogram = Spectrogram(1024, 186, window, pad_mode="constant")
    wavs = torch.randn(1, 186 * 9 + 100, generator=torch.Generator().manual_seed(1))
    silence = torch.zeros(1, 1860)
    longer = torch.cat([silence, wavs, silence], dim=1)
    expected = spectrogram(longer)
    torch.testing.assert_close(spectrogram(wavs), expected[:, 10:20], atol=1e-5, rtol=1e-5)
    closing = spectrogram.closing_frame(wavs, 10)
    torch.testing.assert_close(closing, expected[:, 20], atol=1e-5, rtol=1e-5)
    mirrored = Spectrogram(1024, 186, window)
    assert (mirrored(wavs) - spectrogram(wavs)).abs().max() > 1e-2
    with pytest.raises(ValueError, match="pad_mode must be reflect or constant, got 'wrap'"):
        Spectrogram(1024, 186, pad_mode="wrap")
