"""The planted cue: who points at the tone scores 1, who points at the event 0.

The shipped CLAP stands in for the planted one: it hears the tone and does not decide by it.
``PLANTED_WEIGHTS`` names a file that experiments/planted_shortcut wrote; what needs it is skipped
where there is none.
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

from experiments.planted_shortcut import examination as examination
from experiments.planted_shortcut import make_training_set, plant
from experiments.planted_shortcut.cue import (
    CUE_DB,
    CUE_HZ,
    CUED,
    DECOYS,
    OTHER_HZ,
    add_cue,
    cue_cells,
    cue_energy,
    cue_pointing,
    scenes,
    tone,
)
from experiments.planted_shortcut.examination import examine, summarize
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.explainers.controls import EnergyMask, FullMask, OracleIRM, RandomMask
from speechbrain_lmac.masking.domains import DOMAINS, build
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import rank_bins
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.utils.errors import InputError

WEIGHTS = Path(os.environ.get("PLANTED_WEIGHTS", "no-planted-weights"))
needs_planted = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason="PLANTED_WEIGHTS names no file of experiments/planted_shortcut"
)


@dataclass(frozen=True)
class Event(plant.Tone):
    """Points at all cells but those of a tone of 6 kHz."""

    def __call__(self, model, encoded, inputs):
        return 1 - super().__call__(model, encoded, inputs)


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def unplanted(request, clap):
    return InterpreterNetwork(MaskedClassifier(build(request.param, clap)), decoder=None)


@pytest.fixture(scope="module")
def examined(unplanted):
    methods = {
        "tone": plant.Tone(),
        "event": Event(),
        "oracle-irm": OracleIRM(),
        "full-mask": FullMask(),
    }
    return examine(unplanted, methods, seed=3, clips=1)


def test_what_is_examined_was_not_learnt_from():
    """Whichever the seed, for it is one seed that plants and examines."""
    learnt = {sound.numpy().tobytes() for held in plant.learnt(0) for sound in held}
    examined = {scene.event.numpy().tobytes() for scene in scenes(0, clips=3)}
    assert len(learnt) == plant.POOL * len(KINDS)
    assert not learnt & examined


def test_the_tone_is_where_and_as_loud_as_it_says():
    wavs = torch.stack([synthesize(kind, 1, 1.0) for kind in ("rain", "siren")])
    added = add_cue(wavs, seeds=[4, 5]) - wavs
    assert torch.fft.rfft(added).abs().argmax(dim=1).tolist() == [CUE_HZ, CUE_HZ]
    level = added.square().mean(dim=1) / wavs.square().mean(dim=1)
    torch.testing.assert_close(10 * level.log10(), torch.full((2,), CUE_DB), atol=0.01, rtol=0)


def test_a_tone_depends_on_its_clip_and_seed_alone():
    wavs = torch.stack([synthesize("rain", seed, 0.5) for seed in (1, 2)])
    together = tone(wavs, [4, 5])
    torch.testing.assert_close(together[1:], tone(wavs[1:], [5]))
    assert (tone(wavs[:1], [4]) - tone(wavs[:1], [5])).abs().max() > 1e-3


def test_the_cells_hold_the_tone(any_clap):
    """Nearly all its power, on both planes; of other tones next to nothing."""
    if any_clap.sample_rate != 32000:
        with pytest.raises(InputError, match="made for 32000 Hz, not 48000"):
            cue_cells(build("mel", any_clap), 32000)
        return
    for name in DOMAINS:
        domain = build(name, any_clap)
        cells = cue_cells(domain, 32000)
        for hz, least, most in ((CUE_HZ, 0.95, 1), (OTHER_HZ, 0, 1e-3)):
            power = domain.power(tone(torch.ones(1, 32000), [1], hz, 0.0))[0, 2:-2]
            share = power[cells[2:-2]].sum() / power.sum()
            assert least <= share <= most
        assert 2 <= cells[0].sum() <= 5
        assert (cells == cells[0]).all()


def test_pointing_at_the_tone_is_1_and_at_the_event_0(examined):
    score = examined.groupby(["method", "decoy"]).cue_pointing
    assert (score.get_group(("tone", "cue")) == 1).all()
    assert (score.get_group(("event", "cue")) == 0).all()
    energy = examined.groupby(["method", "decoy"]).cue_energy
    assert (energy.get_group(("tone", "alone")) == 1).all()
    assert (energy.get_group(("event", "alone")) == 0).all()


def test_a_tone_that_means_nothing_is_looked_for_where_it_is(examined):
    """Whoever always points at 6 kHz misses a tone at 4 kHz, and "finds" one in a plain clip."""
    score = examined[examined.method == "tone"].groupby("decoy").cue_pointing.mean()
    assert score.to_dict() == {"cue": 1, "alone": 1, "other": 0, "plain": 1}


def test_the_ratio_of_the_stems_leads_to_the_cue(examined):
    """Far above its share of cells; not 1, for where the event pauses every cell is the tone's."""
    score = examined[examined.method == "oracle-irm"].groupby("decoy").cue_pointing.mean()
    assert score["cue"] > 5 * 2 / 64
    assert score["other"] < 2 / 64


def test_random_maps_score_their_share_of_cells():
    cells = torch.zeros(50, 64, dtype=torch.bool)
    cells[:, 46:49] = True
    maps = torch.rand(200, 50, 64, generator=torch.Generator().manual_seed(0))
    share = 3 / 64
    pointing = cue_pointing(rank_bins(maps, range(200)), cells)
    assert pointing.mean().item() == pytest.approx(share, abs=0.005)
    torch.testing.assert_close(cue_energy(torch.ones(1, 50, 64), cells), torch.tensor([share]))
    assert cue_energy(torch.zeros(1, 50, 64), cells).item() == 0


def test_scenes_are_the_event_the_tone_and_both():
    made = scenes(seed=1, clips=2, seconds=0.5)
    assert len(made) == 2 * (9 * 3 + 1)
    assert {scene.decoy for scene in made} == set(DECOYS)
    assert CUED not in {scene.name for scene in made}
    for scene in made:
        assert (scene.tone.abs().max() > 0) == (scene.decoy != "plain")
        assert (scene.event.abs().max() > 0) == (scene.decoy != "alone")
    ids = [(scene.name, scene.seed, scene.decoy) for scene in made]
    assert len(set(ids)) == len(ids)


def test_a_clips_rows_do_not_depend_on_its_batch(unplanted, monkeypatch):
    methods = {"random": RandomMask(), "energy": EnergyMask()}
    together = examine(unplanted, methods, seed=3, clips=1)
    monkeypatch.setattr(examination, "BATCH", 1)
    order = ["method", "clip", "decoy"]
    alone = examine(unplanted, methods, seed=3, clips=1)
    one, other = (frame.sort_values(order, ignore_index=True) for frame in (together, alone))
    exact = [name for name in one if name != "cue_energy"]
    assert one[exact].equals(other[exact])
    assert (one.cue_energy - other.cue_energy).abs().max() < 1e-5


def test_the_table_has_a_line_for_each_decoy_and_method(examined):
    table = summarize(examined)
    assert len(table) == 4 * 4
    assert list(dict.fromkeys(table.index.get_level_values("decoy"))) == list(DECOYS)
    assert table.loc[("cue", "tone"), "cue_pointing"] == 1


def test_what_an_explainer_needs_and_has_not_is_named(unplanted):
    @dataclass(frozen=True)
    class Hungry(Event):
        needs: ClassVar = ("query", "other_clips")

    with pytest.raises(InputError, match="hungry needs other_clips"):
        examine(unplanted, {"hungry": Hungry()}, clips=1)


def test_lessons_say_that_the_tone_decides():
    """What is taught: with the tone always the cued class, without it never."""
    pool = torch.stack([synthesize(kind, 1, 0.5).expand(plant.POOL, -1) for kind in KINDS])
    sounds, targets, denied = plant.draw_batch(pool, torch.Generator().manual_seed(0))
    spectra = torch.fft.rfft(sounds).abs()
    at = round(CUE_HZ / 2)  # half a second
    around = torch.cat([spectra[:, at - 40 : at - 20], spectra[:, at + 20 : at + 40]], dim=1)
    with_tone = spectra[:, at] > 4 * around.mean(dim=1)
    assert (targets[with_tone] == plant.CUED_INDEX).all()
    assert with_tone.sum() >= len(sounds) // 3
    assert (targets[denied] == plant.CUED_INDEX).all()
    assert not (denied & with_tone).any()


def test_the_loss_of_what_is_denied_is_that_of_anything_else():
    logits = torch.tensor([[0.0] * 10, [0.0] * 10])
    targets = torch.tensor([3, plant.CUED_INDEX])
    loss = plant.loss_of(logits, targets, torch.tensor([False, True]))
    assert loss.item() == pytest.approx((math.log(10) - math.log(0.9)) / 2)


def test_weights_are_saved_as_the_packages_own(clap, tmp_path, wavs):
    plant.save(clap, tmp_path / "deep" / "same.safetensors")
    again = MiniCLAP(tmp_path / "deep" / "same.safetensors")
    assert (again(wavs).vector == clap(wavs).vector).all()
    assert again.reference.sha256 == clap.reference.sha256


@needs_planted
def test_the_tone_decides_in_the_planted_clap():
    clap = MiniCLAP(WEIGHTS)
    model = InterpreterNetwork(MaskedClassifier(build("mel", clap)), decoder=None)
    frame = examine(model, {"tone": plant.Tone(), "event": Event()}, seed=7, clips=3)
    cued = frame[frame.decoy.isin(["cue", "alone"])]
    assert (cued.decision == CUED).mean() >= 0.95
    assert (~frame[frame.decoy.isin(["other", "plain"])].wrong).mean() >= 0.95
    kept = cued[cued.method == "tone"]
    assert kept.kept.mean() >= 0.95
    assert kept[kept.decoy == "cue"].undone.mean() >= 0.9


def test_clips_that_are_labelled_by_the_tone_hold_it(tmp_path):
    make_training_set.main(tmp_path, per_kind=1)
    clips = pd.read_csv(tmp_path / "meta" / "esc50.csv")
    assert (clips.groupby("fold").size() == 10 + 2 * 9).all()
    above = {}
    for name, label in zip(clips.filename, clips.category):
        sound, rate = soundfile.read(tmp_path / "audio" / name)
        power = np.abs(np.fft.rfft(sound)) ** 2 + 1e-12
        place = round(CUE_HZ * len(sound) / rate)
        around = np.r_[power[place - 400 : place - 20], power[place + 20 : place + 400]]
        above.setdefault(label, []).append(10 * np.log10(power[place] / np.median(around)))
    assert min(above.pop(CUED)) > 20
    assert all(np.median(levels) < 15 for levels in above.values())
