"""Gradient features: closed forms on linear encoders, and decoders with random weights."""

import pytest
import torch
from safetensors.torch import save_file

from speechbrain_lmac.losses.objective import method_name
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.domains import MelDomain, StftDomain
from speechbrain_lmac.masking.gradients import add_path, log_attribution, relevance_maps
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.pretrained.decoder_weights import load_decoder
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import even_grid


def dot(vector, query):
    return (vector * query).sum(dim=-1)


def normalized(maps):
    return maps / maps.square().mean(dim=(-2, -1), keepdim=True).sqrt()


def test_relevance_of_a_linear_encoder():
    """Vector ``sum_b W[c, b] A[c, t, b]``: the gradient is W, and both maps have a closed form."""
    maps = torch.randn(3, 4, 5, 6, requires_grad=True)
    weight = torch.randn(4, 1, 6)
    vector = (maps * weight).sum(dim=(2, 3))
    query = torch.randn(2, 3, 4)  # its own query for each clip
    (relevance,) = relevance_maps(vector, [maps], query, dot)
    gradient = query[..., None, None] * weight
    first = (gradient * maps).sum(dim=2)
    second = (gradient.mean(dim=(3, 4), keepdim=True) * maps).sum(dim=2)
    expected = torch.stack([normalized(first), normalized(second)], dim=2).detach()
    assert not relevance.requires_grad
    torch.testing.assert_close(relevance, expected)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e3, 1e12])
def test_relevance_does_not_depend_on_the_scale_of_logits(scale):
    """A CLAP's logit scale has no effect; the opposite query has the opposite sign."""
    maps = torch.randn(2, 4, 5, 6, requires_grad=True)
    vector, query = maps.tanh().mean(dim=(2, 3)), torch.randn(1, 1, 4)
    (one,) = relevance_maps(vector, [maps], query, dot)
    (scaled,) = relevance_maps(vector, [maps], scale * query, dot)
    (opposite,) = relevance_maps(vector, [maps], -query, dot)
    torch.testing.assert_close(scaled, one, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(opposite, -one)


def test_relevance_without_influence_is_zero():
    """A query without a gradient gives zeros, not NaN."""
    maps = torch.randn(1, 4, 5, 6, requires_grad=True)
    (relevance,) = relevance_maps(0 * maps.mean(dim=(2, 3)), [maps], torch.ones(1, 1, 4), dot)
    assert relevance.eq(0).all()


@pytest.fixture
def gradient_model(clap):
    torch.manual_seed(0)
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8, gradient_features=2)
    return InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder).eval()


@pytest.fixture
def queries(clap):
    return clap.queries(["rain", "dog barking", "siren"]).unsqueeze(1)


def test_kept_graph_equals_another_pass(gradient_model, queries):
    """The graph of the classification gives the features of a separate pass."""
    encoded = gradient_model.classifier.encode_clips(torch.randn(2, 16000))
    assert encoded.graph is not None and not encoded.encoding.vector.requires_grad
    kept = gradient_model.features(encoded, queries).gradients
    again = gradient_model.features(encoded._replace(graph=None), queries).gradients
    assert [maps.shape[:3] for maps in kept] == [(3, 2, 2)] * 2
    for one, other in zip(kept, again):
        torch.testing.assert_close(one, other)


def test_mask_of_a_query_does_not_depend_on_others(gradient_model, clap):
    """Six queries together, in groups, equal each query and each clip alone."""
    wavs = torch.randn(2, 16000)
    six = clap.queries(["rain", "dog", "siren", "wind", "engine", "bell"]).unsqueeze(1)
    with torch.no_grad():
        encoded = gradient_model.classifier.encode_clips(wavs)
        together = gradient_model(encoded, six)
        for place, query in enumerate(six):
            for row in range(2):
                one = gradient_model.classifier.encode_clips(wavs[row : row + 1])
                alone = gradient_model(one, query.unsqueeze(0))[0, 0]
                torch.testing.assert_close(together[place, row], alone, atol=1e-5, rtol=0)


def test_gradients_change_the_mask(gradient_model, queries):
    """The decoder uses them; without them it is the decoder of zeros."""
    with torch.no_grad():
        encoded = gradient_model.classifier.encode_clips(torch.randn(2, 16000))
        features = gradient_model.features(encoded, queries)
        masks = gradient_model(encoded, queries)
        without = gradient_model(encoded, queries, gradient_model.features(encoded))
        zeros = tuple(torch.zeros_like(maps) for maps in features.gradients)
        zeroed = gradient_model(encoded, queries, features._replace(gradients=zeros))
    assert torch.equal(without, zeroed)
    assert (masks - without).abs().max() > 1e-3


def test_no_gradient_features_is_the_decoder_without_them():
    """The same seed gives the same weights and the same masks, bit by bit."""
    sizes = {"hidden_channels": (16, 12, 8), "query_dim": 10, "channels": 8}
    decoders = []
    for settings in ({}, {"gradient_features": 0}, {"gradient_features": 3}):
        torch.manual_seed(0)
        decoders.append(MaskDecoder(**sizes, **settings))
    plain, none, three = (decoder.state_dict() for decoder in decoders)
    assert list(plain) == list(none) and all(torch.equal(plain[name], none[name]) for name in plain)
    assert decoders[0].config == decoders[1].config
    assert all(torch.equal(plain[name], three[name]) for name in plain)
    assert sorted(set(three) - set(plain)) == [f"relevances.{scale}.weight" for scale in range(3)]


@pytest.mark.parametrize("count", [4, -1, True, 1.5, "2"])
def test_gradient_features_must_fit_the_maps(count):
    """The decoder has three hidden maps."""
    with pytest.raises(InputError, match="gradient_features must be 0 to 3, got"):
        MaskDecoder((16, 12, 8), 10, 8, gradient_features=count)


def test_decoder_with_gradients_loads_strictly(tmp_path):
    """A decoder without gradients does not take the weights of one with them."""
    decoder = MaskDecoder((16, 12, 8), 10, 8, gradient_features=2)
    state = {name: weight.contiguous() for name, weight in decoder.state_dict().items()}
    path = tmp_path / "decoder.safetensors"
    save_file(state, path)
    load_decoder(MaskDecoder((16, 12, 8), 10, 8, gradient_features=2), path)
    with pytest.raises(InputError, match="does not hold this decoder's weights"):
        load_decoder(MaskDecoder((16, 12, 8), 10, 8), path)


def test_relevances_enter_at_their_own_scale():
    """A map of the deepest scale acts through the weights of the deepest scale alone."""
    decoder = MaskDecoder((16, 12, 8), 10, 8, gradient_features=2)
    with torch.no_grad():
        decoder.relevances[1].weight.zero_()
    hidden = tuple(torch.randn(1, size, 4 * 2**i, 2 * 2**i) for i, size in enumerate((16, 12, 8)))
    gradients = tuple(torch.randn(3, 1, 2, *maps.shape[-2:]) for maps in hidden[:2])
    features = DecoderFeatures(hidden, torch.randn(1, 30, 20), gradients)
    grid, queries = even_grid(30, torch.linspace(0, 1, 20)), torch.randn(3, 1, 10)
    with torch.no_grad():
        masks = decoder(features, queries, grid)
        second = gradients[0], torch.randn_like(gradients[1])
        assert torch.equal(decoder(features._replace(gradients=second), queries, grid), masks)
        first = -gradients[0], gradients[1]
        assert not torch.equal(decoder(features._replace(gradients=first), queries, grid), masks)


def test_method_with_gradients_has_a_name():
    """The name says which input was used."""
    decision = ["mask_in_nll", "mask_out_nll", "source_preservation", "mask_area_prior"]
    decision += ["irm_regression", "top_k_gate", "gradient_features"]
    assert method_name(decision) == "LMAC-ZS-G"
    assert method_name(decision, "L-MAC") == "L-MAC-G"


@pytest.fixture(params=[MelDomain, StftDomain])
def masked(request):
    """MiniCLAP with masks on mel bands or STFT bins, and two encoded clips of 3 s."""
    classifier = MaskedClassifier(request.param(MiniCLAP()))
    return classifier, classifier.encode_clips(0.1 * torch.randn(2, 96000))


def test_gain_gradient_is_input_times_gradient(masked):
    """The chain rule through power equals the gradient with respect to gains by autograd."""
    classifier, encoded = masked
    (query,) = classifier.audio_classifier.queries(["rain"])
    graph = classifier.encode_with_graph(encoded.encoder_power)
    (gradient,) = torch.autograd.grad((graph.vector @ query).sum(), graph.power)
    gains = torch.ones_like(encoded.power).requires_grad_()
    vector = classifier.encode_masked_vector(encoded, gains)
    (expected,) = torch.autograd.grad((vector @ query).sum(), gains)
    assert expected.abs().max() > 0
    torch.testing.assert_close(classifier.gain_gradient(encoded, gradient), expected)


def test_log_attribution_has_standard_scores():
    """Valid bins have mean 0 and variance 1, others 0; neither scale nor negative parts count."""
    valid = torch.ones(20, 12)
    valid[:, 9:] = 0
    attribution = torch.randn(2, 20, 12)
    scores = log_attribution(attribution, valid)
    inside = scores[:, :, :9].flatten(1)
    torch.testing.assert_close(inside.mean(dim=1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.var(dim=1, correction=0), torch.ones(2))
    assert scores[:, :, 9:].eq(0).all()
    torch.testing.assert_close(log_attribution(1e-6 * attribution, valid), scores)
    torch.testing.assert_close(log_attribution(attribution.relu(), valid), scores)


def test_log_attribution_peaks_where_the_evidence_is():
    """The largest score is at the only positive bin; negative evidence alone gives zeros."""
    attribution = torch.zeros(1, 15, 15)
    attribution[0, 4, 11] = 3.0
    assert log_attribution(attribution, torch.ones(15, 15)).argmax() == 4 * 15 + 11
    assert log_attribution(-attribution, torch.ones(15, 15)).eq(0).all()


def test_absolute_log_attribution_has_the_order_of_magnitudes():
    """``log(|a| + 0.03 mean |a|)`` as standard scores: no blur, and the sign does not count."""
    attribution, valid = torch.randn(2, 9, 7), torch.ones(9, 7)
    valid[:, :2] = 0
    scores = log_attribution(attribution, valid, "absolute")
    torch.testing.assert_close(log_attribution(-attribution, valid, "absolute"), scores)
    magnitudes = attribution[:, :, 2:].abs().flatten(1)
    logs = (magnitudes + 0.03 * magnitudes.mean(dim=1, keepdim=True)).log()
    expected = (logs - logs.mean(1, keepdim=True)) / logs.std(1, keepdim=True, correction=0)
    torch.testing.assert_close(scores[:, :, 2:].flatten(1), expected)
    assert scores[:, :, :2].eq(0).all()


def test_path_adds_standard_deviations():
    """``l + w std(l) s`` over valid bins; a weight of 0 is the logits themselves."""
    logits, path, valid = torch.randn(3, 2, 8, 6), torch.randn(3, 2, 8, 6), torch.ones(8, 6)
    valid[:3] = 0
    spread = logits[:, :, 3:].flatten(2).std(dim=2, correction=0)[..., None, None]
    torch.testing.assert_close(add_path(logits, path, 0.5, valid), logits + 0.5 * spread * path)
    assert add_path(logits, path, 0.0, valid) is logits
    assert add_path(logits, None, 0.5, valid) is logits


def test_path_without_weights_moves_masks_to_the_evidence(masked):
    """A decoder without trained weights follows input times gradient if the path dominates."""
    classifier, encoded = masked
    clap = classifier.audio_classifier
    queries = clap.queries(["rain", "a dog"]).unsqueeze(1)
    masks = {}
    for weight in (0.0, 10.0):
        torch.manual_seed(0)
        decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, 8, gradient_path=weight)
        network = InterpreterNetwork(classifier, decoder)
        masks[weight] = network(encoded, queries)
        features = network.features(encoded, queries)
    valid = classifier.grid(encoded).valid.bool()
    for mask, path in zip(masks[10.0].flatten(0, 1), features.path.flatten(0, 1)):
        assert torch.corrcoef(torch.stack([mask[valid].logit(), path[valid]]))[0, 1] > 0.9
    assert not torch.equal(masks[0.0], masks[10.0])
    parts = torch.cat([network(encoded, query.unsqueeze(1)) for query in queries])
    torch.testing.assert_close(parts, masks[10.0])


@pytest.mark.parametrize("weight", [-0.1, 11, True, "1"])
def test_path_weight_must_be_valid(weight):
    """A wrong weight is refused with its value."""
    with pytest.raises(InputError, match="gradient_path must be 0 to 10, got"):
        MaskDecoder((16, 12, 8), 10, 8, gradient_path=weight)


def test_path_map_must_be_known():
    """An unknown kind of path is refused; the default is left out of the settings."""
    with pytest.raises(InputError, match="gradient_path_map must be positive or absolute, got 'x'"):
        MaskDecoder((16, 12, 8), 10, 8, gradient_path_map="x")
    assert "gradient_path_map" not in MaskDecoder((16, 12, 8), 10, 8, gradient_path=0.2).config
    decoder = MaskDecoder((16, 12, 8), 10, 8, gradient_path=0.2, gradient_path_map="absolute")
    assert MaskDecoder(**decoder.config).gradient_path_map == "absolute"


def test_decoder_adds_the_path_of_its_kind(masked):
    """Both kinds of path reach the mask logits, and differ."""
    classifier, encoded = masked
    clap = classifier.audio_classifier
    queries = clap.queries(["rain"]).unsqueeze(1)
    paths = {}
    for kind in ("positive", "absolute"):
        settings = {"gradient_path": 0.5, "gradient_path_map": kind}
        decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, 8, **settings)
        paths[kind] = InterpreterNetwork(classifier, decoder).features(encoded, queries).path
    graph = classifier.encode_with_graph(encoded.encoder_power)
    logit = clap.paired_logits(graph.vector, queries[0]).sum()
    (gradient,) = torch.autograd.grad(logit, graph.power)
    gains = classifier.gain_gradient(encoded, gradient)
    valid = classifier.grid(encoded).valid
    for kind, path in paths.items():
        torch.testing.assert_close(path[0], log_attribution(gains, valid, kind))
    assert not torch.equal(*paths.values())
