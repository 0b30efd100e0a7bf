"""Gradient features: closed forms on linear encoders, and decoders with random weights."""

import pytest
import torch
from safetensors.torch import save_file

from speechbrain_lmac.losses.objective import method_name
from speechbrain_lmac.masking.decoder import DecoderFeatures, MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.gradients import relevance_maps
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
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
