"""High-pass filter of clips: one rule for all lengths."""

import pytest
import torch

from speechbrain_lmac.audio.high_pass import high_pass


def exact(wavs, rate, hertz):
    """Weighted spectrum of the clip, in float64."""
    samples = wavs.shape[-1]
    place = ((torch.fft.rfftfreq(samples, 1 / rate).double() / hertz - 0.4) / 0.4).clamp(0, 1)
    gains = (1 - torch.cos(torch.pi * place)) / 2
    return torch.fft.irfft(gains * torch.fft.rfft(wavs.double()), samples)


@pytest.mark.parametrize("samples", [1, 2, 7, 4999, 16000, 16007, 160032])
def test_lengths_with_large_factors_are_equal(samples):
    """Clips of slow lengths are filtered as the weighted spectrum of one period."""
    wavs = torch.randn(2, samples, generator=torch.Generator().manual_seed(samples)) + 0.5
    before = wavs.clone()
    filtered = high_pass(wavs, 32000, 62.5)
    assert filtered.dtype == torch.float32 and filtered.shape == wavs.shape
    assert (filtered - exact(wavs, 32000, 62.5)).abs().max() < 2e-6
    assert wavs.equal(before)


def test_rows_do_not_depend_on_the_batch():
    """A clip is filtered alike alone and in a batch, bit by bit."""
    wavs = torch.randn(3, 16007)
    assert torch.stack([high_pass(wav, 32000, 50) for wav in wavs]).equal(
        high_pass(wavs, 32000, 50)
    )
