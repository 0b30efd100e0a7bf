"""Noise augmentation of training clips."""

import pytest
import soundfile
import torch

from speechbrain_lmac.data.noise import NoiseAugmentation
from speechbrain_lmac.utils.errors import InputError

RATE = 8000
IDS = ["a", "b", "c"]


@pytest.fixture
def folder(tmp_path):
    """Return a folder with four noises at another rate, in a subfolder, and a text file."""
    (tmp_path / "tr").mkdir()
    for index in range(4):
        noise = torch.randn(16000, generator=torch.Generator().manual_seed(index))
        soundfile.write(tmp_path / "tr" / f"{index}.wav", 0.1 * noise.numpy(), 16000)
    (tmp_path / "notes.txt").write_text("no sound")
    return tmp_path


@pytest.fixture
def wavs():
    """Return three clips of half a second."""
    return torch.randn(3, RATE // 2, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("snr_db", [0.0, 12.0])
def test_noise_has_the_given_level(folder, wavs, snr_db):
    """The ratio holds for every clip, over its whole length."""
    noisy = NoiseAugmentation(folder, RATE, 0.5, snr_db)(wavs, 1, 1, IDS)
    energy = (noisy - wavs).square().sum(dim=1)
    ratio = 10 * (wavs.square().sum(dim=1) / energy).log10()
    torch.testing.assert_close(ratio, torch.full((3,), snr_db), atol=1e-3, rtol=0)


def test_noise_depends_on_seed_epoch_and_clip(folder, wavs):
    """A resumed run and another order of the batch draw the same noise."""
    noise = NoiseAugmentation(folder, RATE, 0.5)
    first = noise(wavs, 1, 1, IDS)
    assert torch.equal(noise(wavs, 1, 1, IDS), first)
    assert torch.equal(noise(wavs.flip(0), 1, 1, IDS[::-1]).flip(0), first)
    others = [noise(wavs, 1, epoch, IDS) for epoch in range(2, 8)] + [noise(wavs, 2, 1, IDS)]
    assert all((other != first).any() for other in others)


def test_noise_is_the_start_of_a_file(folder, wavs):
    """Files are cut to the length of the clips, or end in silence."""
    noise = NoiseAugmentation(folder, RATE, 2.0)
    silence = torch.full((1, 2 * RATE), 1e-9)
    noisy = noise(silence, 1, 1, ["a"])
    assert noisy[0, : RATE - 100].std() > 1e-9 and noisy[0, RATE + 100 :].std() < 1e-10
    assert len(noise.files) == 4 and noise.files == sorted(noise.files)


def test_no_folder_leaves_clips_unchanged(wavs):
    """They are the same tensor."""
    assert NoiseAugmentation(None, RATE, 0.5)(wavs, 1, 1, IDS) is wavs


def test_noise_folder_is_checked(tmp_path):
    """A missing folder and one without sounds are errors."""
    with pytest.raises(InputError, match="noise_folder must be a folder of sounds or null"):
        NoiseAugmentation(tmp_path / "missing", RATE, 0.5)
    with pytest.raises(InputError, match="holds no sound"):
        NoiseAugmentation(tmp_path, RATE, 0.5)
