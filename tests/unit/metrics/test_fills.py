"""Fills of masked-out bins: closed forms."""

import math

import pytest
import torch
from torch.nn.functional import pad

from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.masking.domains import DOMAINS, build
from speechbrain_lmac.metrics.fills import FILLS, check_fills, fill_power
from speechbrain_lmac.models.clap.mini import MiniCLAP
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


@pytest.mark.parametrize("masking", DOMAINS)
def test_noise_floor_ignores_padding(masking):
    """The noise floor of a clip padded with digital silence is that of the frames with sound."""
    domain = build(masking, MiniCLAP())
    rain = synthesize("rain", seed=1, seconds=2.0)
    power = domain.power(torch.stack([rain, pad(rain[: len(rain) // 2], (0, len(rain) // 2))]))
    sounding = power[1:, power[1].sum(dim=1) > 0]
    assert sounding.shape[1] < 0.6 * power.shape[1]
    floor = FILLS["noise_floor"](power)
    assert torch.equal(floor[1:], FILLS["noise_floor"](sounding))
    assert (floor > 0).all()


def test_noise_floor_without_silence_is_the_percentile():
    """Silent bins of frames with sound count; the values are exactly those of ``kthvalue``."""
    power = torch.rand(3, 37, 5, generator=torch.Generator().manual_seed(0))
    power[0, 10:, 2] = 0  # a silent bin, but no silent frame
    expected = power.kthvalue(math.ceil(0.1 * 37), dim=1, keepdim=True).values
    assert torch.equal(FILLS["noise_floor"](power), expected)
    assert expected[0, 0, 2] == 0


def test_noise_floor_of_silence_is_silence():
    """A silent clip has a noise floor of zero and does not change other clips of its batch."""
    power = torch.rand(2, 20, 4) + 1
    alone = FILLS["noise_floor"](power[1:])
    power[0] = 0
    floor = FILLS["noise_floor"](power)
    assert (floor[0] == 0).all() and torch.equal(floor[1:], alone)


@pytest.mark.parametrize("fills", [[], "silence", ["white"], [1], None, ["mean", "noise"]])
def test_fills_must_be_known(fills):
    """A wrong list is refused before training."""
    with pytest.raises(InputError, match="mask_fills must be a list of silence, noise_floor, mean"):
        check_fills(fills)


def test_known_fills_pass():
    """Every subset of the fills is a valid setting."""
    check_fills(list(FILLS))
    check_fills(["mean"])
