import pytest
import torch

from speechbrain_lmac import losses
from speechbrain_lmac.errors import InputError
from speechbrain_lmac.losses import Objective, Pairs

TERMS = {
    "similarity": losses.similarity_matching,
    "sparsity": losses.sparsity,
    "diversity": losses.prompt_diversity,
    "out": losses.masked_out,
    "others": losses.others_kept,
    "share": losses.own_share,
    "binary": losses.binarisation,
}


@pytest.fixture
def pairs():
    generator = torch.Generator().manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=1)
    return Pairs(
        masks=torch.rand(4, 4, 6, 5, generator=generator),
        text=text,
        original=torch.rand(4, 4, generator=generator),
        masked_in=torch.rand(4, 4, generator=generator),
        masked_out=torch.rand(4, 4, generator=generator),
    )


def twice(pairs):
    """The same batch with every clip and text in it twice."""
    return Pairs(
        pairs.masks.repeat(2, 2, 1, 1),
        pairs.text.repeat(2, 1),
        pairs.original.repeat(2, 2),
        pairs.masked_in.repeat(2, 2),
        pairs.masked_out.repeat(2, 2),
    )


@pytest.mark.parametrize("name", [name for name in TERMS if name != "diversity"])
def test_a_term_does_not_depend_on_batch_size(name, pairs):
    torch.testing.assert_close(TERMS[name](twice(pairs)), TERMS[name](pairs))


def test_diversity_does_not_depend_on_batch_size(pairs):
    """A text with itself adds 0, whether it stands on the diagonal or is there twice."""
    torch.testing.assert_close(
        losses.prompt_diversity(twice(pairs)), losses.prompt_diversity(pairs)
    )


def test_a_perfect_explanation_costs_only_its_cells(pairs):
    ideal = pairs._replace(masked_in=pairs.original, masked_out=torch.full((4, 4), -1.0))
    assert losses.similarity_matching(ideal) == 0
    assert losses.masked_out(ideal) == 0


def test_paraphrases_may_share_a_mask_and_strangers_may_not(pairs):
    shared = pairs.masks[:1].expand(4, -1, -1, -1)
    same = pairs._replace(masks=shared, text=pairs.text[:1].expand(4, -1))
    apart = pairs._replace(masks=shared, text=torch.eye(4, 8))
    assert losses.prompt_diversity(same).item() == pytest.approx(0, abs=1e-6)
    assert losses.prompt_diversity(apart).item() == pytest.approx(12 / 16, abs=1e-5)


def test_masked_out_is_bounded_below(pairs):
    lowest = pairs._replace(masked_out=torch.full((4, 4), -100.0))
    assert losses.masked_out(lowest) == 0


def test_binarisation_ends():
    halves, ends = torch.full((1, 1, 2, 2), 0.5), torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    assert losses.binarisation(Pairs(halves, None, None, None, None)) == 1
    assert losses.binarisation(Pairs(ends, None, None, None, None)) == 0


def test_the_poster_keeps_its_name_and_others_get_their_own(pairs):
    weights = dict.fromkeys(TERMS, 1.0)
    poster = {name: float(name in losses.POSTER_TERMS) for name in TERMS}
    assert Objective(TERMS, poster).method == "LMAC-ZS"
    assert Objective(TERMS, weights).method == "LMAC-ZS+out+others+share+binary"
    assert Objective(TERMS, {**poster, "diversity": 0}).method == "LMAC-ZS-diversity"


def test_taking_one_sound_out_must_leave_the_others(pairs):
    apart = pairs._replace(text=torch.eye(4, 8))
    silenced = apart._replace(masked_out=torch.zeros(4, 4))
    only_own = apart._replace(masked_out=pairs.original * (1 - torch.eye(4)))
    unlike = 1 - torch.eye(4)
    assert losses.others_kept(only_own) == 0
    assert losses.others_kept(silenced) == pytest.approx((unlike * pairs.original).mean().item())


def test_own_share_holds_sparsity_off_the_own_masks_alone(pairs):
    masks = torch.zeros(4, 4, 6, 5)
    assert losses.own_share(pairs._replace(masks=masks)).item() == pytest.approx(0.2)
    masks[range(4), range(4)] = 0.3
    assert losses.own_share(pairs._replace(masks=masks)) == 0


def test_objective_is_the_weighted_sum(pairs):
    weights = {**dict.fromkeys(TERMS, 0), "similarity": 2.0, "sparsity": 0.5, "out": 1}
    loss, terms = Objective(TERMS, weights)(pairs)
    assert set(terms) == {"similarity", "sparsity", "out"}
    assert loss.item() == pytest.approx(
        sum(weights[name] * term.item() for name, term in terms.items())
    )


def test_weights_without_a_term_are_named():
    with pytest.raises(InputError, match="speed"):
        Objective(TERMS, {**dict.fromkeys(TERMS, 1.0), "speed": 1.0})
