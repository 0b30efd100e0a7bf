"""Similarity of maps against closed forms and other packages; size of the perturbations."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.nn.functional import conv2d

from speechbrain_lmac.metrics.similarity import perturbed, spearman, ssim
from speechbrain_lmac.metrics.top_k import normalize_attributions
from speechbrain_lmac.utils.errors import InputError

SEEDS = [1, 2, 3]


def decibels(wavs):
    return 10 * wavs.double().square().mean(dim=1).log10()


def test_spearman_equals_scipy_with_ties():
    """Rounded random maps against scipy's spearmanr."""
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(4, 12, 15, generator=generator).round(decimals=1)
    second = (first + torch.rand(4, 12, 15, generator=generator)).round(decimals=1)
    second[3] = -first[3]
    expected = [
        spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first.numpy(), second.numpy())
    ]
    torch.testing.assert_close(spearman(first, second), torch.tensor(expected).float())


def test_spearman_equals_the_closed_form():
    """Without ties: ``1 - 6 sum(d^2) / (n (n^2 - 1))``."""
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    first, second = torch.arange(30.0).view(1, 5, 6), order.float().view(1, 5, 6)
    distance = (torch.arange(30) - order).square().sum()
    expected = 1 - 6 * distance / (30 * (30**2 - 1))
    assert spearman(first, second).item() == pytest.approx(expected.item(), abs=1e-6)


def test_spearman_of_constant_maps_is_defined():
    """A constant map has correlation 0 with a varied and 1 with a constant map."""
    varied, constant = torch.rand(1, 9, 9), torch.full((1, 9, 9), 0.3)
    assert spearman(varied, constant) == spearman(constant, varied) == 0
    assert spearman(constant, 2 * constant) == 1


def test_spearman_ignores_the_sign_of_zero():
    """-0 and 0 tie."""
    zeros = torch.tensor([[[0.0, -0.0, 1.0]]])
    assert spearman(zeros, zeros.abs()) == 1


def test_ssim_equals_its_definition():
    """Wang et al., 2004, equation 13, with a Gaussian window by convolution."""
    generator = torch.Generator().manual_seed(0)
    first = normalize_attributions(torch.rand(3, 40, 25, generator=generator) ** 3)
    noise = torch.rand(3, 40, 25, generator=generator)
    second = first + torch.tensor([0.0, 0.1, 2.0])[:, None, None] * noise
    second = normalize_attributions(second)
    bell = torch.exp(-(torch.arange(-5, 6.0) ** 2) / (2 * 1.5**2))
    kernel = (bell.outer(bell) / bell.outer(bell).sum()).double().view(1, 1, 11, 11)

    def blur(maps):
        return conv2d(maps.double().unsqueeze(1), kernel)

    mean_1, mean_2 = blur(first), blur(second)
    variance_1 = blur(first**2) - mean_1**2
    variance_2 = blur(second**2) - mean_2**2
    covariance = blur(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + 0.01**2) / (mean_1**2 + mean_2**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variance_1 + variance_2 + 0.03**2)
    expected = (luminance * structure).mean(dim=(1, 2, 3)).float()
    torch.testing.assert_close(ssim(first, second), expected, atol=1e-4, rtol=0)
    assert expected[0] > 0.999 > expected[1] > expected[2]


def test_ssim_ignores_the_scale_of_maps():
    """Maps are normalized first."""
    maps = torch.rand(2, 20, 20)
    torch.testing.assert_close(ssim(maps, 7 * maps), torch.ones(2))


def test_ssim_refuses_small_maps():
    """The window must fit into the map."""
    with pytest.raises(InputError, match="at least 11 x 11 frames and bins, got 10 x 20"):
        ssim(torch.rand(2, 10, 20), torch.rand(2, 10, 20))


def test_perturbations_have_their_levels(wavs):
    """6 dB quieter, and noise 40 dB below the clip."""
    changed = perturbed(wavs, SEEDS)
    torch.testing.assert_close(changed["quieter"], 0.501187 * wavs)
    below = decibels(changed["noise"] - wavs) - decibels(wavs)
    torch.testing.assert_close(below, torch.full((3,), -40.0).double(), atol=0.01, rtol=0)


def test_perturbation_noise_is_white_per_clip(wavs):
    """The spectrum is flat, and the noise depends on the clip's seed alone."""
    noise = perturbed(wavs, SEEDS)["noise"] - wavs
    spectrum = torch.fft.rfft(noise.double()).abs().square()
    bands = spectrum[:, 1:].unflatten(1, (8, -1)).mean(dim=2)
    assert (bands / bands.mean(dim=1, keepdim=True) - 1).abs().max() < 0.2
    alone = perturbed(wavs[1:2], SEEDS[1:2])["noise"] - wavs[1:2]
    np.testing.assert_array_equal(noise[1:2], alone)
    assert (alone != perturbed(wavs[1:2], [9])["noise"] - wavs[1:2]).any()


def test_perturbed_silence_stays_silent():
    """Noise is relative to the clip."""
    assert all((wavs == 0).all() for wavs in perturbed(torch.zeros(1, 100), [1]).values())


def test_quieter_clip_ranks_bins_alike(domain, wavs):
    """The energy map does not depend on loudness, but on noise."""
    maps = {
        name: normalize_attributions(domain.power(changed).sqrt())
        for name, changed in perturbed(wavs, SEEDS).items()
    }
    original = normalize_attributions(domain.power(wavs).sqrt())
    quieter = spearman(original, maps["quieter"])
    torch.testing.assert_close(quieter, torch.ones(3), atol=1e-3, rtol=0)
    assert (spearman(original, maps["noise"]) < quieter).all()
