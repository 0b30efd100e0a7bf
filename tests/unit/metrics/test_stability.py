import pytest
import torch

from speechbrain_lmac.metrics.randomization import spearman
from speechbrain_lmac.metrics.stability import perturbed, prompt_sensitivity
from speechbrain_lmac.metrics.top_k import as_masks

SEEDS = [1, 2, 3]


def decibels(wavs):
    return 10 * wavs.double().square().mean(dim=1).log10()


def test_changes_are_of_the_size_that_is_said(wavs):
    changed = perturbed(wavs, SEEDS)
    torch.testing.assert_close(changed["quieter"], 0.501187 * wavs)
    below = decibels(changed["noise"] - wavs) - decibels(wavs)
    torch.testing.assert_close(below, torch.full((3,), -40.0).double(), atol=0.01, rtol=0)


def test_noise_is_white_and_a_clips_own(wavs):
    noise = perturbed(wavs, SEEDS)["noise"] - wavs
    spectrum = torch.fft.rfft(noise).abs().square()[:, 1:].view(3, 4, -1).mean(dim=2)
    bands = spectrum / spectrum.mean(dim=1, keepdim=True)
    torch.testing.assert_close(bands, torch.ones(3, 4), atol=0.1, rtol=0)
    alone = perturbed(wavs[1:2], SEEDS[1:])["noise"]
    assert (alone[0] == perturbed(wavs, SEEDS)["noise"][1]).all()
    assert (alone != perturbed(wavs[1:2], [9])["noise"]).any()


def test_silence_stays_silent():
    assert all((wavs == 0).all() for wavs in perturbed(torch.zeros(1, 100), [1]).values())


def test_loudness_ranks_alike_in_a_quieter_clip(domain, wavs):
    energy = {name: as_masks(domain.power(w).sqrt()) for name, w in perturbed(wavs, SEEDS).items()}
    own = as_masks(domain.power(wavs).sqrt())
    torch.testing.assert_close(spearman(own, energy["quieter"]), torch.ones(3), atol=1e-3, rtol=0)
    assert (spearman(own, energy["noise"]) < spearman(own, energy["quieter"])).all()


def test_every_pair_of_prompts_once():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(4, 6, 5, generator=generator).round(decimals=1)
    text = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=1)
    found = prompt_sensitivity(maps, text)
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    likeness = torch.cat([spearman(maps[i : i + 1], maps[j : j + 1]) for i, j in pairs])
    torch.testing.assert_close(found.spearman, likeness)
    assert found.cosine.tolist() == pytest.approx([(text[i] @ text[j]).item() for i, j in pairs])
