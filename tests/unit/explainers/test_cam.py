"""Class activation maps; tests/reference/test_explainer_libraries.py compares them to torchcam."""

import pytest
import torch

from speechbrain_lmac.explainers.cam import GradCAM
from speechbrain_lmac.explainers.score_cam import GScoreCAM, ScoreCAM
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.utils.errors import InputError


def test_gscorecam_of_all_channels_is_scorecam(model, encoded, inputs):
    """A fraction of 1 selects every channel."""
    expected = ScoreCAM(layer=2)(model, encoded, inputs)
    maps = GScoreCAM(layer=2, fraction=1.0)(model, encoded, inputs)
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=1e-4)


def test_gscorecam_of_one_channel_is_the_channel(model, encoded, inputs):
    """The softmax of one logit is 1; the channel has the largest mean gradient."""
    maps, gradient = GradCAM().map_and_gradient(model.classifier, encoded, inputs.query)
    best = gradient.mean(dim=(2, 3)).argmax(dim=1)
    channel = maps[torch.arange(len(best)), best]
    expected = upsample_to_grid(channel.relu(), model.classifier.grid(encoded))
    torch.testing.assert_close(GScoreCAM(fraction=1e-6)(model, encoded, inputs), expected)


def test_layer_out_of_range_is_named(model, encoded, inputs):
    """The error states the range."""
    with pytest.raises(InputError, match="layer must be 0 to 3, got 4"):
        GradCAM(layer=4)(model, encoded, inputs)
