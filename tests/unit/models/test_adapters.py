"""Contract of every classifier: front end, masks, hidden maps, decoder and explainers.

tests/integration/test_adapters.py repeats these tests with all architectures.
"""

from dataclasses import replace

import pytest
import torch

from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.inference.areas import find_areas
from speechbrain_lmac.inference.decisions import RankedMasks, competing_classes
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.log_power import normalized_log_power
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from tests.unit.explainers.conftest import assert_maps

NAMES = ("siren", "rain", "dog")
FEW_PASSES = {
    "smoothgrad": {"samples": 1},
    "integrated-gradients": {"steps": 1},
    "gradient-shap": {"samples": 1},
    "gscorecam": {"fraction": 1e-3},
    "optimized": {"steps": 1},
}
"""Options with which an explainer takes few passes of the encoder."""
MAX_CHANNELS = 512
"""Largest number of channels for which ScoreCAM is tested."""


def questions(classifier):
    """Return the prompts of three classes, or their names for a supervised classifier."""
    return [classifier.question(name) for name in NAMES]


def clips(classifier, seconds=0.7):
    """Return two clips of noise at the rate of a classifier."""
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(2, round(seconds * classifier.sample_rate), generator=generator)


def network(classifier, masking="stft", **settings):
    """Return an interpreter network with an untrained decoder."""
    torch.manual_seed(0)
    shape = classifier.hidden_channels, classifier.query_dim
    decoder = MaskDecoder(*shape, channels=4, **settings)
    torch.nn.init.normal_(decoder.head.weight, std=0.3)
    return InterpreterNetwork(MaskedClassifier(DOMAINS[masking](classifier)), decoder).eval()


def test_classifier_is_frozen(any_classifier):
    """``train()`` changes neither the mode nor the weights."""
    any_classifier.train()
    assert not any(module.training for module in any_classifier.modules())
    assert not any(weight.requires_grad for weight in any_classifier.parameters())


def test_clap_vectors_have_unit_norm(any_clap, wavs):
    """So have the vectors of clips."""
    torch.testing.assert_close(any_clap(wavs).vector.norm(dim=1), torch.ones(3))


def test_queries_have_unit_norm(any_classifier):
    """Text embeddings, and rows of a head."""
    queries = any_classifier.queries(questions(any_classifier))
    assert queries.shape == (3, any_classifier.query_dim)
    torch.testing.assert_close(queries.norm(dim=1), torch.ones(3))


def test_hidden_maps_are_as_declared(any_classifier, wavs):
    """The deepest map comes first and is the smallest."""
    hidden = any_classifier(wavs).hidden
    assert tuple(maps.shape[1] for maps in hidden) == any_classifier.hidden_channels
    sizes = [maps[0, 0].numel() for maps in hidden]
    assert sizes == sorted(sizes)


def test_vector_ignores_the_batch(any_classifier, wavs):
    """A clip alone has the same vector."""
    together, alone = any_classifier(wavs).vector[1], any_classifier(wavs[1:2]).vector[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("step", ["stft", "mel"])
def test_gradient_equals_finite_differences(any_classifier, wavs, step):
    """The similarity along a random direction, from either masking domain."""
    power = any_classifier.stft(any_classifier.window.fit_wav(wavs[:1])).abs().square()
    start = power if step == "stft" else any_classifier.mel(power)

    def encode(values):
        return any_classifier.encode(any_classifier.mel(values) if step == "stft" else values)

    text = any_classifier.queries(questions(any_classifier))[0]

    def similarity(gain):
        return (encode(start * gain).vector @ text).sum()

    gain = torch.ones_like(start).requires_grad_()
    value = similarity(gain)
    (gradient,) = torch.autograd.grad(value, gain)
    direction = torch.rand(start.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        step_size = 1e-2
        rise = similarity(1 + step_size * direction) - similarity(1 - step_size * direction)
    # networks with random weights may have small slopes
    rounding = 4e-7 * max(1, abs(value.item())) / (2 * step_size)
    assert rise.item() / (2 * step_size) == pytest.approx(
        (gradient * direction).sum().item(), rel=0.1, abs=rounding
    )


def test_leads_agrees_with_the_presence(any_classifier, wavs):
    """A presence above one half leads; one below chance does not."""
    vectors = any_classifier(wavs).vector
    first = torch.zeros(len(vectors), dtype=torch.long)
    for query in any_classifier.queries(questions(any_classifier)):
        queries = any_classifier.competing_queries(query.unsqueeze(0))
        classes = any_classifier.competing(queries)
        leads = classes.leads(vectors, query.expand(len(vectors), -1), first)
        presence = any_classifier.presence(vectors, query.unsqueeze(0)).squeeze(1)
        assert (presence[leads] >= 1 / (1 + classes.inverse_chance)).all()
        assert (presence[~leads] <= 0.5).all() and leads[presence > 0.5].all()


@pytest.mark.parametrize("length", [1, 500, 32001])
def test_classifier_encodes_any_length(any_classifier, length):
    """From one sample on."""
    assert any_classifier(0.1 * torch.randn(1, length)).vector.isfinite().all()


@pytest.mark.parametrize("masking", sorted(DOMAINS))
@pytest.mark.parametrize("seconds", [0.7, 3.0])
def test_mask_of_ones_is_identity(any_classifier, masking, seconds):
    """The vector and the sound are those of the clip, also longer than the encoder input."""
    classifier = MaskedClassifier(DOMAINS[masking](any_classifier))
    encoded = classifier.encode_clips(clips(any_classifier, seconds))
    ones = torch.ones_like(encoded.power)
    vector = classifier.encode_masked_vector(encoded, ones)
    torch.testing.assert_close(vector, encoded.encoding.vector, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        classifier.apply_mask(encoded, ones), encoded.wavs, rtol=0, atol=1e-5
    )


def test_masks_agree_in_both_domains(any_classifier):
    """A gain of whole frames is the same mask of STFT bins and of mel bands."""
    vectors, sounds = [], []
    for masking in ("stft", "mel"):
        classifier = MaskedClassifier(DOMAINS[masking](any_classifier))
        encoded = classifier.encode_clips(clips(any_classifier))
        generator = torch.Generator().manual_seed(1)
        gains = torch.rand(2, encoded.power.shape[1], 1, generator=generator)
        mask = gains.expand_as(encoded.power)
        vectors.append(classifier.encode_masked_vector(encoded, mask))
        sounds.append(classifier.apply_mask(encoded, mask))
    torch.testing.assert_close(vectors[0], vectors[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sounds[0], sounds[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("masking", ["stft", "mel"])
def test_decoder_fits_the_classifier(any_classifier, masking):
    """A mask for each prompt and clip; masked-in and masked-out sounds add up to the clip."""
    model = network(any_classifier, masking)
    encoded = model.classifier.encode_clips(clips(any_classifier))
    queries = any_classifier.queries(questions(any_classifier))
    with torch.no_grad():
        masks = model(encoded, queries.unsqueeze(1).expand(-1, 2, -1))
    assert masks.shape == (3, *encoded.power.shape)
    assert masks.min() >= 0 and masks.max() <= 1 and masks.std() > 0
    parts = [model.classifier.apply_mask(encoded, mask) for mask in (masks[0], 1 - masks[0])]
    torch.testing.assert_close(sum(parts), encoded.wavs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("masking", ["stft", "mel"])
def test_gradient_features_fit_the_classifier(any_classifier, masking):
    """Two maps of unit power for each query, clip and hidden map, and a path of unit variance."""
    count = min(4, len(any_classifier.hidden_channels))
    model = network(any_classifier, masking, gradient_features=count, gradient_path=0.2)
    encoded = model.classifier.encode_clips(clips(any_classifier))
    queries = any_classifier.queries(questions(any_classifier)).unsqueeze(1).expand(-1, 2, -1)
    features = model.features(encoded, queries)
    assert len(features.gradients) == count
    for maps, hidden in zip(features.gradients, features.hidden):
        assert maps.shape == (3, 2, 2, *hidden.shape[2:])
        power = maps.square().mean(dim=(3, 4))
        torch.testing.assert_close(power, torch.ones_like(power), atol=1e-4, rtol=0)
    assert features.path.shape == (3, *encoded.power.shape)
    with torch.no_grad():
        masks = model(encoded, queries, features)
    assert masks.isfinite().all() and (masks[0] - masks[1]).abs().max() > 1e-4


@pytest.mark.parametrize("masking", sorted(DOMAINS))
def test_areas_certify_the_classifier(any_classifier, masking):
    """The areas of a question hold for its sounds, if it leads in the clip; else it has none."""
    classifier = MaskedClassifier(DOMAINS[masking](any_classifier))
    wav = clips(any_classifier)[0]
    encoded = classifier.encode_clips(any_classifier.without_offset(wav.unsqueeze(0)))
    ranked = RankedMasks(classifier, encoded.wavs[0], encoded.power.expand(len(NAMES), -1, -1))
    names = questions(any_classifier)

    def leads(sound, query):
        with torch.no_grad():
            vector = any_classifier(any_classifier.without_offset(sound.unsqueeze(0))).vector
        classes = competing_classes(any_classifier, query, None)
        return classes.leads(vector, query.unsqueeze(0), torch.zeros(1, dtype=torch.long)).item()

    areas = find_areas(ranked, names, None)
    for i, (query, (sufficient, necessary)) in enumerate(zip(any_classifier.queries(names), areas)):
        assert (sufficient is not None) == leads(wav, query)
        if sufficient is not None:
            assert leads(ranked.sound(sufficient, i), query)
        if necessary is not None:
            assert not leads(wav - ranked.sound(necessary, i), query)


@pytest.fixture(scope="module")
def explained(any_classifier):
    """Return an interpreter network, two encoded clips and everything that explainers may use."""
    model = network(any_classifier)
    wavs = clips(any_classifier)
    encoded, other = (model.classifier.encode_clips(each) for each in (wavs, wavs.roll(1, 0)))
    queries = any_classifier.queries(questions(any_classifier))
    features = DecoderFeatures(
        tuple(maps.mean(dim=0, keepdim=True) for maps in encoded.encoding.hidden),
        normalized_log_power(encoded.power).mean(dim=0, keepdim=True),
    )
    fraction = torch.linspace(0, 1, encoded.power.shape[-1])
    inputs = ExplainerInputs(
        query=queries[:2],
        seeds=(5, 6),
        class_queries=queries,
        other_query=queries[1:],
        other_clips=other,
        mean_features=features,
        target_power=fraction * encoded.power,
        residual_power=(1 - fraction) * encoded.power,
    )
    return model, encoded, inputs


@pytest.mark.parametrize("name", EXPLAINERS)
def test_explainer_runs_on_the_classifier(any_classifier, explained, name):
    """Maps have the frames of the clip, which some encoders repeat."""
    if name == "scorecam" and any_classifier.hidden_channels[0] > MAX_CHANNELS:
        pytest.skip("a pass of the encoder for each of many channels; gscorecam takes some")
    model, encoded, inputs = explained
    explainer = replace(EXPLAINERS[name], **FEW_PASSES.get(name, {}))
    maps = explainer(model, encoded, inputs)
    assert_maps(maps, encoded)
    assert maps.max() <= 1 or not explainer.is_mask
    assert maps.max() > 0 or "cam" in name  # a CAM is empty if all channels are negative
