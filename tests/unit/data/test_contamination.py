"""Contamination plans and their audio."""

from collections import Counter

import pytest
import soundfile
import torch

from speechbrain_lmac.audio.mixing import PRESETS, mix, scale_to_snr
from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.stems import render_stems
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.utils.errors import InputError


@pytest.fixture(scope="module")
def clips(small_set):
    return read_clips(small_set)


@pytest.fixture(scope="module")
def tested(clips):
    return [clip for clip in clips if clip.fold == 5]


def level_db(sound):
    return 10 * sound.double().square().mean().log10().item()


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 6.02, 12.04, 40.0])
def test_scale_to_snr_has_requested_ratio(snr_db):
    """The energies of clip and stem differ by the requested decibels."""
    generator = torch.Generator().manual_seed(0)
    clip, other = (gain * torch.randn(32000, generator=generator) for gain in (0.01, 3.0))
    stem = scale_to_snr(clip, other, snr_db)
    assert level_db(clip) - level_db(stem) == pytest.approx(snr_db, abs=0.01)
    assert (mix(clip, other, snr_db) == clip + stem).all()


@pytest.mark.parametrize("silent", [0, 1])
def test_mix_with_silence_is_finite(silent):
    """A silent clip or sound adds nothing."""
    sounds = [torch.randn(100), torch.randn(100)]
    sounds[silent] = torch.zeros(100)
    mixed = mix(*sounds, 0.0)
    assert mixed.isfinite().all() and (mixed == sounds[0]).all()


def test_presets_are_published_weights():
    """0.8 and 0.2 of unit-norm sounds; 1 and 0.5 of sound and noise; equal energy."""
    ratios = {"mixture": 0.8 / 0.2, "speech": 0.8 / 0.2, "white_noise": 1 / 0.5, "wham": 1.0}
    for name, ratio in ratios.items():
        expected = 20 * torch.tensor(ratio).log10().item()
        assert PRESETS[name] == pytest.approx(expected, abs=0.005)


def test_draw_plan_depends_on_seed_only(clips, tested):
    """Other clips in the plan change nothing; another seed does."""
    plan = contamination.draw_plan(tested, clips, "mixture", (-5, 5), seed=3, test_folds=[])
    assert plan == contamination.draw_plan(
        tested, clips[::-1], "mixture", (-5, 5), seed=3, test_folds=[]
    )
    assert plan[3:4] == contamination.draw_plan(
        tested[3:4], clips, "mixture", (-5, 5), seed=3, test_folds=[]
    )
    assert plan != contamination.draw_plan(tested, clips, "mixture", (-5, 5), seed=4, test_folds=[])


def test_draw_plan_is_stable(tested):
    """The draws equal those of another day and machine."""
    row = contamination.draw_plan(tested[:1], [], "white_noise", 6.02, seed=0, test_folds=[5])[0]
    assert (row.offset, row.snr_db, row.seed) == (0.197074, 6.02, 1220620594)


def test_draw_plan_avoids_own_class_and_tests(clips, tested):
    """No clip is mixed with its class, its recording or a test clip."""
    rows = contamination.draw_plan(
        tested, clips, "mixture", 0.0, seed=1, test_folds=[5], per_clip=20
    )
    by_wav, by_id = ({getattr(clip, key): clip for clip in clips} for key in ("wav", "ID"))
    for row in rows:
        clip, other = by_id[row.clip], by_wav[row.other]
        assert other.label != clip.label and other.src_file != clip.src_file and other.fold != 5
    assert len({row.other for row in rows}) > 20


def test_draw_mixtures_varies_pairs_of_classes(clips):
    """50 clips of ten classes give 25 mixtures of as many different pairs as possible."""
    of_clip, of_file = ({getattr(c, key): c.label for c in clips} for key in ("ID", "wav"))
    for seed in range(10):
        drawn = contamination.draw_mixtures(clips, "two_source", 0.0, seed)
        pairs = Counter(frozenset((of_clip[row.clip], of_file[row.other])) for row in drawn)
        assert len(drawn) == 25 and max(pairs.values()) <= 2


def test_draw_plan_skips_own_recording(clips, tested):
    """Another clip of the recording is skipped, also in another class and fold."""
    clip, others = tested[0], [c for c in clips if c.fold == 1 and c.label != tested[0].label]
    same = [c._replace(src_file=clip.src_file) for c in others[:-1]]
    rows = contamination.draw_plan(
        [clip], [*same, others[-1]], "mixture", 0.0, 0, test_folds=[], per_clip=30
    )
    assert {row.other for row in rows} == {others[-1].wav}


def test_draw_plan_skips_test_split(clips, tested):
    """Clips of a split named test are never mixed in."""
    others = [clip._replace(fold=0, split="test") for clip in clips if clip.fold == 1]
    with pytest.raises(InputError, match="no mixture can be mixed into"):
        contamination.draw_plan(tested, others, "mixture", 0.0, seed=0, test_folds=[5])


def test_render_stems_uses_segment(tested):
    """A row of a segment contaminates the segment, not the file."""
    clip = tested[0]._replace(start=4000, stop=12000)
    (row,) = contamination.draw_plan([clip], [], "white_noise", 6.02, seed=0, test_folds=[5])
    full, _ = soundfile.read(clip.wav, dtype="float32")
    assert (render_stems(row, 32000, seconds=0.25).clip.numpy() == full[4000:12000]).all()


def test_draw_plan_without_choice_is_an_error(tested):
    """The error names the clip and the reason."""
    same_class = [clip for clip in tested if clip.label == tested[0].label]
    with pytest.raises(InputError, match=r"no mixture can be mixed into .* all are of its class"):
        contamination.draw_plan(tested[:1], same_class, "mixture", 0.0, seed=0, test_folds=[])


def test_plan_reads_back(clips, tested, tmp_path):
    """A stored plan equals the drawn one."""
    rows = contamination.draw_plan(tested, clips, "mixture", (-5, 5), seed=0, test_folds=[5])
    contamination.write(tmp_path / "plan.csv", rows)
    assert contamination.read(tmp_path / "plan.csv") == rows


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text: text.replace("snr_db", "snr"), "has no column snr_db"),
        (lambda text: text.replace("mixture-0", "mixture-0", 1).replace(",0.", ",x."), "line 2: "),
    ],
)
def test_read_plan_names_line_or_column(clips, tested, tmp_path, change, message):
    """A malformed plan is one sentence."""
    path = tmp_path / "plan.csv"
    contamination.write(
        path, contamination.draw_plan(tested, clips, "mixture", (-5, 5), seed=0, test_folds=[5])
    )
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        contamination.read(path)


@pytest.mark.parametrize("kind", ["mixture", "white_noise", "speech"])
def test_render_stems_add_up_at_snr(clips, tested, tmp_path, kind):
    """The mixture is exactly the sum of its stems, at the drawn ratio."""
    soundfile.write(tmp_path / "voice.wav", synthesize("siren", 1, seconds=0.2).numpy(), 32000)
    others = contamination.read_noise_folder(tmp_path) if kind == "speech" else clips
    for row in contamination.draw_plan(
        tested[:3], others, kind, (-5.0, 5.0), seed=2, test_folds=[5]
    ):
        stems = render_stems(row, 32000, seconds=0.5)
        assert (stems.mixture - (stems.clip + stems.other) == 0).all()
        measured = level_db(stems.clip) - level_db(stems.other)
        assert measured == pytest.approx(row.snr_db, abs=0.01)
        again = render_stems(row, 32000, seconds=0.5)
        assert (again.mixture == stems.mixture).all()


def test_write_plan_refuses_invalid_names(clips, tested, tmp_path):
    """A path that is not valid UTF-8 could not be read again."""
    (row,) = contamination.draw_plan(tested[:1], clips, "mixture", 0.0, seed=0, test_folds=[5])
    with pytest.raises(InputError, match=r"is not valid UTF-8\. Rename the file"):
        contamination.write(
            tmp_path / "plan.csv", [row._replace(other=str(tmp_path / "\udce9.wav"))]
        )
    assert not (tmp_path / "plan.csv").exists()


def test_read_noise_folder_refuses_empty_folder(tmp_path):
    """A folder without sounds is an error."""
    with pytest.raises(InputError, match="holds no sound"):
        contamination.read_noise_folder(tmp_path)
