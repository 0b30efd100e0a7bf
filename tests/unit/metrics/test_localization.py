"""Localization metrics on synthetic sources with known scores."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from speechbrain_lmac.metrics.faithfulness import si_sdr
from speechbrain_lmac.metrics.localization import (
    pointing_game,
    presence_auc,
    prompt_swap,
    si_sdr_improvement,
    target_energy_fraction,
)
from speechbrain_lmac.metrics.top_k import rank_bins
from speechbrain_lmac.utils.errors import InputError

SEEDS = [3, 4]


def random_maps(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def sources():
    """Return the power of two sources, in two clips."""
    return random_maps(2, 30, 20, seed=1) ** 4, random_maps(2, 30, 20, seed=2) ** 4


def tones(*frequencies):
    """Return sines of complete cycles: orthogonal, with equal energy."""
    time = torch.arange(8000) / 8000
    return [torch.sin(2 * math.pi * frequency * time) for frequency in frequencies]


def test_si_sdr_improvement_of_known_levels():
    """A residual attenuated by 20 dB improves SI-SDR by 20 dB."""
    target, residual = tones(440, 1000)
    mixture = target + residual
    for gain, decibels in [(1.0, 0), (0.1, 20), (10.0, -20)]:
        improvement = si_sdr_improvement(0.3 * (target + gain * residual), mixture, target)
        assert improvement.item() == pytest.approx(decibels, abs=1e-3)


def test_si_sdr_improvement_of_silence():
    """Minus infinity for a silent explanation, NaN for a silent source."""
    target, residual = tones(440, 1000)
    assert si_sdr_improvement(torch.zeros_like(target), target + residual, target) == -torch.inf
    assert si_sdr_improvement(residual, residual, torch.zeros_like(target)).isnan()


def test_full_mask_has_the_mixture_fraction(sources):
    """A constant mask leaves the fraction of the mixture."""
    target, residual = sources
    fraction = target.sum(dim=(1, 2)) / (target + residual).sum(dim=(1, 2))
    torch.testing.assert_close(
        target_energy_fraction(torch.ones_like(target), target, residual), fraction
    )
    torch.testing.assert_close(
        target_energy_fraction(0.01 * torch.ones_like(target), target, residual), fraction
    )


def test_energy_fraction_equals_its_definition(sources):
    """The definition, bin by bin, in NumPy."""
    target, residual = (power.double().numpy() for power in sources)
    mask = random_maps(2, 30, 20)
    weight = mask.numpy().astype(float) ** 2 * (target + residual)
    expected = (weight * target / (target + residual)).sum(axis=(1, 2)) / weight.sum(axis=(1, 2))
    torch.testing.assert_close(
        target_energy_fraction(mask, *sources), torch.from_numpy(expected).float()
    )


def test_energy_fraction_of_disjoint_sources(sources):
    """1 on the bins of the target, 0 elsewhere and for a silent mask."""
    target, residual = sources
    is_target = random_maps(2, 30, 20, seed=5) > 0.5
    target, residual = target * is_target, residual * ~is_target
    assert target_energy_fraction(is_target.float(), target, residual).tolist() == [1, 1]
    assert target_energy_fraction((~is_target).float(), target, residual).tolist() == [0, 0]
    assert target_energy_fraction(torch.zeros_like(target), target, residual).tolist() == [0, 0]


def test_pointing_game_uses_the_best_bin(sources):
    """1 if the source is louder at the peak of the map."""
    target, residual = sources
    maps = torch.zeros_like(target)
    maps[0].view(-1)[(target - residual)[0].argmax()] = 1
    maps[1].view(-1)[(target - residual)[1].argmin()] = 1
    ranks = rank_bins(maps, SEEDS)
    assert pointing_game(ranks, target, residual).tolist() == [1, 0]
    assert pointing_game(ranks, residual, target).tolist() == [0, 1]


def test_pointing_game_of_constant_map_is_chance():
    """Ties are a seeded draw."""
    ranks = rank_bins(torch.ones(400, 10, 10), range(400))
    target = torch.zeros(400, 10, 10)
    target[:, :, :3] = 2
    assert pointing_game(ranks, target, torch.ones_like(target)).mean().item() == pytest.approx(
        0.3, abs=0.07
    )


@pytest.fixture
def swapped(domain, wavs):
    """Return the SI-SDR ``[1, prompts, sources]`` of oracle masks of a siren and rain."""
    siren, rain = domain.power(wavs[:2])
    masks = [(power / (siren + rain).clamp(min=1e-20)).sqrt() for power in (siren, rain)]
    sounds = [domain.apply_mask(wavs[2:], mask.unsqueeze(0))[0] for mask in masks]
    pairs = [si_sdr(sound, source) for sound, source in product(sounds, wavs[:2])]
    return torch.stack(pairs).view(1, 2, 2)


def test_swap_of_oracle_masks_is_dominant(swapped):
    """Exchanged prompts reverse the sign."""
    followed, crossed = prompt_swap(swapped), prompt_swap(swapped.flip(1))
    assert (followed.dominant, crossed.dominant) == (1, 0)
    assert followed.difference > 10
    torch.testing.assert_close(followed.difference, -crossed.difference)


def test_swap_of_equal_masks_is_not_dominant(swapped):
    """A mask that ignores the prompt has no difference."""
    same_mask = prompt_swap(swapped[:, :1].expand(1, 2, 2))
    assert same_mask.dominant == 0
    assert same_mask.difference.abs() < 1e-5


def test_swap_of_silence_is_undefined():
    """Not dominant, and no difference."""
    silent = prompt_swap(torch.tensor([[[9.0, 1.0], [-math.inf, -math.inf]]]))
    assert silent.dominant == 0
    assert silent.difference.isnan()


@pytest.mark.parametrize("shape", [(1, 2, 3), (1, 1, 1)])
def test_swap_needs_a_prompt_per_source(shape):
    """Fewer prompts, or one source, are refused."""
    with pytest.raises(InputError, match="one prompt for each of at least two sources"):
        prompt_swap(torch.zeros(shape))


def test_auc_equals_all_pairs():
    """The fraction of pairs in order, ties counted half."""
    rng = np.random.default_rng(0)
    scores, present = rng.integers(0, 6, 60) / 5, rng.random(60) < 0.3
    pairs = [
        (score > other) + 0.5 * (score == other)
        for score, other in product(scores[present], scores[~present])
    ]
    assert presence_auc(scores, present) == pytest.approx(np.mean(pairs))
    assert presence_auc(-scores, present) == pytest.approx(1 - np.mean(pairs))
    assert presence_auc(present.astype(float), present) == 1
    assert presence_auc(np.ones(60), present) == 0.5


@pytest.mark.parametrize("present", [[True, True], [False, False]])
def test_auc_needs_present_and_absent(present):
    """Prompts of one kind only are refused."""
    with pytest.raises(InputError, match="needs present and absent prompts"):
        presence_auc([0.1, 0.2], present)


def test_swap_is_per_clip():
    """Three clips of three sources, by loops."""
    matrix = 4 * random_maps(3, 3, 3, seed=6) + 3 * torch.eye(3)
    matrix[1] = matrix[1].flip(0)
    swap = prompt_swap(matrix)
    for clip, rows in enumerate(matrix.tolist()):
        others = [
            [row[source] for source in range(3) if source != target]
            for target, row in enumerate(rows)
        ]
        best = all(row[target] > max(others[target]) for target, row in enumerate(rows))
        gaps = [row[target] - np.mean(others[target]) for target, row in enumerate(rows)]
        assert swap.dominant[clip].item() == best
        assert swap.difference[clip].item() == pytest.approx(np.mean(gaps), abs=1e-5)
    assert 0 < swap.dominant.sum() < 3
