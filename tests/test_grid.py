import torch

from speechbrain_lmac.grid import axis_weights, gather, spread
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


def test_gathering_keeps_a_constant_and_own_size():
    grid = even_grid(9, torch.linspace(0, 1, 40))
    values = torch.full((2, 9, 40), 3.0)
    torch.testing.assert_close(gather(values, grid, (4, 8)), torch.full((2, 4, 8), 3.0))
    own = even_grid(9, (torch.arange(8) + 0.5) / 8)
    values = torch.randn(2, 9, 8)
    torch.testing.assert_close(gather(values, own, (9, 8)), values)


def test_what_is_never_heard_is_not_gathered():
    """A clip cut to its middle frames, of which the highest bins are not fed."""
    grid = even_grid(4, torch.linspace(0, 1, 6))
    times = torch.tensor([[float("nan"), 0.1, 0.9, float("nan")]])
    cut = grid._replace(times=times, fed=torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    values = torch.full((1, 4, 6), 9.0)
    values[:, 1:3, :3] = 1.0
    assert (gather(values, cut, (2, 2))[..., 0] == 1).all()
