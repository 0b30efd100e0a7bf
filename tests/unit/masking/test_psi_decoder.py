"""The published decoder of L-MAC equals SpeechBrain's and explains the predicted class only."""

import pytest
import torch
from speechbrain.lobes.models.Cnn14 import CNN14PSI_stft

from speechbrain_lmac import Interpreter
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.psi_decoder import PsiDecoder
from speechbrain_lmac.pretrained.decoder_weights import load_decoder
from speechbrain_lmac.pretrained.published import export_published, published_network
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import even_grid
from tests.helpers.cnn14 import noise_clips, published_classifier, relative

CHANNELS = (64, 32, 16, 8)
NAMES = ["a", "b", "c"]


def hidden_maps(frames, channels=CHANNELS):
    """Return random maps of the sizes that CNN14 has for a number of frames."""
    generator = torch.Generator().manual_seed(frames)
    times = (frames // 32, frames // 32, frames // 16, frames // 8)
    sizes = zip(channels, times, (2, 2, 5, 10))
    return tuple(torch.randn(2, *size, generator=generator) for size in sizes)


def features_of(frames):
    """Return decoder features of two clips."""
    return DecoderFeatures(hidden_maps(frames), torch.zeros(2, frames, 513))


@pytest.fixture
def psi(tmp_path):
    """Return SpeechBrain's decoder with random weights, and the same one loaded here."""
    torch.manual_seed(0)
    reference = CNN14PSI_stft(CHANNELS[0], 1)
    torch.save(reference.state_dict(), tmp_path / "psi_model.ckpt")
    decoder = PsiDecoder(CHANNELS, query_dim=5)
    load_decoder(decoder, tmp_path / "psi_model.ckpt")
    return reference, decoder


@pytest.mark.parametrize("frames", [105, 111, 431])
@torch.no_grad()
def test_mask_equals_speechbrain(psi, frames):
    """The mask of all frames that the published decoder predicts; 0 in the others."""
    reference, decoder = psi
    expected = reference(hidden_maps(frames)).sigmoid().squeeze(1)
    assert expected.shape[1] == frames - (frames % 32 - 9)
    grid = even_grid(frames, torch.linspace(0, 1, 513))
    masks = decoder(features_of(frames), torch.randn(3, 1, 5), grid)
    assert masks.shape == (3, 2, frames, 513)
    for mask in masks:
        assert relative(mask[:, : expected.shape[1]], expected) <= 1e-6
        assert mask[:, expected.shape[1] :].abs().sum() == 0
    assert relative(masks[0, :, 1 : expected.shape[1]], expected[:, :-1]) > 1e-5


@pytest.mark.parametrize("frames", [32, 63, 87, 96, 300])
def test_masks_of_other_lengths(frames):
    """At most 22 frames at the end have a mask of 0."""
    decoder = PsiDecoder(CHANNELS, query_dim=5)
    grid = even_grid(frames, torch.linspace(0, 1, 513))
    masks = decoder(features_of(frames), torch.randn(1, 2, 5), grid)
    assert masks.shape == (1, 2, frames, 513)
    assert masks[..., : frames - 22, :].min() > 0


def test_rescale_divides_the_logits():
    """A temperature and an offset change the logits, as for the other decoder."""
    torch.manual_seed(0)
    decoder, grid = PsiDecoder(CHANNELS, query_dim=5), even_grid(105, torch.linspace(0, 1, 513))
    inputs = (features_of(105), torch.randn(1, 1, 5), grid)
    before = decoder.logits(*inputs)
    decoder.rescale(2.0, 0.5)
    torch.testing.assert_close(decoder.logits(*inputs), before / 2 + 0.5)
    torch.testing.assert_close(decoder(*inputs), (before / 2 + 0.5).sigmoid())


@pytest.mark.parametrize("channels", [(64, 32, 16), (12, 8, 8, 8)])
def test_hidden_maps_are_checked(channels):
    """There are four, the deepest with a multiple of 8 channels."""
    with pytest.raises(InputError, match="the published decoder needs 4 hidden maps"):
        PsiDecoder(channels, query_dim=5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the files of a small published interpreter."""
    folder = tmp_path_factory.mktemp("published")
    settings = published_classifier(folder, "recipe", 8, 3).settings
    torch.manual_seed(0)
    torch.save(PsiDecoder((8, 1024, 512, 256), 10).state_dict(), folder / "psi_model.ckpt")
    paths = {"weights": settings["weights"], "head": settings["head"]}
    return {**paths, "decoder": str(folder / "psi_model.ckpt"), "class_names": NAMES}


def test_interpreter_explains_the_prediction(files, tmp_path):
    """A published decoder is exported, loaded safely and explains the predicted class only."""
    folder = export_published(**files, folder=tmp_path / "interpreter")
    text = (folder / "hyperparams.yaml").read_text()
    assert "left_out_frames: 6" in text and "psi_decoder.PsiDecoder" in text
    interpreter = Interpreter.from_hparams(source=folder, run_opts={"device": "cpu"})
    network = interpreter.mods.model
    wavs = noise_clips(16000, 1.3, batch=1)
    encoded = network.classifier.encode_clips(wavs)
    queries = network.classifier.audio_classifier.queries(NAMES)
    best = network.classifier.logits(encoded.encoding.vector, queries).argmax().item()
    (interpretation,) = interpreter.interpret_batch(wavs, [NAMES[best]])
    expected = published_network(**files)(encoded, queries[best].expand(1, 1, -1))
    # constant offset and hum are removed first
    torch.testing.assert_close(interpretation.mask, expected[:, 0], atol=1e-2, rtol=0)
    other = NAMES[(best + 1) % 3]
    with pytest.raises(InputError, match="explains the predicted class of a clip only"):
        interpreter.interpret_batch(wavs, [other])


def test_prediction_is_checked_per_clip(files):
    """Each clip has its own predicted class; an explainer gives its mask."""
    network = published_network(**files)
    classifier = network.classifier.audio_classifier
    encoded = network.classifier.encode_clips(noise_clips(16000, 1.3, batch=3))
    logits = classifier.logits(encoded.encoding.vector, classifier.head_queries)
    own = classifier.head_queries[logits.argmax(dim=1)]
    masks = EXPLAINERS["lmac"](network, encoded, ExplainerInputs(own, (0, 1, 2)))
    torch.testing.assert_close(masks, network(encoded, own.unsqueeze(0))[0])
    wrong = own.clone()
    wrong[2] = classifier.head_queries[logits[2].argmin()]
    with pytest.raises(InputError, match="got another class"):
        network(encoded, torch.stack([own, wrong]))


def test_conditioned_decoders_take_any_query(files):
    """The check belongs to decoders that do not see the query."""
    classifier = published_network(**files).classifier
    audio_classifier = classifier.audio_classifier
    decoder = MaskDecoder(audio_classifier.hidden_channels, audio_classifier.query_dim, 8)
    network = InterpreterNetwork(MaskedClassifier(classifier.domain), decoder)
    encoded = classifier.encode_clips(noise_clips(16000, 1.3))
    assert len(network(encoded, audio_classifier.head_queries.unsqueeze(1))) == 3


def test_foreign_decoder_file_is_named(files, tmp_path):
    """Weights of another network, and files with code, are not loaded."""
    with pytest.raises(InputError, match="does not hold this decoder's weights"):
        published_network(**{**files, "decoder": files["head"]})
    torch.save({"a": published_network}, tmp_path / "psi_model.ckpt")
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        published_network(**{**files, "decoder": tmp_path / "psi_model.ckpt"})
