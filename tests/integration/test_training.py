"""Training on a few half-second sounds: what is kept, what is restored, what is repeated."""

import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from speechbrain import Stage
from speechbrain.utils.epoch_loop import EpochCounter

from speechbrain_lmac.data.pipeline import augment_batch, clip_rng
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.pretrained.checkpoint import PRETRAINED
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.training import train
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.checkpointer import AtomicCheckpointer
from tests.helpers.runs import training_arguments as arguments


def weights(output):
    return load_file(output / "interpreter" / "decoder.safetensors")


@pytest.fixture(scope="module")
def undisturbed(small_set, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed")
    train.main(arguments(small_set, output))
    return output


@pytest.mark.parametrize("steps_before", [3, 7, 10])
def test_training_interrupted_resumes(
    small_set, undisturbed, tmp_path, monkeypatch, capsys, steps_before
):
    """Seven steps an epoch: stopped inside the first, at its end, inside the second."""
    stop_after(monkeypatch, steps_before)
    with pytest.raises(SystemExit) as stopped:
        train.main(arguments(small_set, tmp_path))
    assert stopped.value.code == 130
    assert "give the same command again to resume" in capsys.readouterr().err
    assert not (tmp_path / "interpreter").exists()
    monkeypatch.undo()
    steps_after = stop_after(monkeypatch, None)
    train.main(arguments(small_set, tmp_path))
    assert len(steps_after) == 2 * 7 - steps_before
    expected, resumed = weights(undisturbed), weights(tmp_path)
    for name in expected:
        torch.testing.assert_close(resumed[name], expected[name], atol=1e-6, rtol=0, msg=name)


def test_training_test_only_repeats_metrics(small_set, undisturbed, tmp_path, capsys):
    """SpeechBrain's option: the same metrics and interpreter again, no step of training."""
    before = {name: (undisturbed / name).read_bytes() for name in ("metrics.csv", "results.md")}
    train.main([*arguments(small_set, undisturbed), "--test_only"])
    assert {name: (undisturbed / name).read_bytes() for name in before} == before
    with pytest.raises(SystemExit):
        train.main([*arguments(small_set, tmp_path), "--test_only"])
    assert "--test_only needs a training in" in capsys.readouterr().err


def test_training_saves_between_validations(small_set, tmp_path, monkeypatch):
    """A checkpoint is due so many minutes after the last, not after the start of an epoch."""
    saved, save = [], LMACBrain._save_intra_epoch_ckpt
    started = LMACBrain.on_stage_start

    def late(self, stage, epoch=None):
        if epoch == 2:  # as if the first epoch had lasted an hour
            self.checkpointer.saved_at -= 3600
        return started(self, stage, epoch)

    def noted(self):
        saved.append(self.epoch)
        save(self)

    monkeypatch.setattr(LMACBrain, "on_stage_start", late)
    monkeypatch.setattr(LMACBrain, "_save_intra_epoch_ckpt", noted)
    sparse = {"valid_interval": 3, "ckpt_interval_minutes": 30, "ckpt_interval_steps": 0}
    train.main(arguments(small_set, tmp_path, number_of_epochs=3, **sparse))
    assert saved == [2]


def test_checkpointer_keeps_best_and_last(tmp_path):
    decoder = torch.nn.Linear(2, 2)
    saver = AtomicCheckpointer(tmp_path, {"decoder": decoder})
    torn = tmp_path / "CKPT+torn"
    torn.mkdir()
    (torn / "decoder.ckpt").write_bytes(b"half")
    for score in (1.0, 3.0, 2.0):
        torch.nn.init.constant_(decoder.weight, score)
        saver.save_and_keep_only({"score": score}, max_keys=["score"])
    assert sorted(c.meta["score"] for c in saver.list_checkpoints()) == [2.0, 3.0]
    assert len(list(tmp_path.iterdir())) == 2
    saver.recover_if_possible(max_key="score")
    assert (decoder.weight == 3).all()


def stop_after(monkeypatch, steps):
    """Interrupt training after so many steps (None: never); the list grows by one a step."""
    fit_batch, taken = LMACBrain.fit_batch, []

    def interrupted(self, batch):
        if len(taken) == steps:
            raise KeyboardInterrupt
        taken.append(batch)
        return fit_batch(self, batch)

    monkeypatch.setattr(LMACBrain, "fit_batch", interrupted)
    return taken


def test_training_exports_best_epoch(small_set, tmp_path, monkeypatch):
    """Scores are made to fall after the first epoch: its weights must come back, not the last."""
    kept = []
    on_stage_end = LMACBrain.on_stage_end

    def falling_scores(self, stage, stage_loss, epoch=None):
        if self.scores:
            self.scores = [-float(epoch)]
            decoder = self.model.decoder.state_dict()
            kept.append({name: weight.clone() for name, weight in decoder.items()})
        return on_stage_end(self, stage, stage_loss, epoch)

    monkeypatch.setattr(LMACBrain, "on_stage_end", falling_scores)
    train.main(arguments(small_set, tmp_path, number_of_epochs=3, calibrate=False))
    exported = weights(tmp_path)
    assert len(kept) == 3
    assert all((exported[name] == kept[0][name]).all() for name in exported)
    assert any((exported[name] != kept[2][name]).any() for name in exported)


def test_calibration_changes_last_layer_only(small_set, undisturbed, tmp_path):
    train.main(arguments(small_set, tmp_path, calibrate=False))
    plain, calibrated = weights(tmp_path), weights(undisturbed)
    changed = {name for name in plain if not torch.equal(plain[name], calibrated[name])}
    assert changed == {"head.weight", "head.bias"}
    ratio = plain["head.weight"] / calibrated["head.weight"]
    torch.testing.assert_close(ratio, ratio.flatten()[0].expand_as(ratio))


def test_training_changes_decoder_only(small_set, tmp_path, monkeypatch, clap):
    brains = []
    restore_best = LMACBrain.restore_best
    monkeypatch.setattr(
        LMACBrain, "restore_best", lambda self: (brains.append(self), restore_best(self))[1]
    )
    train.main(arguments(small_set, tmp_path, number_of_epochs=1))
    trained = brains[0].model.classifier.audio_classifier.state_dict()
    assert all((trained[name] == weight).all() for name, weight in clap.state_dict().items())
    optimized = {weight for group in brains[0].optimizer.param_groups for weight in group["params"]}
    assert optimized == set(brains[0].model.decoder.parameters())


def test_augmentation_depends_on_seed_and_clip():
    clips = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    once, again, later = (
        augment_batch(clips, [clip_rng(1, epoch, name) for name in "ab"], mix_probability=0.5)
        for epoch in (1, 1, 2)
    )
    assert all((value == same).all() for value, same in zip(once, again))
    assert (once[0] != later[0]).any()


def test_second_prompt_names_mixed_in_sound(model):
    """Three tones: what is heard in each mixture, and what is asked of it."""
    names = ("rain", "dog", "siren")
    clap = model.classifier.audio_classifier
    prompts = ClassPrompts(names, clap.class_queries(names))
    hparams = {"train_templates": [TEMPLATE], "prompts_per_clip": 3}
    brain = LMACBrain(
        {"model": model}, hparams=hparams, run_opts={"device": "cpu"}, prompts=prompts
    )
    time = torch.arange(4000) / 32000
    tones = torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (800, 1600, 3200)])
    draws = [clip_rng(1, 1, name) for name in names]
    sounds, own, mixed = augment_batch(tones, draws, mix_probability=1.0)
    assert mixed.all()
    for clip, stems in enumerate(zip(own, sounds - own)):
        loudest = [torch.fft.rfft(stem).abs()[[100, 200, 400]].argmax().item() for stem in stems]
        assert loudest == [clip, (clip - 1) % 3]
    batch = SimpleNamespace(label=names, text=["", "", ""])
    pairs = brain.pair(batch, clap(sounds).vector, mixed, draws)
    for clip, sound in enumerate(sounds):
        loud = torch.fft.rfft(sound).abs()[[100, 200, 400]] > 100
        asked = [names.index(names[index]) for index in pairs.targets[:2, clip]]
        assert set(asked) == set(loud.nonzero().flatten().tolist())
        assert asked[0] == clip
        torch.testing.assert_close(pairs.queries[:2, clip], prompts.embeddings[asked])


def test_learning_rate_is_half_a_cosine(model):
    """At epoch e of n it is ``lr cos^2(pi (e - 1) / 2n)``: whole at first, never quite 0."""
    hparams = {"lr": 0.01, "epoch_counter": EpochCounter(4)}
    brain = LMACBrain({"model": model}, torch.optim.Adam, hparams, {"device": "cpu"})
    brain.init_optimizers()
    rates = []
    for epoch in brain.hparams.epoch_counter:
        brain.on_stage_start(Stage.TRAIN, epoch)
        rates.extend(group["lr"] for group in brain.optimizer.param_groups)
    assert rates == pytest.approx([0.01 * math.cos(math.pi * e / 8) ** 2 for e in range(4)])


def test_prompt_of_single_clip_is_prediction(model, wavs):
    names = ("rain", "siren")
    clap = model.classifier.audio_classifier
    prompts = ClassPrompts(names, clap.class_queries(names))
    hparams = {"train_templates": [TEMPLATE], "prompts_per_clip": 1}
    brain = LMACBrain(
        {"model": model}, hparams=hparams, run_opts={"device": "cpu"}, prompts=prompts
    )
    audio, alone = clap(wavs).vector, torch.zeros(len(wavs), dtype=torch.bool)
    batch = SimpleNamespace(label=["rain"] * len(wavs), text=[""] * len(wavs))
    pairs = brain.pair(batch, audio, alone, [clip_rng(1, 1, str(i)) for i in range(len(wavs))])
    assert pairs.targets[0].tolist() == (audio @ prompts.embeddings.T).argmax(dim=1).tolist()
    described = SimpleNamespace(label=["rain"] * len(wavs), text=["a wolf"] * len(wavs))
    pairs = brain.pair(described, audio, alone, [clip_rng(1, 1, str(i)) for i in range(len(wavs))])
    torch.testing.assert_close(pairs.queries[0], clap.queries(["a wolf"] * len(wavs)))


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"valid_interval": 0},
            {"encoded_prompts_per_clip": 4},
            {"feature_dropout": 1},
            {"lr": -1},
            {"lr": "abc"},
        ),
        *({"mix_probability": 7}, {"clip_seconds": -1}, {"num_scales": 9}, {"batch_size": 2.5}),
    ],
    ids=str,
)
def test_training_refuses_invalid_numbers(small_set, tmp_path, capsys, changes):
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, tmp_path / "out", **changes))
    assert next(iter(changes)) in capsys.readouterr().err
    assert not (tmp_path / "out" / "run_config.json").exists()


def test_training_refuses_text_for_epochs(small_set, tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        train.main(arguments(small_set, tmp_path / "out", number_of_epochs="one"))
    assert refused.value.code == 2 and "'one'" in capsys.readouterr().err


def test_run_folder_refuses_other_folds(small_set, undisturbed, capsys):
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, undisturbed, train_folds="[1, 2]"))
    differences = capsys.readouterr().err
    assert "sha256 of data was" in differences
    assert "train_folds was [1, 2, 3], got [1, 2]" in differences


def test_run_folder_refuses_changed_sounds(small_set, tmp_path, capsys, monkeypatch):
    """Where they lie does not count."""
    sounds, moved = tmp_path / "sounds", tmp_path / "moved"
    shutil.copytree(small_set, sounds)
    stop_after(monkeypatch, 0)
    with pytest.raises(SystemExit):
        train.main(arguments(sounds, tmp_path / "out"))
    shutil.move(sounds, moved)
    with pytest.raises(SystemExit) as interrupted:
        train.main(arguments(moved, tmp_path / "out"))
    assert interrupted.value.code == 130
    first, second = sorted((moved / "audio").iterdir())[:2]
    shutil.copy(second, first)
    with pytest.raises(SystemExit):
        train.main(arguments(moved, tmp_path / "out"))
    assert "holds a run with other settings: sha256 of data was" in capsys.readouterr().err


def test_run_folder_refuses_other_settings(small_set, undisturbed, capsys):
    before = (undisturbed / "hyperparams.yaml").read_text()
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, undisturbed, lr=0.1))
    assert "holds a run with other settings: lr was" in capsys.readouterr().err
    assert (undisturbed / "hyperparams.yaml").read_text() == before


def test_training_starts_from_other_domain(small_set, tmp_path):
    """Learning next to nothing, it ends as it began."""
    start = PRETRAINED / "mini-mel" / DECODER_FILE
    changes = {"masking": "stft", "number_of_epochs": 1, "lr": 1e-12, "pretrained_decoder": start}
    train.main(arguments(small_set, tmp_path, calibrate=False, **changes))
    before, after = load_file(start), weights(tmp_path)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0, msg=name)


def test_training_refuses_missing_decoder(small_set, tmp_path, capsys):
    output = tmp_path / "out"
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, output, pretrained_decoder="gone.safetensors"))
    assert "gone.safetensors does not hold this decoder's weights" in capsys.readouterr().err
    assert not (output / "run_config.json").exists()
