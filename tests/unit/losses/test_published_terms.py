"""Terms of the published L-MAC: closed forms, thresholds and names of the methods."""

import math

import pytest
import torch

from speechbrain_lmac.losses import terms as losses
from speechbrain_lmac.losses.objective import Objective, method_name
from speechbrain_lmac.losses.pairs import MaskedPairs
from speechbrain_lmac.utils.errors import InputError
from tests.unit.losses.conftest import FIRST, SECOND, one_clip, unmasked

PAIR = torch.tensor([0])


def guided_pairs(clean, noisy=None):
    """Return pairs of one clip with log magnitudes of one frame and four bins."""
    spectra = torch.tensor([noisy or clean, clean])[:, None, None]
    return one_clip(FIRST)._replace(spectra=spectra)


def test_mask_out_log_is_its_closed_form():
    """``b log r`` of a query that the masked-out part contains."""
    pairs = one_clip(SECOND, targets=[1])
    weight, r = 4 / (3 + math.exp(2)), math.exp(2) / (3 + math.exp(2))
    masked = MaskedPairs(torch.eye(4)[1:2], pairs, PAIR)
    value = losses.mask_out_log(masked).item()
    assert value == pytest.approx(weight * math.log(r), rel=1e-5)


def test_mask_out_log_has_no_bound():
    """It falls with the logit of the query; the bounded term stays positive."""
    pairs = one_clip(FIRST, targets=[0], scale=1000.0)
    masked = MaskedPairs(-torch.eye(4)[:1], pairs, PAIR)
    assert losses.mask_out_log(masked).item() == pytest.approx(-1000, rel=1e-2)
    assert losses.mask_out_nll(masked).item() == pytest.approx(0, abs=1e-6)


def test_mask_out_log_negates_mask_in_nll(pairs):
    """Both have one formula, for other parts of the clip."""
    clip = unmasked(pairs)
    torch.testing.assert_close(losses.mask_out_log(clip), -losses.mask_in_nll(clip))


def test_guidance_is_its_closed_form():
    """Bins from 0.35 of the largest log magnitude on belong to the guide."""
    pairs = guided_pairs([1.0, 0.35, 0.34, 0.0])
    masks = torch.tensor([[[[0.9, 0.8, 0.3, 0.1]]]])
    expected = -sum(map(math.log, (0.9, 0.8, 0.7, 0.9))) / 4
    assert losses.guidance(masks, pairs).item() == pytest.approx(expected, rel=1e-5)
    assert losses.guidance(masks, one_clip(FIRST)) == 0


def test_guidance_needs_a_cosine_of_06():
    """A masked-in part unlike the clip without noise is left to the mask mean."""
    pairs = guided_pairs([1.0, 0.0, 0.0, 0.0], noisy=[1.0, 1.0, 0.0, 0.0])
    for second, guided in ((1.3, True), (1.4, False)):  # cosine 1 / sqrt(1 + second ** 2)
        masks = torch.tensor([[[[0.5, 0.5 * second, 0.0, 0.0]]]])
        assert losses.is_guided(masks, pairs.spectra).tolist() == [guided]
        assert (losses.guidance(masks, pairs) > 0) == guided
        expected = 0.0 if guided else masks.mean().item()
        assert losses.sparsity(masks, pairs).item() == pytest.approx(expected)


def test_sparsity_counts_unguided_clips():
    """The mean over the batch is multiplied by the fraction of unguided clips."""
    clean = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    spectra = torch.stack([torch.ones_like(clean), clean])
    pairs = one_clip(FIRST)._replace(spectra=spectra)
    masks = torch.tensor([[[[0.6, 0.1]], [[0.1, 0.6]]]])
    assert losses.is_guided(masks, spectra).tolist() == [True, False]
    assert losses.sparsity(masks, pairs).item() == pytest.approx(0.35 / 2)
    other_queries = torch.cat([masks, masks.flip(1)])
    assert losses.is_guided(other_queries, spectra).tolist() == [True, False]


def test_guidance_ignores_frames_left_out():
    """Frames of the masks beyond the log magnitudes do not count."""
    pairs = guided_pairs([1.0, 0.5, 0.1, 0.0])
    masks = torch.tensor([[[[0.9, 0.8, 0.3, 0.1]]]])
    longer = torch.cat([masks, torch.zeros(1, 1, 2, 4)], dim=2)
    assert losses.guidance(longer, pairs) == losses.guidance(masks, pairs)


def test_guidance_gradient_is_finite():
    """Also for masks of exactly 0 and 1."""
    pairs = guided_pairs([1.0, 0.9, 0.1, 0.0])
    masks = torch.tensor([[[[1.0, 0.9, 0.0, 1.0]]]], requires_grad=True)
    losses.guidance(masks, pairs).backward()
    assert masks.grad.isfinite().all()


def test_published_methods_have_their_names():
    """The terms of both stages name the methods."""
    terms = ["mask_in_nll", "mask_out_log", "sparsity"]
    assert method_name(terms, "L-MAC") == "L-MAC"
    assert method_name([*terms, "guidance"], "L-MAC") == "L-MAC-FT"
    assert method_name([*terms[:2], "guidance"], "L-MAC") == "L-MAC-FT-sparsity"


@pytest.mark.parametrize("weight", ["four", True, None, float("nan")])
def test_loss_weights_are_numbers(weight):
    """The error names the term."""
    with pytest.raises(InputError, match=r"must be numbers, got .* for sparsity"):
        Objective({}, {}, {"sparsity": losses.sparsity}, {"sparsity": weight})
