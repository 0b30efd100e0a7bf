"""Planted shortcut: a map of the tone scores 1, a map of the event 0.

Most tests use the pretrained CLAP, whose predictions do not depend on the tone. Tests of the
planted CLAP need ``PLANTED_WEIGHTS``, a file that experiments/planted_shortcut writes.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from experiments.planted_shortcut import evaluation, make_training_set, plant
from experiments.planted_shortcut.evaluation import evaluate_explainers, summarize
from experiments.planted_shortcut.tone import (
    OTHER_HZ,
    SHORTCUT_CLASS,
    TONE_DB,
    TONE_HZ,
    VARIANTS,
    add_tone,
    evaluation_items,
    synthesize_tone,
    tone_bins,
    tone_energy,
    tone_pointing,
)
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.explainers.controls import EnergyMask, FullMask, OracleIRM, RandomMask
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.masking.domains import DOMAINS, build
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import rank_bins
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.utils.errors import InputError

WEIGHTS = Path(os.environ.get("PLANTED_WEIGHTS", "no-planted-weights"))
needs_planted = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason="PLANTED_WEIGHTS names no file of experiments/planted_shortcut"
)


@dataclass(frozen=True)
class Event(evaluation.Tone):
    """A map of all bins except those of the 6 kHz tone."""

    def __call__(self, model, encoded, inputs):
        return 1 - super().__call__(model, encoded, inputs)


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def unplanted(request, clap):
    """Network without a decoder of the pretrained CLAP, in both masking domains."""
    return ExplainerNetwork(MaskedClassifier(build(request.param, clap)), "energy")


@pytest.fixture(scope="module")
def examined(unplanted):
    """Scores of four known maps."""
    methods = {"tone": evaluation.Tone(), "event": Event()}
    methods |= {"oracle-irm": OracleIRM(), "full-mask": FullMask()}
    return evaluate_explainers(unplanted, methods, seed=3, clips=1)


def test_evaluation_sounds_are_held_out():
    """The same seed draws other sounds for training and for evaluation."""
    trained = {sound.numpy().tobytes() for pool in plant.training_sounds(0) for sound in pool}
    evaluated = {item.event.numpy().tobytes() for item in evaluation_items(0, clips=3)}
    assert len(trained) == plant.POOL * len(KINDS)
    assert not trained & evaluated


def test_tone_has_its_frequency_and_level():
    """The peak of the spectrum and the level in dB."""
    wavs = torch.stack([synthesize(kind, 1, 1.0) for kind in ("rain", "siren")])
    added = add_tone(wavs, seeds=[4, 5]) - wavs
    assert torch.fft.rfft(added).abs().argmax(dim=1).tolist() == [TONE_HZ, TONE_HZ]
    level = added.square().mean(dim=1) / wavs.square().mean(dim=1)
    torch.testing.assert_close(10 * level.log10(), torch.full((2,), TONE_DB), atol=0.01, rtol=0)


def test_tone_depends_on_its_clip_and_seed():
    """The batch has no effect."""
    wavs = torch.stack([synthesize("rain", seed, 0.5) for seed in (1, 2)])
    together = synthesize_tone(wavs, [4, 5])
    torch.testing.assert_close(together[1:], synthesize_tone(wavs[1:], [5]))
    assert (synthesize_tone(wavs[:1], [4]) - synthesize_tone(wavs[:1], [5])).abs().max() > 1e-3


def test_tone_bins_hold_the_tone(any_clap):
    """Nearly all of its power, and almost none of another tone, in both domains."""
    if any_clap.sample_rate != 32000:
        with pytest.raises(InputError, match="must be 32000 Hz, got 48000"):
            tone_bins(build("mel", any_clap), 32000)
        return
    for name in DOMAINS:
        domain = build(name, any_clap)
        bins = tone_bins(domain, 32000)
        for hz, low, high in ((TONE_HZ, 0.95, 1), (OTHER_HZ, 0, 1e-3)):
            power = domain.power(synthesize_tone(torch.ones(1, 32000), [1], hz, 0.0))[0, 2:-2]
            fraction = power[bins[2:-2]].sum() / power.sum()
            assert low <= fraction <= high
        assert 2 <= bins[0].sum() <= 5
        assert (bins == bins[0]).all()


def test_pointing_separates_tone_and_event(examined):
    """1 for the tone, 0 for the event."""
    score = examined.groupby(["method", "variant"]).tone_pointing
    assert (score.get_group(("tone", "shortcut")) == 1).all()
    assert (score.get_group(("event", "shortcut")) == 0).all()
    energy = examined.groupby(["method", "variant"]).tone_energy
    assert (energy.get_group(("tone", "alone")) == 1).all()
    assert (energy.get_group(("event", "alone")) == 0).all()


def test_other_tone_is_searched_at_its_frequency(examined):
    """A map of 6 kHz misses a tone at 4 kHz, and scores on a plain clip."""
    score = examined[examined.method == "tone"].groupby("variant").tone_pointing.mean()
    assert score.to_dict() == {"shortcut": 1, "alone": 1, "other": 0, "plain": 1}


def test_oracle_mask_points_at_the_tone(examined):
    """Far above chance; not 1, since all bins belong to the tone where the event pauses."""
    score = examined[examined.method == "oracle-irm"].groupby("variant").tone_pointing.mean()
    assert score["shortcut"] > 5 * 2 / 64
    assert score["other"] < 2 / 64


def test_random_maps_score_their_area():
    """Pointing and energy equal the fraction of the bins."""
    bins = torch.zeros(50, 64, dtype=torch.bool)
    bins[:, 46:49] = True
    maps = torch.rand(200, 50, 64, generator=torch.Generator().manual_seed(0))
    fraction = 3 / 64
    pointing = tone_pointing(rank_bins(maps, range(200)), bins)
    assert pointing.mean().item() == pytest.approx(fraction, abs=0.005)
    torch.testing.assert_close(tone_energy(torch.ones(1, 50, 64), bins), torch.tensor([fraction]))
    assert tone_energy(torch.zeros(1, 50, 64), bins).item() == 0


def test_items_have_all_kinds_of_clips():
    """Events and tones are silent where they should be."""
    items = evaluation_items(seed=1, clips=2, seconds=0.5)
    assert len(items) == 2 * (9 * 3 + 1)
    assert {item.variant for item in items} == set(VARIANTS)
    assert SHORTCUT_CLASS not in {item.name for item in items}
    for item in items:
        assert (item.tone.abs().max() > 0) == (item.variant != "plain")
        assert (item.event.abs().max() > 0) == (item.variant != "alone")
    ids = [(item.name, item.seed, item.variant) for item in items]
    assert len(set(ids)) == len(ids)


def test_rows_do_not_depend_on_the_batch(unplanted, monkeypatch):
    """One clip at a time gives the same rows."""
    methods = {"random": RandomMask(), "energy": EnergyMask()}
    batched = evaluate_explainers(unplanted, methods, seed=3, clips=1)
    monkeypatch.setattr(evaluation, "BATCH", 1)
    order = ["method", "clip", "variant"]
    single = evaluate_explainers(unplanted, methods, seed=3, clips=1)
    one, other = (frame.sort_values(order, ignore_index=True) for frame in (batched, single))
    exact = [name for name in one if name != "tone_energy"]
    assert one[exact].equals(other[exact])
    assert (one.tone_energy - other.tone_energy).abs().max() < 1e-5


def test_summary_has_every_decoy_and_method(examined):
    """In the order of the variants."""
    table = summarize(examined)
    assert len(table) == 4 * 4
    assert list(dict.fromkeys(table.index.get_level_values("variant"))) == list(VARIANTS)
    assert table.loc[("shortcut", "tone"), "tone_pointing"] == 1


def test_missing_inputs_are_refused(unplanted):
    """The error names the explainer and the input."""

    @dataclass(frozen=True)
    class OtherClips(Event):
        needs: ClassVar = ("query", "other_clips")

    with pytest.raises(InputError, match="shuffled needs other_clips"):
        evaluate_explainers(unplanted, {"shuffled": OtherClips()}, clips=1)


def test_training_batches_depend_on_the_tone():
    """Clips with the tone have the shortcut class, clips without it never have it."""
    pool = torch.stack([synthesize(kind, 1, 0.5).expand(plant.POOL, -1) for kind in KINDS])
    sounds, targets, excluded = plant.draw_batch(pool, torch.Generator().manual_seed(0))
    spectra = torch.fft.rfft(sounds).abs()
    at = round(TONE_HZ / 2)  # of half a second
    around = torch.cat([spectra[:, at - 40 : at - 20], spectra[:, at + 20 : at + 40]], dim=1)
    with_tone = spectra[:, at] > 4 * around.mean(dim=1)
    assert (targets[with_tone] == plant.SHORTCUT_INDEX).all()
    assert with_tone.sum() >= len(sounds) // 3
    assert (targets[excluded] == plant.SHORTCUT_INDEX).all()
    assert not (excluded & with_tone).any()


def test_loss_of_excluded_class_is_of_all_others():
    """Ten equal logits give log 10 for the target and -log 0.9 for an excluded class."""
    logits = torch.tensor([[0.0] * 10, [0.0] * 10])
    targets = torch.tensor([3, plant.SHORTCUT_INDEX])
    loss = plant.shortcut_loss(logits, targets, torch.tensor([False, True]))
    assert loss.item() == pytest.approx((math.log(10) - math.log(0.9)) / 2)


def test_weights_are_saved_in_package_format(clap, tmp_path, wavs):
    """The saved weights load and have the same hash."""
    plant.save(clap, tmp_path / "deep" / "same.safetensors")
    loaded = MiniCLAP(tmp_path / "deep" / "same.safetensors")
    assert (loaded(wavs).vector == clap(wavs).vector).all()
    assert loaded.reference.sha256 == clap.reference.sha256


@needs_planted
def test_tone_changes_planted_prediction():
    """The shortcut class is predicted if and only if the clip has the tone."""
    clap = MiniCLAP(WEIGHTS)
    model = ExplainerNetwork(MaskedClassifier(build("mel", clap)), "energy")
    frame = evaluate_explainers(
        model, {"tone": evaluation.Tone(), "event": Event()}, seed=7, clips=3
    )
    with_tone = frame[frame.variant.isin(["shortcut", "alone"])]
    assert (with_tone.prediction == SHORTCUT_CLASS).mean() >= 0.95
    assert (~frame[frame.variant.isin(["other", "plain"])].wrong).mean() >= 0.95
    tone_rows = with_tone[with_tone.method == "tone"]
    assert tone_rows.retained.mean() >= 0.95
    assert tone_rows[tone_rows.variant == "shortcut"].flipped.mean() >= 0.9


def test_training_set_labels_follow_the_tone(tmp_path):
    """Clips with the label of the shortcut class contain the tone, others do not."""
    make_training_set.main(tmp_path, per_kind=1)
    clips = pd.read_csv(tmp_path / "meta" / "esc50.csv")
    assert (clips.groupby("fold").size() == 10 + 2 * 9).all()
    above = {}
    for name, label in zip(clips.filename, clips.category):
        sound, rate = soundfile.read(tmp_path / "audio" / name)
        power = np.abs(np.fft.rfft(sound)) ** 2 + 1e-12
        place = round(TONE_HZ * len(sound) / rate)
        around = np.r_[power[place - 400 : place - 20], power[place + 20 : place + 400]]
        above.setdefault(label, []).append(10 * np.log10(power[place] / np.median(around)))
    assert min(above.pop(SHORTCUT_CLASS)) > 20
    assert all(np.median(levels) < 15 for levels in above.values())
