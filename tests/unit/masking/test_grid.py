"""Interpolation between coarse maps and the bins of a mask: identities and closed forms."""

import numpy as np
import pytest
import torch

from speechbrain_lmac.masking.grid import Grid, axis_weights, pool_to_grid, upsample_to_grid
from tests.conftest import even_grid

NAN = float("nan")


def test_axis_weights_sum_to_one():
    """A constant map stays constant."""
    weights = axis_weights(7, torch.rand(50, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(50))


def test_upsample_keeps_a_ramp_in_frequency():
    """At any positions of the bins."""
    centers = (torch.arange(16) + 0.5) / 16
    positions = torch.tensor([0.1, 0.11, 0.5, 0.83])
    out = upsample_to_grid(centers.expand(1, 3, 16), even_grid(9, positions))
    torch.testing.assert_close(out, positions.expand(1, 9, 4))


def test_upsample_to_equal_size_changes_nothing():
    """The grid has the places of the map."""
    maps = torch.randn(2, 5, 8)
    grid = even_grid(5, (torch.arange(8) + 0.5) / 8)
    torch.testing.assert_close(upsample_to_grid(maps, grid), maps)


def test_pool_keeps_constants_and_equal_size():
    """A constant stays constant; a map with the places of the grid is unchanged."""
    grid = even_grid(9, torch.linspace(0, 1, 40))
    values = torch.full((2, 9, 40), 3.0)
    torch.testing.assert_close(pool_to_grid(values, grid, (4, 8)), torch.full((2, 4, 8), 3.0))
    equal = even_grid(9, (torch.arange(8) + 0.5) / 8)
    values = torch.randn(2, 9, 8)
    torch.testing.assert_close(pool_to_grid(values, equal, (9, 8)), values)


def test_pool_ignores_invalid_bins():
    """A clip cut to its middle frames, whose highest bins do not reach the encoder."""
    grid = even_grid(4, torch.linspace(0, 1, 6))
    times = torch.tensor([[NAN, 0.1, 0.9, NAN]])
    cut = grid._replace(times=times, bin_mask=torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    values = torch.full((1, 4, 6), 9.0)
    values[:, 1:3, :3] = 1.0
    assert (pool_to_grid(values, cut, (2, 2))[..., 0] == 1).all()


def test_frames_are_valid_in_any_repetition():
    """Three frames are encoded once, twice and never; one of two bins reaches the encoder."""
    times = torch.tensor([[0.1, NAN, NAN], [0.6, 0.8, NAN]])
    grid = Grid(times, torch.tensor([0.2, 0.7]), torch.tensor([1.0, 0.0]))
    assert grid.valid_frames.tolist() == [True, True, False]
    assert grid.valid.tolist() == [[1, 0], [1, 0], [0, 0]] and not grid.all_valid
    all_bins = grid._replace(bin_mask=torch.ones(2))
    assert not all_bins.all_valid and all_bins._replace(times=times[:, :2]).all_valid


def test_upsample_averages_over_repetitions():
    """A frame at two times has the mean of both; an invalid frame is 0."""
    times = torch.tensor([[0.25, 0.25, NAN], [0.75, NAN, NAN]])
    maps = torch.tensor([[[1.0, 2.0], [5.0, 6.0]]])
    grid = Grid(times, torch.tensor([0.25, 0.5, 1.0]), torch.ones(3))
    expected = torch.tensor([[[3.0, 3.5, 4.0], [1.0, 1.5, 2.0], [0.0, 0.0, 0.0]]])
    torch.testing.assert_close(upsample_to_grid(maps, grid), expected)


def test_pool_counts_every_repetition():
    """A frame at two times is in the means of both places."""
    times = torch.tensor([[0.1, 0.2, NAN], [0.9, NAN, NAN]])
    values = torch.tensor([[[1.0, 7.0], [3.0, 7.0], [9.0, 9.0]]])
    grid = Grid(times, torch.tensor([0.5, 0.9]), torch.tensor([1.0, 0.0]))
    assert pool_to_grid(values, grid, (3, 1)).flatten().tolist() == [2, 0, 1]


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_upsample_equals_numpy_interpolation(size):
    """Along both axes; values are constant beyond the outermost centers."""
    generator = np.random.default_rng(size)
    maps = generator.normal(size=(2, size, size))
    times, positions = (np.r_[0, generator.random(9), 1] for _ in range(2))
    centers = (np.arange(size) + 0.5) / size
    in_time = np.stack([[np.interp(times, centers, row) for row in one.T] for one in maps])
    expected = np.stack([[np.interp(positions, centers, row) for row in one.T] for one in in_time])
    grid = Grid(torch.from_numpy(times)[None], torch.from_numpy(positions), torch.ones(11))
    np.testing.assert_allclose(
        upsample_to_grid(torch.from_numpy(maps), grid).numpy(), expected, atol=1e-12
    )


def test_upsample_stays_on_the_device_of_the_maps():
    """The grid is moved to the maps."""
    grid = even_grid(4, torch.linspace(0, 1, 6))
    assert upsample_to_grid(torch.zeros(1, 3, 3, device="meta"), grid).device.type == "meta"
    assert axis_weights(3, torch.zeros(5, device="meta")).device.type == "meta"
