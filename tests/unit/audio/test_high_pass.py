"""High-pass filter of clips: one rule for all lengths."""

import pytest
import torch

from speechbrain_lmac.audio import high_pass as module
from speechbrain_lmac.audio.high_pass import high_pass


def exact(wavs, rate, hertz):
    """Weighted spectrum of the clip, in float64."""
    samples = wavs.shape[-1]
    place = ((torch.fft.rfftfreq(samples, 1 / rate).double() / hertz - 0.4) / 0.4).clamp(0, 1)
    gains = (1 - torch.cos(torch.pi * place)) / 2
    return torch.fft.irfft(gains * torch.fft.rfft(wavs.double()), samples)


@pytest.mark.parametrize("samples", [1, 2, 7, 4999, 16000, 16007, 160032, 700_001])
@pytest.mark.parametrize("hertz", [31.25, 400.0])
def test_a_clip_is_filtered_as_one_period(samples, hertz):
    """Clips of all lengths, short or long, are filtered as the weighted spectrum of one period."""
    wavs = torch.randn(2, samples, generator=torch.Generator().manual_seed(samples)) + 0.5
    before = wavs.clone()
    filtered = high_pass(wavs, 32000, hertz)
    assert filtered.dtype == torch.float32 and filtered.shape == wavs.shape
    assert (filtered - exact(wavs, 32000, hertz)).abs().max() < 2e-6
    assert wavs.equal(before)


def test_both_ways_are_taken():
    """The lengths above contain short and long clips."""
    assert module._is_short(160032, 32000, 31.25) and not module._is_short(700_001, 32000, 31.25)


@pytest.mark.parametrize("samples", [16007, 700_001])
def test_rows_do_not_depend_on_the_batch(samples):
    """A clip is filtered alike alone and in a batch, bit by bit."""
    wavs = torch.randn(3, samples)
    assert torch.stack([high_pass(wav, 32000, 31.25) for wav in wavs]).equal(
        high_pass(wavs, 32000, 31.25)
    )


def test_an_empty_batch_stays_empty():
    """No clip gives no filtered clip."""
    assert high_pass(torch.zeros(0, 100), 32000, 31.25).shape == (0, 100)
