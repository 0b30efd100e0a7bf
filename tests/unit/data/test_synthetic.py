"""Synthetic sounds and their data set."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.synthetic import KINDS, LOUDNESS, mixture, synthesize
from speechbrain_lmac.data.synthetic_dataset import write_dataset


@pytest.mark.parametrize("kind", KINDS)
def test_synthesize_kinds_are_esc50_classes(kind):
    """Every kind is a class of ESC-50, finite and below clipping."""
    assert ESC50_CLASSES[KINDS[kind][0]] == kind
    for seed in range(3):
        wav = synthesize(kind, seed)
        assert wav.shape == (160000,)
        assert wav.isfinite().all()
        assert wav.abs().max() <= 0.9 + 1e-6
        assert 0.01 < wav.square().mean().sqrt() <= LOUDNESS + 1e-6


def test_synthesize_before_the_first_event_is_silence():
    """A car that honks later gives silence, not NaN."""
    short = [synthesize("car_horn", seed, 0.1) for seed in range(20)]
    assert any(wav.any() for wav in short) and not all(wav.any() for wav in short)
    assert all(wav.isfinite().all() for wav in short)
    mixtures = [mixture("car_horn", "wind", seed, 0.1) for seed in range(20)]
    assert all(scene.mixture.isfinite().all() and scene.second.any() for scene in mixtures)


def test_synthesize_depends_on_seed():
    """Equal seeds give equal sounds."""
    assert (synthesize("wind", 1) == synthesize("wind", 1)).all()
    assert (synthesize("wind", 1) != synthesize("wind", 2)).any()


def test_mixture_stems_add_up_at_0_db():
    """The mixture is exactly the sum of stems of equal energy."""
    scene = mixture("clock_tick", "wind", seed=1)
    assert (scene.mixture == scene.first + scene.second).all()
    ratio = scene.first.square().mean() / scene.second.square().mean()
    assert 10 * ratio.log10().item() == pytest.approx(0, abs=0.01)
    assert scene.mixture.abs().max() <= 0.9 + 1e-6


def test_write_dataset_writes_once(tmp_path):
    """A second call changes nothing."""
    folder = write_dataset(tmp_path / "set", clips_per_fold=1, folds=2, seconds=0.1)
    assert len(read_clips(folder)) == 20
    stamp = (folder / "meta" / "esc50.csv").stat().st_mtime_ns
    write_dataset(folder, clips_per_fold=1, folds=2, seconds=0.1)
    assert (folder / "meta" / "esc50.csv").stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_writers_of_one_dataset_share_it(tmp_path):
    """Writers of one folder at the same time all return it, and nothing else is left."""
    target = tmp_path / "set"
    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(write_dataset, target, 1, 2, seconds=0.5) for _ in range(4)]
    assert {future.result() for future in written} == {target}
    assert len(read_clips(target)) == 20
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 12.04])
def test_mix_is_exact_in_db(snr_db):
    """The measured ratio is the requested one."""
    clip, other = torch.randn(2, 1, 8000, generator=torch.Generator().manual_seed(0)).unbind()
    added = mix(clip, other, snr_db) - clip
    measured = 10 * (clip.square().mean() / added.square().mean()).log10()
    assert measured.item() == pytest.approx(snr_db, abs=0.01)


def test_mix_keeps_clip_with_silence():
    """Silence changes nothing and has no infinite gain."""
    clip, silence = torch.randn(1, 100), torch.zeros(1, 100)
    assert (mix(clip, silence, 0.0) == clip).all()
    assert (mix(silence, clip, 0.0) == silence).all()
