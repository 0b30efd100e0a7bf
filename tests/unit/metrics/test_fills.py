"""Fills of masked-out bins: closed forms."""

import pytest
import torch

from speechbrain_lmac.metrics.fills import FILLS, check_fills, fill_power
from speechbrain_lmac.utils.errors import InputError


def test_each_clip_takes_its_own_fill():
    """One fill for each clip, computed from that clip."""
    power = torch.rand(3, 20, 4)
    filled = fill_power(power, ["noise_floor", "silence", "mean"])
    expected = torch.stack(
        [power[0].sort(dim=0).values[1:2], power[1, :1] * 0, power[2].mean(0, True)]
    )
    torch.testing.assert_close(filled, expected)


def test_silence_is_no_fill():
    """Silence alone takes the path without a fill."""
    assert fill_power(torch.rand(2, 5, 4), ["silence", "silence"]) is None


@pytest.mark.parametrize("fills", [[], "silence", ["white"], [1], None, ["mean", "noise"]])
def test_fills_must_be_known(fills):
    """A wrong list is refused before training."""
    with pytest.raises(InputError, match="mask_fills must be a list of silence, noise_floor, mean"):
        check_fills(fills)


def test_known_fills_pass():
    """Every subset of the fills is a valid setting."""
    check_fills(list(FILLS))
    check_fills(["mean"])
