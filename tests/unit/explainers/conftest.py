"""Encoded clips and inputs for every explainer."""

import copy

import pytest
import torch

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.log_power import normalized_log_power

ONLY_MEL = pytest.mark.parametrize("domain", ["mel"], indirect=True)
"""For slow tests that do not depend on the masking domain."""


@pytest.fixture(scope="module")
def encoded(classifier, wavs):
    """Return three encoded clips."""
    return classifier.encode_clips(wavs)


@pytest.fixture(scope="module")
def inputs(classifier, text, encoded):
    """Return all inputs of explainers; the power of two sources adds up to the clip."""
    fraction = torch.linspace(0, 1, encoded.power.shape[-1])
    hidden = tuple(maps.mean(dim=0, keepdim=True) for maps in encoded.encoding.hidden)
    log_power = normalized_log_power(encoded.power).mean(dim=0, keepdim=True)
    return ExplainerInputs(
        query=text,
        seeds=(1, 2, 3),
        class_queries=text,
        other_query=text.roll(1, dims=0),
        other_clips=classifier.encode_clips(encoded.wavs.roll(1, dims=0)),
        mean_features=DecoderFeatures(hidden, log_power),
        target_power=fraction * encoded.power,
        residual_power=(1 - fraction) * encoded.power,
    )


@pytest.fixture
def in_double(classifier, encoded):
    """Return the classifier and its clips in double precision.

    Steps can then be too small to cross the kinks of a network.
    """
    doubled = copy.deepcopy(classifier).double()
    return doubled, doubled.encode_clips(encoded.wavs.double())


def single_clip(classifier, encoded, inputs, clip):
    """Return one clip of a batch, encoded alone, and its inputs."""
    part = slice(clip, clip + 1)
    return classifier.encode_clips(encoded.wavs[part]), inputs._replace(
        query=inputs.query[part],
        seeds=inputs.seeds[part],
        other_query=inputs.other_query[part],
        other_clips=classifier.encode_clips(inputs.other_clips.wavs[part]),
        target_power=inputs.target_power[part],
        residual_power=inputs.residual_power[part],
    )


def masked_logits(classifier, encoded, query, gains):
    """Return the logit of each clip's query under gains."""
    encoding = classifier.encode_masked(encoded.encoder_power, gains, encoded.wavs.shape[-1])
    return classifier.audio_classifier.paired_logits(encoding.vector, query)


def negated(explainer, model, encoded, inputs):
    """Return the map of the opposite query: evidence against the query."""
    return explainer(model, encoded, inputs._replace(query=-inputs.query))


def assert_maps(maps, encoded):
    """Maps have the clip's shape, are finite and non-negative, and have no gradient."""
    assert maps.shape == encoded.power.shape and maps.dtype == torch.float32
    assert maps.isfinite().all() and maps.min() >= 0 and not maps.requires_grad
