"""Interpreters of published CLAPs, from the settings to the waveform, with random weights."""

import shutil

import pytest
import torch
import yaml

from speechbrain_lmac import Interpreter
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.transformers import TransformersCLAP
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.training.splits import load_splits
from speechbrain_lmac.utils.config import load_hparams
from speechbrain_lmac.utils.errors import InputError
from tests.helpers import reference_models

CPU = {"device": "cpu"}
PROMPTS = ["the sound of rain", "a dog"]


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def model(request, laion_htsat):
    """Interpreter network of LAION's CLAP with an untrained decoder."""
    torch.manual_seed(0)
    classifier = MaskedClassifier(DOMAINS[request.param](laion_htsat))
    decoder = MaskDecoder(laion_htsat.hidden_channels, laion_htsat.query_dim, channels=8)
    return InterpreterNetwork(classifier, decoder).eval()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Exported interpreter."""
    return export_interpreter(model, "LMAC-ZS", tmp_path_factory.mktemp("run") / "interpreter")


def noise(seconds, rate=48000):
    """Return white noise, ``[1, time]``."""
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(1, round(seconds * rate), generator=generator)


@pytest.mark.parametrize("seconds", [0.4, 3, 5.003, 10])
def test_masks_have_frames_of_the_clip(model, seconds):
    """Masked-in part and residual sum to the clip, and masks are zero outside of mel bands."""
    wavs = noise(seconds)
    encoded = model.classifier.encode_clips(wavs)
    text = model.classifier.audio_classifier.queries(PROMPTS)
    with torch.no_grad():
        masks = model(encoded, text.unsqueeze(1))
        masked_in = model.classifier.domain.apply_mask(wavs, masks)
        residual = model.classifier.domain.apply_mask(wavs, 1 - masks)
    assert masks.shape == (2, *encoded.power.shape)
    assert encoded.power.shape[1] == 1 + max(wavs.shape[1], 1024) // 480
    encoded_bins = model.classifier.domain.bin_mask.bool()  # 50 Hz to 14 kHz
    assert masks[..., encoded_bins].min() > 0 and masks.max() < 1
    assert (masks[..., ~encoded_bins] == 0).all()
    torch.testing.assert_close(masked_in + residual, wavs.expand_as(masked_in), atol=1e-5, rtol=0)


def test_unencoded_parts_are_masked_out(folder):
    """Only the middle 10 s of a longer clip are explained, with a warning."""
    interpreter = Interpreter.from_hparams(source=folder, run_opts=CPU)
    with pytest.warns(
        UserWarning, match=r"the classifier encodes 6\.5 to 16\.5 s of this clip of 23\.0 s"
    ):
        (why,) = interpreter.interpret_batch(noise(23), PROMPTS)
    explained = why.mask.amax(dim=2) > 0
    assert explained[:, 650:1651].all()
    assert not explained[:, :650].any() and not explained[:, 1651:].any()
    assert why.waveform[:, : 6 * 48000].abs().max() < 1e-6


def test_export_gives_equal_mask(model, folder):
    """An exported interpreter that is loaded again gives the masks of the network."""
    interpreter = Interpreter.from_hparams(source=folder, run_opts=CPU)
    wavs = noise(3)
    (why,) = interpreter.interpret_batch(wavs, PROMPTS)
    text = model.classifier.audio_classifier.queries(PROMPTS)
    with torch.no_grad():
        encodable = model.classifier.audio_classifier.without_offset(wavs)
        masks = model(model.classifier.encode_clips(encodable), text.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(why.mask, masks, atol=1e-4, rtol=0)


def test_overrides_replace_weights_path(folder, laion_file, tmp_path):
    """Missing weights are an error that lists the files of the Hub."""
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    settings = moved / "hyperparams.yaml"
    settings.write_text(settings.read_text().replace(str(laion_file), "/gone.pt"))
    with pytest.raises(InputError, match=r"weights must be a file or one of .*, got /gone\.pt"):
        Interpreter.from_hparams(source=moved, run_opts=CPU)
    overrides = {"audio_classifier": {"weights": str(laion_file)}}
    Interpreter.from_hparams(source=moved, overrides=yaml.safe_dump(overrides), run_opts=CPU)


@pytest.mark.parametrize("name", [pytest.param("gradcam++", marks=pytest.mark.exhaustive), "lmac"])
def test_half_precision_maps_correlate(name, model, monkeypatch):
    """Maps in bfloat16 have a correlation above 0.9 with maps in single precision."""
    clap = model.classifier.audio_classifier
    text = clap.queries(PROMPTS[:1])

    def explain():
        encoded = model.classifier.encode_clips(noise(3))
        return EXPLAINERS[name](model, encoded, ExplainerInputs(text, (1,)))

    single = explain()
    monkeypatch.setattr(clap, "uses_bfloat16", True)
    half = explain()
    assert half.dtype == torch.float32 and (half != single).any()
    assert torch.corrcoef(torch.stack([half.flatten(), single.flatten()]))[0, 1] > 0.9


def test_transformers_adapter_equals_laion(laion_htsat, tmp_path):
    """Both adapters give equal vectors, hidden maps, queries and scales for equal weights."""
    laion = laion_htsat
    reference_models.write_transformers(tmp_path, like=laion)
    transformers = TransformersCLAP(tmp_path)
    wavs = noise(4)
    expected, result = laion(wavs), transformers(wavs)
    torch.testing.assert_close(result.vector, expected.vector, atol=1e-6, rtol=0)
    for maps, expected_maps in zip(result.hidden, expected.hidden):
        torch.testing.assert_close(maps, expected_maps, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        transformers.queries(PROMPTS), laion.queries(PROMPTS), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(transformers.logit_scale, laion.logit_scale)


def test_training_refuses_clips_beyond_window(small_set, published_settings, tmp_path):
    """Clips longer than the input window of the CLAP are refused."""
    overrides = {"data_folder": str(small_set), "clip_seconds": 12.0, "batch_size": 2}
    overrides |= published_settings("lmac_zs_laion") | {"output_folder": str(tmp_path)}
    hparams = load_hparams("lmac_zs_laion.yaml", yaml.safe_dump(overrides))
    with pytest.raises(InputError, match=r"clip_seconds must be at most 10, .* got 12"):
        load_splits(hparams, hparams["audio_classifier"])
