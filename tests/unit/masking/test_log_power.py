"""Normalized log power: invariances and its formula."""

import torch

from speechbrain_lmac.masking.log_power import normalized_log_power

POWER = torch.rand(2, 40, 30, generator=torch.Generator().manual_seed(0)) + 0.1


def test_log_power_ignores_the_level():
    """A gain of the clip has no effect."""
    for gain in (100, 1e-8):
        torch.testing.assert_close(
            normalized_log_power(gain * POWER), normalized_log_power(POWER), atol=1e-4, rtol=0
        )


def test_log_power_keeps_the_order_of_bins():
    """Louder bins have larger values."""
    assert (normalized_log_power(POWER).flatten(1).argsort() == POWER.flatten(1).argsort()).all()


def test_log_power_ignores_the_batch():
    """A clip alone has the same values."""
    torch.testing.assert_close(normalized_log_power(POWER)[1:], normalized_log_power(POWER[1:]))


def test_log_power_of_silence_is_zero():
    """Zeros do not give infinite values."""
    assert normalized_log_power(torch.zeros(1, 5, 6)).abs().max() < 1e-3


def test_log_power_is_a_standardized_logarithm():
    """Logarithms of 1 and 4 lie log 2 from their mean, which is also their deviation."""
    values = normalized_log_power(torch.tensor([[[1.0, 4.0], [4.0, 1.0]]]))
    half = torch.tensor(2.0).log()
    expected = half / (half + 0.1) * torch.tensor([[[-1.0, 1.0], [1.0, -1.0]]])
    torch.testing.assert_close(values, expected)
