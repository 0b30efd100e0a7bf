import torch

from speechbrain_lmac.masking.log_power import normalized_log_power

POWER = torch.rand(2, 40, 30, generator=torch.Generator().manual_seed(0)) + 0.1


def test_gain_changes_nothing():
    for gain in (100, 1e-8):
        torch.testing.assert_close(
            normalized_log_power(gain * POWER), normalized_log_power(POWER), atol=1e-4, rtol=0
        )


def test_it_keeps_the_order_of_cells():
    assert (normalized_log_power(POWER).flatten(1).argsort() == POWER.flatten(1).argsort()).all()


def test_a_clip_does_not_hear_its_batch():
    torch.testing.assert_close(normalized_log_power(POWER)[1:], normalized_log_power(POWER[1:]))


def test_silence_has_a_level():
    assert normalized_log_power(torch.zeros(1, 5, 6)).abs().max() < 1e-3


def test_level_is_the_standardised_logarithm():
    """Logarithms of 1 and 4 lie log 2 from their mean, which is their deviation too."""
    found = normalized_log_power(torch.tensor([[[1.0, 4.0], [4.0, 1.0]]]))
    half = torch.tensor(2.0).log()
    expected = half / (half + 0.1) * torch.tensor([[[-1.0, 1.0], [1.0, -1.0]]])
    torch.testing.assert_close(found, expected)
