from collections import Counter

import pytest
import soundfile
import torch

from speechbrain_lmac.audio.mixing import PRESETS, mix, scale_to_snr
from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.datasets import read_clips
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
def test_the_ratio_is_the_one_asked_for(snr_db):
    generator = torch.Generator().manual_seed(0)
    clip, other = (gain * torch.randn(32000, generator=generator) for gain in (0.01, 3.0))
    stem = scale_to_snr(clip, other, snr_db)
    assert level_db(clip) - level_db(stem) == pytest.approx(snr_db, abs=0.01)
    assert (mix(clip, other, snr_db) == clip + stem).all()


@pytest.mark.parametrize("silent", [0, 1])
def test_silence_stays_finite(silent):
    sounds = [torch.randn(100), torch.randn(100)]
    sounds[silent] = torch.zeros(100)
    mixed = mix(*sounds, 0.0)
    assert mixed.isfinite().all() and (mixed == sounds[0]).all()


def test_presets_are_the_published_weights():
    """0.8 and 0.2 of unit-norm sounds; 1 and 0.5 of sound and noise; as loud as each other."""
    ratios = {"mixture": 0.8 / 0.2, "speech": 0.8 / 0.2, "white_noise": 1 / 0.5, "wham": 1.0}
    for name, ratio in ratios.items():
        expected = 20 * torch.tensor(ratio).log10().item()
        assert PRESETS[name] == pytest.approx(expected, abs=0.005)


def test_a_plan_depends_on_the_seed_alone(clips, tested):
    plan = contamination.draw_plan(tested, clips, "mixture", (-5, 5), seed=3, test_folds=[])
    assert plan == contamination.draw_plan(
        tested, clips[::-1], "mixture", (-5, 5), seed=3, test_folds=[]
    )
    assert plan[3:4] == contamination.draw_plan(
        tested[3:4], clips, "mixture", (-5, 5), seed=3, test_folds=[]
    )
    assert plan != contamination.draw_plan(tested, clips, "mixture", (-5, 5), seed=4, test_folds=[])


def test_a_plan_is_the_same_on_every_machine(tested):
    """Numbers that were drawn on another day."""
    row = contamination.draw_plan(tested[:1], [], "white_noise", 6.02, seed=0, test_folds=[5])[0]
    assert (row.offset, row.snr_db, row.seed) == (0.197074, 6.02, 1220620594)


def test_never_the_same_class_nor_recording_nor_a_test_clip(clips, tested):
    rows = contamination.draw_plan(
        tested, clips, "mixture", 0.0, seed=1, test_folds=[5], per_clip=20
    )
    by_wav, by_id = ({getattr(clip, key): clip for clip in clips} for key in ("wav", "ID"))
    for row in rows:
        clip, other = by_id[row.clip], by_wav[row.other]
        assert other.label != clip.label and other.src_file != clip.src_file and other.fold != 5
    assert len({row.other for row in rows}) > 20


def test_every_class_meets_many_others(clips):
    """50 clips of ten classes: 25 mixtures, of as many pairs of classes as there may be."""
    of_clip, of_file = ({getattr(c, key): c.label for c in clips} for key in ("ID", "wav"))
    for seed in range(10):
        drawn = contamination.draw_mixtures(clips, "two_source", 0.0, seed)
        met = Counter(frozenset((of_clip[row.clip], of_file[row.other])) for row in drawn)
        assert len(drawn) == 25 and max(met.values()) <= 2


def test_another_cut_of_the_same_recording_is_passed_over(clips, tested):
    """Of another class and another fold, and nearly the only choice."""
    clip, rest = tested[0], [c for c in clips if c.fold == 1 and c.label != tested[0].label]
    same = [c._replace(src_file=clip.src_file) for c in rest[:-1]]
    rows = contamination.draw_plan(
        [clip], [*same, rest[-1]], "mixture", 0.0, 0, test_folds=[], per_clip=30
    )
    assert {row.other for row in rows} == {rest[-1].wav}


def test_a_split_called_test_is_never_laid_over_others(clips, tested):
    others = [clip._replace(fold=0, split="test") for clip in clips if clip.fold == 1]
    with pytest.raises(InputError, match="no mixture to lay over"):
        contamination.draw_plan(tested, others, "mixture", 0.0, seed=0, test_folds=[5])


def test_a_stretch_of_a_file_is_what_is_contaminated(tested):
    clip = tested[0]._replace(start=4000, stop=12000)
    (row,) = contamination.draw_plan([clip], [], "white_noise", 6.02, seed=0, test_folds=[5])
    whole, _ = soundfile.read(clip.wav, dtype="float32")
    assert (
        contamination.render_stems(row, 32000, seconds=0.25).clip.numpy() == whole[4000:12000]
    ).all()


def test_nothing_to_lay_over_is_said(tested):
    alike = [clip for clip in tested if clip.label == tested[0].label]
    with pytest.raises(InputError, match=r"no mixture to lay over .* all are of its class"):
        contamination.draw_plan(tested[:1], alike, "mixture", 0.0, seed=0, test_folds=[])


def test_a_plan_reads_back(clips, tested, tmp_path):
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
def test_a_broken_plan(clips, tested, tmp_path, change, message):
    path = tmp_path / "plan.csv"
    contamination.write(
        path, contamination.draw_plan(tested, clips, "mixture", (-5, 5), seed=0, test_folds=[5])
    )
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        contamination.read(path)


@pytest.mark.parametrize("kind", ["mixture", "white_noise", "speech"])
def test_stems_add_up_at_the_ratio_asked_for(clips, tested, tmp_path, kind):
    soundfile.write(tmp_path / "voice.wav", synthesize("siren", 1, seconds=0.2).numpy(), 32000)
    others = contamination.read_noise_folder(tmp_path) if kind == "speech" else clips
    for row in contamination.draw_plan(
        tested[:3], others, kind, (-5.0, 5.0), seed=2, test_folds=[5]
    ):
        stems = contamination.render_stems(row, 32000, seconds=0.5)
        assert (stems.mixture - (stems.clip + stems.other) == 0).all()
        measured = level_db(stems.clip) - level_db(stems.other)
        assert measured == pytest.approx(row.snr_db, abs=0.01)
        again = contamination.render_stems(row, 32000, seconds=0.5)
        assert (again.mixture == stems.mixture).all()


def test_a_name_that_could_not_be_read_back_is_refused(clips, tested, tmp_path):
    (row,) = contamination.draw_plan(tested[:1], clips, "mixture", 0.0, seed=0, test_folds=[5])
    with pytest.raises(InputError, match="is not in UTF-8; rename the file"):
        contamination.write(
            tmp_path / "plan.csv", [row._replace(other=str(tmp_path / "\udce9.wav"))]
        )
    assert not (tmp_path / "plan.csv").exists()


def test_a_corpus_without_sounds(tmp_path):
    with pytest.raises(InputError, match="holds no sound"):
        contamination.read_noise_folder(tmp_path)
