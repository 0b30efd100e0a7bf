"""Model randomization: which weights change, and which maps depend on them."""

import copy

import torch

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.controls import EnergyMask
from speechbrain_lmac.explainers.lmac import LMAC
from speechbrain_lmac.metrics.randomization import (
    permute,
    random_text,
    stages,
    weights,
)
from speechbrain_lmac.metrics.similarity import spearman, ssim
from tests.helpers.gradients import used_weights


def test_audio_blocks_hold_every_used_weight(any_classifier, wavs):
    """Each weight that a vector depends on is in one block."""
    clap = copy.deepcopy(any_classifier)
    blocks = [id(weight) for block in clap.audio_blocks for weight in block.parameters()]
    assert len(set(blocks)) == len(blocks)
    assert used_weights(clap, lambda: clap(wavs[:1]).vector.sum()) == set(blocks)


def test_audio_blocks_run_from_the_output(any_classifier, wavs):
    """Forward hooks fire in the reverse order of the blocks."""
    clap, seen = copy.deepcopy(any_classifier), []
    for place, block in enumerate(clap.audio_blocks):
        leaf = next(part for part in block.modules() if list(part.parameters(recurse=False)))
        leaf.register_forward_hook(lambda *_, place=place: seen.append(place))
    with torch.no_grad():
        clap(wavs[:1])
    assert seen == sorted(seen, reverse=True)
    assert set(seen) == set(range(len(clap.audio_blocks)))


def test_permute_keeps_entries_not_order(clap):
    """The sorted entries of each tensor stay the same."""
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
    """Return the places of changed weights: 0 for the decoder, then the audio blocks."""
    old = [model.decoder, *model.classifier.audio_classifier.audio_blocks]
    new = [twin.decoder, *twin.classifier.audio_classifier.audio_blocks]
    return [
        place
        for place, (before, after) in enumerate(zip(old, new))
        if any((a != b).any() for a, b in zip(weights(before), weights(after)))
    ]


def test_stages_are_cascading(model):
    """Each stage changes its blocks, and the original model never."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    blocks = len(model.classifier.audio_classifier.audio_blocks)
    changes = {stage.name: changed(model, stage.model()) for stage in stages(model)}
    cascade = {f"audio-{depth}": list(range(1, depth + 1)) for depth in range(1, blocks + 1)}
    assert changes == {"text": [], "decoder": [0], **cascade}
    assert all((value == before[name]).all() for name, value in model.state_dict().items())


def test_stages_depend_on_the_seed(model):
    """A stage is reproducible."""
    stage, other = stages(model)[-1], stages(model, seed=1)[-1]
    assert changed(stage.model(), stage.model()) == []
    blocks = len(model.classifier.audio_classifier.audio_blocks)
    assert changed(stage.model(), other.model()) == list(range(1, blocks + 1))


def test_unchanged_weights_are_shared(model):
    """A stage copies the changed block alone."""
    twin = stages(model)[2].model()
    original = {id(weight) for weight in model.parameters()}
    copied = [id(weight) for weight in twin.parameters() if id(weight) not in original]
    assert copied == [
        id(weight) for weight in twin.classifier.audio_classifier.audio_blocks[0].parameters()
    ]


def test_random_encoder_keeps_its_scale(model, wavs, text):
    """Signals neither vanish nor explode: clips differ, and the prediction is lost."""
    twin = stages(model)[-1].model()
    trained, random = (m.classifier.encode_clips(wavs).encoding for m in (model, twin))
    for before, after in zip(trained.hidden, random.hidden):
        assert 0.03 < after.std() / before.std() < 30
    assert random.vector.isfinite().all()
    assert (random.vector[0] - random.vector[1]).abs().max() > 1e-3
    assert (random.vector @ trained.vector.T).diagonal().abs().max() < 0.5


def test_only_the_text_stage_changes_prompts(model, text):
    """All other stages return the embeddings."""
    for stage in stages(model):
        assert (stage.text(text) == text).all() != (stage.name == "text")


def test_random_text_depends_on_its_index(text):
    """Unit vectors by index and seed alone."""
    random = random_text(text)
    torch.testing.assert_close(random.norm(dim=1), torch.ones(3))
    assert (random @ text.T).abs().max() < 0.5
    assert (random_text(text.flip(0)) == random).all()
    assert (random_text(text[:2]) == random[:2]).all()
    assert (random_text(text, seed=1) != random).any()


def test_energy_survives_every_stage(model, wavs, text):
    """A control that ignores the model does not change."""
    inputs = ExplainerInputs(text, (1, 2, 3))
    for stage in stages(model):
        twin = stage.model()
        before, after = (
            EnergyMask()(m, m.classifier.encode_clips(wavs), inputs) for m in (model, twin)
        )
        assert (spearman(before, after) > 1 - 1e-6).all()
        torch.testing.assert_close(ssim(before, after), torch.ones(3))


def test_decoder_depends_on_every_part(model, wavs, text):
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
