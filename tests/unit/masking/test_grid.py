import numpy as np
import pytest
import torch

from speechbrain_lmac.masking.grid import Grid, axis_weights, pool_to_grid, upsample_to_grid
from tests.conftest import even_grid


def test_weights_keep_a_constant():
    weights = axis_weights(7, torch.rand(50, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(50))


def test_a_ramp_in_frequency_stays_a_ramp_wherever_the_bins_lie():
    centers = (torch.arange(16) + 0.5) / 16
    positions = torch.tensor([0.1, 0.11, 0.5, 0.83])
    out = upsample_to_grid(centers.expand(1, 3, 16), even_grid(9, positions))
    torch.testing.assert_close(out, positions.expand(1, 9, 4))


def test_own_size_is_left_alone():
    maps = torch.randn(2, 5, 8)
    grid = even_grid(5, (torch.arange(8) + 0.5) / 8)
    torch.testing.assert_close(upsample_to_grid(maps, grid), maps)


def test_gathering_keeps_a_constant_and_own_size():
    grid = even_grid(9, torch.linspace(0, 1, 40))
    values = torch.full((2, 9, 40), 3.0)
    torch.testing.assert_close(pool_to_grid(values, grid, (4, 8)), torch.full((2, 4, 8), 3.0))
    own = even_grid(9, (torch.arange(8) + 0.5) / 8)
    values = torch.randn(2, 9, 8)
    torch.testing.assert_close(pool_to_grid(values, own, (9, 8)), values)


def test_what_is_never_heard_is_not_gathered():
    """A clip cut to its middle frames, of which the highest bins are not fed."""
    grid = even_grid(4, torch.linspace(0, 1, 6))
    times = torch.tensor([[float("nan"), 0.1, 0.9, float("nan")]])
    cut = grid._replace(times=times, bin_mask=torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    values = torch.full((1, 4, 6), 9.0)
    values[:, 1:3, :3] = 1.0
    assert (pool_to_grid(values, cut, (2, 2))[..., 0] == 1).all()


def test_cells_are_heard_in_any_repetition():
    """Of three frames one is heard twice, one once and one never; of two bins one is fed."""
    nan = float("nan")
    times = torch.tensor([[0.1, nan, nan], [0.6, 0.8, nan]])
    grid = Grid(times, torch.tensor([0.2, 0.7]), torch.tensor([1.0, 0.0]))
    assert grid.valid_frames.tolist() == [True, True, False]
    assert grid.valid.tolist() == [[1, 0], [1, 0], [0, 0]] and not grid.all_valid
    bin_mask = grid._replace(bin_mask=torch.ones(2))
    assert not bin_mask.all_valid and bin_mask._replace(times=times[:, :2]).all_valid


def test_spread_is_the_mean_over_repetitions():
    """What is heard at two places has the mean of both, what is never heard has 0."""
    nan = float("nan")
    times = torch.tensor([[0.25, 0.25, nan], [0.75, nan, nan]])
    maps = torch.tensor([[[1.0, 2.0], [5.0, 6.0]]])
    grid = Grid(times, torch.tensor([0.25, 0.5, 1.0]), torch.ones(3))
    expected = torch.tensor([[[3.0, 3.5, 4.0], [1.0, 1.5, 2.0], [0.0, 0.0, 0.0]]])
    torch.testing.assert_close(upsample_to_grid(maps, grid), expected)


def test_gather_counts_every_repetition():
    """A frame that is heard at two places is in the means of both."""
    nan = float("nan")
    times = torch.tensor([[0.1, 0.2, nan], [0.9, nan, nan]])
    values = torch.tensor([[[1.0, 7.0], [3.0, 7.0], [9.0, 9.0]]])
    grid = Grid(times, torch.tensor([0.5, 0.9]), torch.tensor([1.0, 0.0]))
    found = pool_to_grid(values, grid, (3, 1))
    assert found.flatten().tolist() == [2, 0, 1]


@pytest.mark.parametrize("cells", [1, 2, 3, 6])
def test_spread_is_numpys_interpolation(cells):
    """Along both axes; beyond the outermost centers the value is held."""
    generator = np.random.default_rng(cells)
    maps = generator.normal(size=(2, cells, cells))
    times, places = (np.r_[0, generator.random(9), 1] for _ in range(2))
    centers = (np.arange(cells) + 0.5) / cells
    inside = np.stack([[np.interp(times, centers, row) for row in one.T] for one in maps])
    expected = np.stack([[np.interp(places, centers, row) for row in one.T] for one in inside])
    grid = Grid(torch.from_numpy(times)[None], torch.from_numpy(places), torch.ones(11))
    np.testing.assert_allclose(
        upsample_to_grid(torch.from_numpy(maps), grid).numpy(), expected, atol=1e-12
    )


def test_grids_follow_the_maps_to_their_device():
    grid = even_grid(4, torch.linspace(0, 1, 6))
    assert upsample_to_grid(torch.zeros(1, 3, 3, device="meta"), grid).device.type == "meta"
    assert axis_weights(3, torch.zeros(5, device="meta")).device.type == "meta"
