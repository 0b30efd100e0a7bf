"""Randomization: what is drawn anew and what is not, and how alike two maps are."""

import copy

import pytest
import torch
from scipy.stats import spearmanr
from torchmetrics.functional.image import structural_similarity_index_measure

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.controls import EnergyMask
from speechbrain_lmac.explainers.lmac import LMAC
from speechbrain_lmac.metrics.randomization import (
    permute,
    random_text,
    spearman,
    ssim,
    stages,
    weights,
)
from speechbrain_lmac.metrics.top_k import as_masks
from speechbrain_lmac.models.registry import load_clap
from speechbrain_lmac.utils.errors import InputError


def heard_weights(module, score):
    """Ids of the weights that a score depends on, by autograd."""
    held = list(module.parameters())
    for weight in held:
        weight.requires_grad_()
    gradients = torch.autograd.grad(score(), held, allow_unused=True)
    return {id(weight) for weight, slope in zip(held, gradients) if slope is not None}


def test_blocks_hold_every_weight_that_is_heard_once(any_clap, wavs):
    clap = copy.deepcopy(any_clap)
    blocks = [id(weight) for block in clap.audio_blocks for weight in block.parameters()]
    assert len(set(blocks)) == len(blocks)
    assert heard_weights(clap, lambda: clap(wavs[:1]).vector.sum()) == set(blocks)


@pytest.mark.parametrize("name", ["microsoft", "transformers"])
def test_so_do_those_of_other_published_claps(published, wavs, name):
    """Random weights: for plumbing only."""
    clap = load_clap(name, **published[f"lmac_zs_{name}"]["clap"])
    blocks = [id(weight) for block in clap.audio_blocks for weight in block.parameters()]
    assert len(set(blocks)) == len(blocks)
    assert heard_weights(clap, lambda: clap(wavs[:1]).vector.sum()) == set(blocks)


def test_blocks_run_from_the_output_down(any_clap, wavs):
    """Gradients reach a block by way of those before it, so hooks see the blocks in their order."""
    clap, seen = copy.deepcopy(any_clap), []
    for place, block in enumerate(clap.audio_blocks):
        leaf = next(part for part in block.modules() if list(part.parameters(recurse=False)))
        leaf.register_forward_hook(lambda *_, place=place: seen.append(place))
    with torch.no_grad():
        clap(wavs[:1])
    assert seen == sorted(seen, reverse=True)
    assert set(seen) == set(range(len(clap.audio_blocks)))


def test_permuting_keeps_every_entry_and_the_order_of_none(clap):
    block, again, other = (copy.deepcopy(clap.audio_blocks[1]) for _ in range(3))
    for module, seed in ((block, 1), (again, 1), (other, 2)):
        permute(module, seed)
    pairs = zip(weights(clap.audio_blocks[1]), weights(block), weights(again), weights(other))
    for before, after, same, different in pairs:
        assert (before.flatten().sort().values == after.flatten().sort().values).all()
        assert (before != after).any() and (before != different).any()
        assert (after == same).all() and (after != different).any()
    statistics = {"0.1.running_mean", "0.1.running_var"}
    assert statistics <= dict(block.named_buffers()).keys()
    assert len(weights(block)) == len(list(block.parameters())) + 2 * 2


def changed(model, twin):
    """Names of what differs, in either the decoder or the audio blocks."""
    old = [model.decoder, *model.classifier.audio_classifier.audio_blocks]
    new = [twin.decoder, *twin.classifier.audio_classifier.audio_blocks]
    return [
        place
        for place, (before, after) in enumerate(zip(old, new))
        if any((a != b).any() for a, b in zip(weights(before), weights(after)))
    ]


def test_stages_run_in_their_order_and_leave_the_model(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    blocks = len(model.classifier.audio_classifier.audio_blocks)
    found = {stage.name: changed(model, stage.model()) for stage in stages(model)}
    cascade = {f"audio-{depth}": list(range(1, depth + 1)) for depth in range(1, blocks + 1)}
    assert found == {"text": [], "decoder": [0], **cascade}
    assert all((value == before[name]).all() for name, value in model.state_dict().items())


def test_a_stage_is_the_same_each_time_and_another_by_another_seed(model):
    stage, other = stages(model)[-1], stages(model, seed=1)[-1]
    assert changed(stage.model(), stage.model()) == []
    blocks = len(model.classifier.audio_classifier.audio_blocks)
    assert changed(stage.model(), other.model()) == list(range(1, blocks + 1))


def test_what_is_not_drawn_anew_is_shared(model):
    twin = stages(model)[2].model()
    held = {id(weight) for weight in model.parameters()}
    own = [id(weight) for weight in twin.parameters() if id(weight) not in held]
    assert own == [
        id(weight) for weight in twin.classifier.audio_classifier.audio_blocks[0].parameters()
    ]


def test_a_random_encoder_still_hears(model, wavs, text):
    """Signals neither die nor explode: clips differ, and the decision is lost."""
    twin = stages(model)[-1].model()
    own, random = (m.classifier.encode_clips(wavs).encoding for m in (model, twin))
    for before, after in zip(own.hidden, random.hidden):
        assert 0.03 < after.std() / before.std() < 30
    assert random.vector.isfinite().all()
    assert (random.vector[0] - random.vector[1]).abs().max() > 1e-3
    assert (random.vector @ own.vector.T).diagonal().abs().max() < 0.5


def test_only_the_text_stage_changes_the_prompts(model, text):
    for stage in stages(model):
        assert (stage.text(text) == text).all() != (stage.name == "text")


def test_random_prompts_have_unit_norm_and_a_place_of_their_own(text):
    random = random_text(text)
    torch.testing.assert_close(random.norm(dim=1), torch.ones(3))
    assert (random @ text.T).abs().max() < 0.5
    assert (random_text(text.flip(0)) == random).all()
    assert (random_text(text[:2]) == random[:2]).all()
    assert (random_text(text, seed=1) != random).any()


def test_what_does_not_ask_the_model_survives(model, wavs, text):
    inputs = ExplainerInputs(text, (1, 2, 3))
    for stage in stages(model):
        twin = stage.model()
        before, after = (
            EnergyMask()(m, m.classifier.encode_clips(wavs), inputs) for m in (model, twin)
        )
        assert (spearman(before, after) > 1 - 1e-6).all()
        torch.testing.assert_close(ssim(before, after), torch.ones(3))


def test_the_learnt_map_hangs_on_every_part(model, wavs, text):
    """An untrained decoder: for plumbing only."""
    explain = LMAC()
    before = explain(model, model.classifier.encode_clips(wavs), ExplainerInputs(text, (1, 2, 3)))
    for stage in stages(model):
        twin = stage.model()
        inputs = ExplainerInputs(stage.text(text), (1, 2, 3))
        after = explain(twin, twin.classifier.encode_clips(wavs), inputs)
        moved = (after - before).abs().amax(dim=(1, 2))
        if stage.name != "audio-1":  # the head alone: hidden maps, hence the mask, lie before it
            assert (moved > 1e-3).all()
        else:
            assert (moved == 0).all()


def test_spearman_equals_scipys_with_ties():
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(4, 12, 15, generator=generator).round(decimals=1)
    second = (first + torch.rand(4, 12, 15, generator=generator)).round(decimals=1)
    second[3] = -first[3]
    expected = [
        spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first.numpy(), second.numpy())
    ]
    torch.testing.assert_close(spearman(first, second), torch.tensor(expected).float())


def test_a_constant_map_ranks_nothing():
    varied, constant = torch.rand(1, 9, 9), torch.full((1, 9, 9), 0.3)
    assert spearman(varied, constant) == spearman(constant, varied) == 0
    assert spearman(constant, 2 * constant) == 1


def test_ssim_equals_torchmetrics():
    """On the places where the window lies within the map; beyond, it mirrors the map."""
    generator = torch.Generator().manual_seed(0)
    first = as_masks(torch.rand(3, 40, 25, generator=generator) ** 3)
    noise = torch.rand(3, 40, 25, generator=generator)
    second = as_masks(first + torch.tensor([0.0, 0.1, 2.0])[:, None, None] * noise)
    _, places = structural_similarity_index_measure(
        first.unsqueeze(1), second.unsqueeze(1), data_range=1.0, return_full_image=True
    )
    oracle = places[:, 0, 5:-5, 5:-5].mean(dim=(1, 2))
    torch.testing.assert_close(ssim(first, second), oracle, atol=1e-5, rtol=0)
    assert oracle[0] > 0.999 > oracle[1] > oracle[2]


def test_ssim_looks_at_maps_as_they_are_heard():
    maps = torch.rand(2, 20, 20)
    torch.testing.assert_close(ssim(maps, 7 * maps), torch.ones(2))
    with pytest.raises(InputError, match="take longer clips"):
        ssim(maps[:, :10], maps[:, :10])
