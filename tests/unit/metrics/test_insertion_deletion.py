"""Insertion and deletion: ends that are known, definitions written out, fills that are heard."""

import numpy as np
import pytest
import torch

from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.masked_classifier import EncodedClips, MaskedClassifier
from speechbrain_lmac.metrics.insertion_deletion import (
    FILLS,
    KINDS,
    SHARES,
    area,
    curve,
    heard_frames,
)
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from speechbrain_lmac.utils.errors import InputError

SEEDS = [1, 2, 3]


@pytest.fixture(scope="module")
def of_any(any_clap, wavs):
    """A classifier of every kind of CLAP, clips that it hears and three names."""
    classifier = MaskedClassifier(MelDomain(any_clap))
    with torch.no_grad():
        text = any_clap.queries([class_prompt(name) for name in ("siren", "rain", "dog")])
        return classifier, classifier.encode_clips(wavs), text


@pytest.fixture
def ranks(of_any):
    maps = torch.rand(of_any[1].power.shape, generator=torch.Generator().manual_seed(0))
    return rank_bins(maps, SEEDS)


TARGET = torch.tensor([0, 1, 0])


def probability(classifier, embedding, text):
    return classifier.logits(embedding, text).softmax(dim=1)[range(3), TARGET]


@pytest.mark.parametrize("fill", FILLS)
def test_ends_are_the_clip_and_the_fill(of_any, ranks, fill):
    """Random weights among them: for plumbing only."""
    classifier, encoded, text = of_any
    insertion, deletion = (
        curve(classifier, encoded, ranks, text, TARGET, fill, (0.0, 1.0), kind) for kind in KINDS
    )
    whole = probability(classifier, encoded.encoding.vector, text)
    assert (insertion[:, 1] == whole).all()
    assert (deletion[:, 0] == whole).all()
    laid = FILLS[fill](heard_frames(classifier, encoded)).expand_as(encoded.encoder_power)
    with torch.no_grad():
        nothing = probability(classifier, classifier.domain.encode(laid).vector, text)
    torch.testing.assert_close(insertion[:, 0], nothing, atol=1e-5, rtol=0)
    torch.testing.assert_close(deletion[:, 1], nothing, atol=1e-5, rtol=0)


def test_over_silence_they_are_the_masked_parts(classifier, wavs, text):
    encoded = classifier.encode_clips(wavs)
    ranks = rank_bins(encoded.power, SEEDS)
    scores = classifier.masked_similarity(encoded, top_k_mask(ranks, 0.1), text)
    for kind, logits in zip(KINDS, (scores.masked_in, scores.masked_out)):
        found = curve(classifier, encoded, ranks, text, TARGET, "silence", (0.1,), kind)
        expected = logits.softmax(dim=1)[range(3), TARGET]
        torch.testing.assert_close(found[:, 0], expected, atol=1e-5, rtol=0)


def test_curve_lays_silence_by_default(classifier, wavs, text):
    encoded = classifier.encode_clips(wavs)
    ranks = rank_bins(encoded.power, SEEDS)
    found, named = (
        curve(classifier, encoded, ranks, text, TARGET, shares=(0.1,), **fill)
        for fill in ({}, {"fill": "silence", "kind": "insertion"})
    )
    assert torch.equal(found, named)


def test_a_curve_does_not_depend_on_the_batch(of_any, ranks):
    classifier, encoded, text = of_any
    settings = {"fill": "noise_floor", "shares": (0.1, 0.3)}
    together = curve(classifier, encoded, ranks, text, TARGET, **settings)[1]
    alone = classifier.encode_clips(encoded.wavs[1:2])
    one = curve(classifier, alone, ranks[1:2], text, TARGET[1:2], **settings)[0]
    torch.testing.assert_close(together, one, atol=1e-4, rtol=0)


@pytest.mark.parametrize("fill", FILLS)
def test_the_source_comes_first_by_the_ideal_mask(classifier, wavs, text, fill):
    """On the package's own weights: the siren's cells are what makes a siren."""
    siren, rain, _ = classifier.domain.power(wavs)
    ranks = rank_bins((siren / (siren + rain).clamp(min=1e-20))[None], [1])
    encoded, target = classifier.encode_clips(wavs[2:]), torch.tensor([0])
    for kind, sign in zip(KINDS, (1, -1)):
        best, worst = (
            area(curve(classifier, encoded, order, text, target, fill, kind=kind))
            for order in (ranks, ranks.amax() - ranks)
        )
        assert sign * (best - worst) > 0


def test_fills_are_what_numpy_says():
    power = torch.rand(2, 37, 5, generator=torch.Generator().manual_seed(0))
    floor = np.quantile(power.numpy(), 0.1, axis=1, keepdims=True, method="inverted_cdf")
    assert (FILLS["noise_floor"](power).numpy() == floor).all()
    mean = torch.from_numpy(power.numpy().mean(axis=1, keepdims=True))
    torch.testing.assert_close(FILLS["mean"](power), mean)
    assert (FILLS["silence"](power) == torch.zeros(2, 1, 5)).all()


def test_a_steady_clip_is_its_own_fill():
    steady = torch.rand(2, 1, 5).expand(2, 20, 5)
    for fill in ("noise_floor", "mean"):
        torch.testing.assert_close(FILLS[fill](steady), steady[:, :1])


@pytest.mark.parametrize("seconds", [3, 12])
def test_fills_hear_the_clip_and_no_more(laion_htsat, seconds):
    """Neither the silence after repetitions nor what lies outside the window."""
    rate = laion_htsat.sample_rate
    wavs = 0.1 * torch.randn(1, seconds * rate, generator=torch.Generator().manual_seed(0))
    if seconds > 10:
        wavs[:, : rate // 2] = 0
        wavs[:, -rate // 2 :] = 0
    domain = MelDomain(laion_htsat)
    power = domain.power(wavs)
    heard = domain.power(laion_htsat.window.fit_wav(wavs))
    encoded = EncodedClips(wavs, power, heard, encoding=None)  # which no fill asks for
    frames = heard_frames(MaskedClassifier(domain), encoded)
    assert frames.shape[1] == min(power.shape[1], 1 + laion_htsat.window.samples // 480)
    assert (FILLS["noise_floor"](frames) > 0).all()


def test_what_is_shut_is_filled_in_proportion(classifier, wavs):
    encoded = classifier.encode_clips(wavs)
    samples, fill = wavs.shape[1], encoded.power.mean(dim=1, keepdim=True)
    mask = torch.rand(encoded.power.shape, generator=torch.Generator().manual_seed(0))
    filled = classifier.encode_masked(encoded.encoder_power, mask, samples, fill).vector
    by_hand = mask**2 * encoded.power + (1 - mask**2) * fill
    torch.testing.assert_close(filled, classifier.domain.encode(by_hand).vector)
    silent = classifier.encode_masked(encoded.encoder_power, mask, samples, 0 * fill).vector
    assert (silent == classifier.encode_masked(encoded.encoder_power, mask, samples).vector).all()


def test_area_is_the_mean_height():
    shares = torch.tensor(SHARES)
    curves = torch.stack([torch.full_like(shares, 0.3), shares, 1 - shares])
    torch.testing.assert_close(area(curves), torch.tensor([0.3, 0.5, 0.5]))
    assert area(torch.tensor([[0.2, 0.6]]), (0.0, 0.5)).item() == pytest.approx(0.4)
    torch.testing.assert_close(area(shares[2:5][None], SHARES[2:5]), torch.tensor([0.125]))


def test_what_is_no_curve_is_refused(classifier, wavs, text):
    encoded = classifier.encode_clips(wavs)
    ranks = rank_bins(encoded.power, SEEDS)
    for wrong in ({"fill": "noise"}, {"kind": "insert"}):
        with pytest.raises(InputError, match="a curve is insertion or deletion over silence"):
            curve(classifier, encoded, ranks, text, TARGET, **wrong)
    for shares in ([0.5, 0.1], [0.1, 0.1], [0.5]):
        with pytest.raises(InputError, match="shares ascend"):
            area(torch.zeros(1, len(shares)), shares)
