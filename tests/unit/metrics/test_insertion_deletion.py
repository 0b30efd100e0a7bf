"""Insertion and deletion curves: known ends, definitions, and fills."""

import copy

import numpy as np
import pytest
import torch

from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.insertion_deletion import (
    CURVE_FRACTIONS,
    FILLS,
    KINDS,
    area_under_curve,
    curve,
    valid_power,
)
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from speechbrain_lmac.models.clap.mini import HOP_LENGTH
from speechbrain_lmac.models.input_window import FixedLengthInput
from speechbrain_lmac.utils.errors import InputError

SEEDS = [1, 2, 3]


@pytest.fixture(scope="module")
def encoded_clips(any_classifier, wavs):
    """Return a masked classifier, encoded clips and three classes."""
    classifier = MaskedClassifier(MelDomain(any_classifier))
    with torch.no_grad():
        text = any_classifier.queries(
            [any_classifier.question(name) for name in ("siren", "rain", "dog")]
        )
        return classifier, classifier.encode_clips(wavs), text


@pytest.fixture
def ranks(encoded_clips):
    maps = torch.rand(encoded_clips[1].power.shape, generator=torch.Generator().manual_seed(0))
    return rank_bins(maps, SEEDS)


TARGET = torch.tensor([0, 1, 0])


def probability(classifier, embedding, text):
    return classifier.probabilities(embedding, text)[range(3), TARGET]


@pytest.mark.parametrize("fill", FILLS)
def test_curve_ends_are_clip_and_fill(encoded_clips, ranks, fill):
    """Insertion ends at the clip, deletion at the fill."""
    classifier, encoded, text = encoded_clips
    insertion, deletion = (
        curve(classifier, encoded, ranks, text, TARGET, fill, (0.0, 1.0), kind) for kind in KINDS
    )
    original = probability(classifier, encoded.encoding.vector, text)
    assert (insertion[:, 1] == original).all()
    assert (deletion[:, 0] == original).all()
    fill_power = FILLS[fill](valid_power(classifier, encoded)).expand_as(encoded.encoder_power)
    with torch.no_grad():
        at_fill = probability(classifier, classifier.domain.encode(fill_power).vector, text)
    torch.testing.assert_close(insertion[:, 0], at_fill, atol=1e-5, rtol=0)
    torch.testing.assert_close(deletion[:, 1], at_fill, atol=1e-5, rtol=0)


def test_curve_over_silence_equals_masking(classifier, wavs, text):
    """Insertion is the masked-in clip, deletion the masked-out clip."""
    encoded = classifier.encode_clips(wavs)
    ranks = rank_bins(encoded.power, SEEDS)
    scores = classifier.masked_similarity(encoded, top_k_mask(ranks, 0.1), text)
    for kind, logits in zip(KINDS, (scores.masked_in, scores.masked_out)):
        points = curve(classifier, encoded, ranks, text, TARGET, "silence", (0.1,), kind)
        expected = logits.softmax(dim=1)[range(3), TARGET]
        torch.testing.assert_close(points[:, 0], expected, atol=1e-5, rtol=0)


def test_curve_defaults_to_silent_insertion(classifier, wavs, text):
    """The defaults equal the named values."""
    encoded = classifier.encode_clips(wavs)
    ranks = rank_bins(encoded.power, SEEDS)
    default, named = (
        curve(classifier, encoded, ranks, text, TARGET, fractions=(0.1,), **fill)
        for fill in ({}, {"fill": "silence", "kind": "insertion"})
    )
    assert torch.equal(default, named)


def test_curve_ignores_the_batch(encoded_clips, ranks):
    """A clip alone has the same curve."""
    classifier, encoded, text = encoded_clips
    settings = {"fill": "noise_floor", "fractions": (0.1, 0.3)}
    together = curve(classifier, encoded, ranks, text, TARGET, **settings)[1]
    alone = classifier.encode_clips(encoded.wavs[1:2])
    one = curve(classifier, alone, ranks[1:2], text, TARGET[1:2], **settings)[0]
    torch.testing.assert_close(together, one, atol=1e-4, rtol=0)


@pytest.mark.parametrize("fill", FILLS)
def test_oracle_ranks_beat_reversed_ranks(classifier, wavs, text, fill):
    """On the pretrained weights: the bins of the siren are what makes a siren."""
    siren, rain, _ = classifier.domain.power(wavs)
    ranks = rank_bins((siren / (siren + rain).clamp(min=1e-20))[None], [1])
    encoded, target = classifier.encode_clips(wavs[2:]), torch.tensor([0])
    for kind, sign in zip(KINDS, (1, -1)):
        best, worst = (
            area_under_curve(curve(classifier, encoded, order, text, target, fill, kind=kind))
            for order in (ranks, ranks.amax() - ranks)
        )
        assert sign * (best - worst) > 0


def test_fills_equal_numpy():
    """Quantile, mean and zeros."""
    power = torch.rand(2, 37, 5, generator=torch.Generator().manual_seed(0))
    floor = np.quantile(power.numpy(), 0.1, axis=1, keepdims=True, method="inverted_cdf")
    assert (FILLS["noise_floor"](power).numpy() == floor).all()
    mean = torch.from_numpy(power.numpy().mean(axis=1, keepdims=True))
    torch.testing.assert_close(FILLS["mean"](power), mean)
    assert (FILLS["silence"](power) == torch.zeros(2, 1, 5)).all()


def test_fill_of_a_steady_clip_is_the_clip():
    """Noise floor and mean of equal frames."""
    steady = torch.rand(2, 1, 5).expand(2, 20, 5)
    for fill in ("noise_floor", "mean"):
        torch.testing.assert_close(FILLS[fill](steady), steady[:, :1])


@pytest.fixture
def fixed_length_clap(clap):
    """Return MiniCLAP with an encoder input of 10 s."""
    fixed = copy.copy(clap)
    fixed.window = FixedLengthInput(10 * clap.sample_rate, HOP_LENGTH, whole_repeats=True)
    return fixed


@pytest.mark.parametrize("seconds", [3, 12])
def test_fills_use_valid_frames_only(fixed_length_clap, seconds):
    """Neither padding after repetitions nor frames outside the window count."""
    rate, window = fixed_length_clap.sample_rate, fixed_length_clap.window
    wavs = 0.1 * torch.randn(1, seconds * rate, generator=torch.Generator().manual_seed(0))
    if seconds > 10:
        wavs[:, :rate] *= 1e-3
        wavs[:, -rate:] *= 1e-3
    domain = MelDomain(fixed_length_clap)
    power = domain.power(wavs)
    encoder_power = domain.power(window.fit_wav(wavs))
    encoded = EncodedClips(wavs, power, encoder_power, encoding=None)  # fills do not need it
    frames = valid_power(MaskedClassifier(domain), encoded)
    assert frames.shape[1] == min(power.shape[1], 1 + window.samples // window.hop_length)
    assert (FILLS["noise_floor"](frames) > 1e-3 * FILLS["mean"](frames)).all()


def test_fill_is_weighted_by_the_mask(classifier, wavs):
    """Masked bins get ``1 - mask ** 2`` of the fill."""
    encoded = classifier.encode_clips(wavs)
    samples, fill = wavs.shape[1], encoded.power.mean(dim=1, keepdim=True)
    mask = torch.rand(encoded.power.shape, generator=torch.Generator().manual_seed(0))
    filled = classifier.encode_masked(encoded.encoder_power, mask, samples, fill).vector
    by_hand = mask**2 * encoded.power + (1 - mask**2) * fill
    torch.testing.assert_close(filled, classifier.domain.encode(by_hand).vector)
    silent = classifier.encode_masked(encoded.encoder_power, mask, samples, 0 * fill).vector
    assert (silent == classifier.encode_masked(encoded.encoder_power, mask, samples).vector).all()


def test_area_is_the_mean_height():
    """Constant and linear curves."""
    fractions = torch.tensor(CURVE_FRACTIONS)
    curves = torch.stack([torch.full_like(fractions, 0.3), fractions, 1 - fractions])
    torch.testing.assert_close(area_under_curve(curves), torch.tensor([0.3, 0.5, 0.5]))
    assert area_under_curve(torch.tensor([[0.2, 0.6]]), (0.0, 0.5)).item() == pytest.approx(0.4)
    torch.testing.assert_close(
        area_under_curve(fractions[2:5][None], CURVE_FRACTIONS[2:5]), torch.tensor([0.125])
    )


def test_curve_refuses_unknown_settings(classifier, wavs, text):
    """Unknown fills and kinds, and fractions that do not ascend."""
    encoded = classifier.encode_clips(wavs)
    ranks = rank_bins(encoded.power, SEEDS)
    for wrong in ({"fill": "noise"}, {"kind": "insert"}):
        with pytest.raises(
            InputError, match="must be one of insertion, deletion and one of silence"
        ):
            curve(classifier, encoded, ranks, text, TARGET, **wrong)
    for fractions in ([0.5, 0.1], [0.1, 0.1], [0.5]):
        with pytest.raises(InputError, match="must be at least two ascending numbers"):
            area_under_curve(torch.zeros(1, len(fractions)), fractions)
