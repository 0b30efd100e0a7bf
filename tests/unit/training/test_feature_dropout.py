"""Dropout of hidden channels."""

import random

import pytest
import torch

from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.training.feature_dropout import channel_dropout


def test_dropout_zeroes_whole_channels():
    """The mean stays the same, and clips lose different channels."""
    features = DecoderFeatures(
        (torch.ones(400, 64, 2, 3), torch.ones(400, 16, 4, 6)), torch.rand(400, 5, 9)
    )
    dropped = channel_dropout(features, 0.2, [random.Random(place) for place in range(400)])
    assert torch.equal(dropped.log_power, features.log_power)
    for maps in dropped.hidden:
        assert (maps == maps[:, :, :1, :1]).all(), "a channel is zero everywhere or nowhere"
        torch.testing.assert_close(maps.unique(), torch.tensor([0.0, 1.25]))
        assert maps.mean() == pytest.approx(1.0, abs=0.03)
        assert maps.mean(dim=(1, 2, 3)).std() > 0, "clips lose different channels"


def test_dropout_ignores_the_batch():
    """A clip alone loses the same channels."""
    generator = torch.Generator().manual_seed(40)
    hidden = (
        torch.randn(3, 16, 5, 4, generator=generator),
        torch.randn(3, 8, 20, 16, generator=generator),
    )
    features = DecoderFeatures(hidden, torch.rand(3, 40, 20, generator=generator))
    together = channel_dropout(features, 0.5, [random.Random(name) for name in "abc"])
    second = DecoderFeatures(tuple(maps[1:2] for maps in hidden), features.log_power[1:2])
    alone = channel_dropout(second, 0.5, [random.Random("b")])
    for one, other in zip(alone.hidden, together.hidden):
        assert torch.equal(one, other[1:2])


def test_dropout_of_zero_changes_nothing():
    """No random number is drawn, so later draws stay the same."""
    features = DecoderFeatures((torch.ones(1, 8, 2, 2),), torch.zeros(1, 9, 9))
    unused = random.Random(0)
    assert channel_dropout(features, 0.0, [unused]) is features
    assert unused.random() == random.Random(0).random()
