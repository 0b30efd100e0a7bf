"""Explainers without training behind the interface of a decoder."""

import pytest
import torch

from speechbrain_lmac.evaluation.listening_test import default_methods
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.network import (
    FRACTION,
    TRAINING_FREE,
    ExplainerNetwork,
    rank_gains,
)
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.utils.errors import InputError

CHEAP = ["input-x-gradient", "guided-gradcam", "gradcam", "gradcam++", "energy"]


def test_rank_gains_follow_the_ranks():
    """Gains fall with the rank, are one half at FRACTION, and above it for FRACTION of the bins."""
    ranks = torch.arange(1000).view(1, 20, 50)
    gains = rank_gains(ranks, torch.ones(50)).flatten()
    assert (gains.diff() <= 0).all() and gains[0] > 0.99 and gains[-1] < 1e-6
    assert gains[round(1000 * FRACTION)] == 0.5 and (gains > 0.5).sum() == 1000 * FRACTION


def test_rank_gains_count_encoded_bins():
    """The fraction is one of the encoded bins, not of all bins."""
    valid = (torch.arange(50) < 25).float()
    gains = rank_gains(torch.arange(1000).view(1, 20, 50), valid)
    assert (gains > 0.5).sum() == 500 * FRACTION


@pytest.mark.parametrize("name", CHEAP)
def test_network_ranks_as_its_explainer(classifier, encoded, text, name):
    """The mask of each query ranks the bins as the map of the explainer; other bins are 0."""
    network = ExplainerNetwork(classifier, name)
    masks = network(encoded, text.unsqueeze(1))
    assert masks.shape == (len(text), *encoded.power.shape) and not masks.requires_grad
    valid = classifier.grid(encoded).valid
    assert ((masks >= 0) & (masks <= 1)).all() and (masks * (1 - valid)).max() == 0
    for query, mask in zip(text, masks):
        inputs = ExplainerInputs(query.expand(len(encoded.power), -1), (0,) * len(encoded.power))
        maps = TRAINING_FREE[name](network, encoded, inputs) * valid
        assert not (mask > 0)[maps == 0].any()
        for one, other in zip(maps, mask):
            seen = (one > 0) & (other > 0)
            ranks = torch.stack([v[seen].argsort().argsort().float() for v in (one, other)])
            assert ranks.corrcoef()[0, 1] > 0.99


@pytest.mark.parametrize("name", ["energy", "gradcam", "input-x-gradient", "integrated-gradients"])
def test_notice_compares_passes(classifier, name):
    """A trained decoder is said to need fewer passes only if it does."""
    network = ExplainerNetwork(classifier, name)
    passes = network.explainer.passes(classifier)
    assert ("two at most" in network.notice) == (passes > 2)
    assert f"{passes} encoder pass{'es' if passes != 1 else ''} per prompt. " in network.notice


def test_network_explains_clips_alone(classifier, encoded, text):
    """The mask of a clip does not depend on the other clips of its batch."""
    network = ExplainerNetwork(classifier, "gradcam++")
    masks = network(encoded, text[:1].unsqueeze(1))
    for i, clip in enumerate(encoded.split()):
        alone = network(clip, text[:1].unsqueeze(1))
        assert (alone[:, 0] - masks[:, i]).abs().mean() < 1e-3  # bins that tie may swap


def test_network_refuses_unknown_explainers(classifier):
    """Explainers that need a decoder or the sources are not offered."""
    for name in ("lmac", "oracle-irm", "shuffled-clip", "gradcam+++"):
        with pytest.raises(InputError, match="explainer must be saliency, "):
            ExplainerNetwork(classifier, name)
    assert {"optimized", "scorecam", "gscorecam", "smoothgrad"} <= TRAINING_FREE.keys()


def test_network_has_no_decoder(classifier, model):
    """A network of an explainer is no network with a decoder; both are networks of masks."""
    network = ExplainerNetwork(classifier, "energy")
    assert isinstance(network, MaskNetwork) and isinstance(model, MaskNetwork)
    assert not isinstance(network, InterpreterNetwork) and not hasattr(network, "decoder")
    assert set(default_methods(model)) - set(default_methods(network)) == {"lmac"}
