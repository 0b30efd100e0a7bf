import torch

from speechbrain_lmac.grid import axis_weights, spread
from tests.conftest import even_grid


def test_weights_keep_a_constant():
    weights = axis_weights(7, torch.rand(50, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(50))


def test_a_ramp_in_frequency_stays_a_ramp_wherever_the_bins_lie():
    centres = (torch.arange(16) + 0.5) / 16
    positions = torch.tensor([0.1, 0.11, 0.5, 0.83])
    out = spread(centres.expand(1, 3, 16), even_grid(9, positions))
    torch.testing.assert_close(out, positions.expand(1, 9, 4))


def test_own_size_is_left_alone():
    maps = torch.randn(2, 5, 8)
    grid = even_grid(5, (torch.arange(8) + 0.5) / 8)
    torch.testing.assert_close(spread(maps, grid), maps)
