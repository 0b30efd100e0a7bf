import torch

from speechbrain_lmac.level import level

POWER = torch.rand(2, 40, 30, generator=torch.Generator().manual_seed(0)) + 0.1


def test_gain_changes_nothing():
    for gain in (100, 1e-8):
        torch.testing.assert_close(level(gain * POWER), level(POWER), atol=1e-4, rtol=0)


def test_it_keeps_the_order_of_cells():
    assert (level(POWER).flatten(1).argsort() == POWER.flatten(1).argsort()).all()


def test_a_clip_does_not_hear_its_batch():
    torch.testing.assert_close(level(POWER)[1:], level(POWER[1:]))


def test_silence_has_a_level():
    assert level(torch.zeros(1, 5, 6)).abs().max() < 1e-3
