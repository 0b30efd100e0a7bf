"""EfficientAT CLAP with random weights and with the weights of the authors.

``EFFICIENTAT_FOLDER`` names a folder with the authors' weights and the logits of their code for
ESC-10. Without it, the tests of these weights are skipped.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import logsigmoid, pad
from torchvision.models.mobilenetv3 import InvertedResidual, MobileNetV3, _mobilenet_v3_conf
from torchvision.ops import SqueezeExcitation

from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES, audioset_labels
from speechbrain_lmac.evaluation.prompt_wordings import chosen_wordings
from speechbrain_lmac.evaluation.zero_shot import (
    chosen_clips,
    classify,
    embed_clips,
)
from speechbrain_lmac.evaluation.zero_shot_tables import accuracies
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.backbones import efficientat as module
from speechbrain_lmac.models.backbones.efficientat import FILE, SHA256
from speechbrain_lmac.models.backbones.mobilenet import Tagger, load_weights
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP
from speechbrain_lmac.models.registry import load_clap
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from tests.conftest import REAL_ESC10, REAL_US8K, needs_esc10, needs_us8k
from tests.helpers.recordings import esc10_clips

REAL = Path(os.environ.get("EFFICIENTAT_FOLDER", "no-weights"))
needs_weights = pytest.mark.skipif(
    not (REAL / FILE).is_file(),
    reason="EFFICIENTAT_FOLDER names no folder with the authors' weights",
)


@pytest.fixture(scope="module")
def real():
    """EfficientAT CLAP with the weights of the authors."""
    return EfficientATCLAP(REAL / FILE)


def torchvision_model(tagger):
    """Build torchvision's MobileNetV3 with the weights of a Tagger."""
    settings, _ = _mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.4)
    squeeze = partial(SqueezeExcitation, scale_activation=nn.Sigmoid)
    model = MobileNetV3(
        settings, 512, len(audioset_labels()), block=partial(InvertedResidual, se_layer=squeeze)
    )
    stem = model.features[0][0]
    model.features[0][0] = nn.Conv2d(1, stem.out_channels, 3, 2, 1, bias=False)
    state = {}
    for name, value in tagger.state_dict().items():
        if name.startswith("classifier"):
            number = int(name.split(".")[1])
            name = name.replace(f".{number}.", f".{number - 2}.")
        elif ".fc" in name and value.dim() == 2:
            value = value[:, :, None, None]
        state[name] = value
    model.load_state_dict(state)
    return model.eval()


def test_tagger_equals_torchvision(efficientat, efficientat_file):
    """MobileNetV3 with width 0.4, before and after batch norms are folded into convolutions."""
    mel = torch.rand(2, 313, 128, generator=torch.Generator().manual_seed(0))
    image = ((torch.log(mel + 1e-5) + 4.5) / 5).transpose(1, 2).unsqueeze(1)
    body = Tagger().eval()
    load_weights(body, efficientat_file)
    expected = torchvision_model(body)(image)
    for model in (body, efficientat.tagger):
        torch.testing.assert_close(model(mel)[0], expected, atol=1e-5, rtol=1e-5)


def test_stft_follows_pre_emphasis(efficientat):
    """The STFT of a tone is its spectrogram times ``|exp(iw) - 0.97|``."""
    frequency = 4000.0
    tone = torch.sin(2 * torch.pi * frequency * torch.arange(32000) / 32000).unsqueeze(0)
    middle, place = 50, round(frequency / 32000 * 1024)
    filtered = efficientat.stft(tone)[0, middle, place].abs()
    original = efficientat.spectrogram(tone)[0, middle, place].abs()
    omega = torch.tensor(2 * torch.pi * frequency / 32000)
    gain = (torch.exp(1j * omega) - 0.97).abs()
    torch.testing.assert_close(filtered / original, gain, rtol=1e-3, atol=0)


@pytest.mark.parametrize("samples", [1, 500, 1024, 1025, 31999, 32000, 32001, 32320])
def test_spectrogram_matches_stft_and_inverts(efficientat, samples):
    """The spectrogram of the clip and the encoder STFT have equal shapes; the inverse is exact."""
    wav = torch.randn(1, samples, generator=torch.Generator().manual_seed(samples))
    stft = efficientat.spectrogram(wav)
    assert stft.shape == efficientat.stft(wav).shape
    torch.testing.assert_close(
        efficientat.spectrogram.inverse(stft, samples), wav, atol=1e-5, rtol=0
    )


def test_cosine_is_expected_log_probability(efficientat, wavs):
    """The cosine is the mean log-probability of the labels, up to the norm."""
    text = efficientat.queries(["this is the sound of rain", "this is the sound of dog"])
    logits, _ = efficientat.tagger(efficientat.mel(efficientat.stft(wavs).abs().square()))
    log_probability = logsigmoid(logits)
    expected = log_probability @ text[:, :-1].T / log_probability.norm(dim=1, keepdim=True)
    torch.testing.assert_close(efficientat(wavs).vector @ text.T, expected)
    torch.testing.assert_close(text[:, :-1].sum(dim=1), torch.ones(2))


def test_queries_map_label_to_itself(efficientat):
    """A class prompt with an AudioSet label has its largest weight at this label."""
    (text,) = efficientat.queries(["this is the sound of rain"])
    assert audioset_labels()[text[:-1].argmax()] == "Rain"


@pytest.mark.parametrize("name", sorted(DOMAINS))
def test_full_mask_is_the_clip(efficientat, wavs, name):
    """A mask of ones changes neither the vector nor the waveform."""
    domain = DOMAINS[name](efficientat)
    power = domain.power(wavs)
    torch.testing.assert_close(domain.encode(power).vector, efficientat(wavs).vector)
    masked = domain.apply_mask(wavs, torch.ones_like(power))
    torch.testing.assert_close(masked, wavs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", sorted(DOMAINS))
def test_decoder_gradients_are_finite(efficientat, wavs, name):
    """Masks and gradients are finite, although Kaldi's filterbank has empty bands."""
    decoder = MaskDecoder(efficientat.hidden_channels, efficientat.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(DOMAINS[name](efficientat)), decoder)
    text = efficientat.queries(["this is the sound of rain", "this is the sound of dog"])
    encoded = model.classifier.encode_clips(wavs)
    masks = model(encoded, text.unsqueeze(1))
    assert masks.shape[2:] == encoded.power.shape[1:] and masks.isfinite().all()
    domain = model.classifier.domain
    domain.encode(domain.masked(encoded.encoder_power, masks[0])).vector.sum().backward()
    for parameter in decoder.parameters():
        assert parameter.grad.isfinite().all()


def test_registry_builds_efficientat(efficientat_file):
    """Unknown names are refused with a list of names."""
    assert load_clap("efficientat", efficientat_file).reference.sha256 == file_sha256(
        efficientat_file
    )
    with pytest.raises(InputError, match=r"must be one of mini, efficientat, .*, got 'clip'"):
        load_clap("clip")


@pytest.mark.parametrize("spoil", [lambda state: state.popitem(), lambda state: state.clear()])
def test_efficientat_refuses_other_weights(efficientat_file, tmp_path, spoil):
    """Files with missing tensors are refused."""
    state = torch.load(efficientat_file, weights_only=True)
    spoil(state)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(InputError, match="does not hold the weights of mn04"):
        EfficientATCLAP(tmp_path / "other.pt")


def test_efficientat_refuses_other_files(tmp_path):
    """Files without tensors, empty files and missing files are refused."""
    torch.save({"features": Path}, tmp_path / "code.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("code.pt", "empty.pt"):
        with pytest.raises(InputError, match="does not hold the weights of mn04"):
            EfficientATCLAP(tmp_path / name)
    with pytest.raises(InputError, match=r"no such file: .*gone\.pt; leave it out to fetch"):
        EfficientATCLAP(tmp_path / "gone.pt")


def test_weights_are_downloaded_to_cache(monkeypatch, efficientat_file, tmp_path):
    """A local file replaces the release; the network is tested in test_download.py."""
    monkeypatch.setenv("SPEECHBRAIN_LMAC_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "RELEASE", efficientat_file.parent.as_uri() + "/")
    monkeypatch.setattr(module, "SHA256", file_sha256(efficientat_file))
    assert EfficientATCLAP().weights == tmp_path / FILE
    assert file_sha256(tmp_path / FILE) == file_sha256(efficientat_file)


@needs_weights
def test_weights_have_the_release_hash():
    """The file of the authors is the file that would be downloaded."""
    assert file_sha256(REAL / FILE) == SHA256


@needs_weights
@needs_esc10
def test_logits_equal_authors_on_esc10(real):
    """The authors' code gives equal logits for every fifth clip, cut or padded to 5 s."""
    reference = np.load(REAL / "reference_logits_esc10.npz")
    expected = dict(zip(reference["filename"], torch.from_numpy(reference["logits"])))
    for clip in esc10_clips()[::5]:
        wav = load_audio(clip.wav, real.sample_rate)[:160000]
        wav = pad(wav, (0, 160000 - len(wav))).unsqueeze(0)
        logits, _ = real.tagger(real.mel(real.stft(wav).abs().square()))
        torch.testing.assert_close(logits[0], expected[Path(clip.wav).name], atol=1e-3, rtol=0)


@pytest.mark.exhaustive
@needs_weights
@needs_esc10
def test_zero_shot_accuracy_on_esc10(real):
    """At least 93 % of 10 classes and 79 % of 50 classes."""
    clips = esc10_clips()
    embeddings = embed_clips(real, clips)
    for names, minimum in ((sorted({clip.label for clip in clips}), 93), (ESC50_CLASSES, 79)):
        wordings = chosen_wordings(names, ["the sound of {}"])
        rows = classify(real, embeddings, clips, names, wordings)
        assert accuracies(rows).accuracy.item() >= minimum


@pytest.mark.exhaustive
@needs_weights
@needs_esc10
@needs_us8k
def test_zero_shot_accuracy_on_urbansound8k(real):
    """At least 67 % of 10 classes."""
    clips = chosen_clips(REAL_US8K, without=REAL_ESC10)
    wordings = chosen_wordings(URBANSOUND8K_CLASSES, ["the sound of {}"])
    rows = classify(real, embed_clips(real, clips), clips, URBANSOUND8K_CLASSES, wordings)
    assert accuracies(rows).accuracy.item() >= 67


def test_hidden_maps_have_stage_channels(efficientat):
    """The adapter states the channels of the hidden maps."""
    _, hidden = Tagger().eval()(torch.rand(1, 500, 128))
    assert tuple(maps.shape[1] for maps in hidden) == efficientat.hidden_channels
