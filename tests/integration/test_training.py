"""Training on a few half-second clips: resuming, checkpoints, calibration, prompts."""

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
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.pretrained.finding import PRETRAINED
from speechbrain_lmac.training import train
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.schedules import CosineAnnealing
from tests.helpers.runs import stop_after
from tests.helpers.runs import training_arguments as arguments


def weights(output):
    """Return the exported weights of a decoder."""
    return load_file(output / "interpreter" / "decoder.safetensors")


@pytest.fixture(scope="module")
def uninterrupted(small_set, tmp_path_factory):
    """Output folder of an uninterrupted training."""
    output = tmp_path_factory.mktemp("uninterrupted")
    train.main(arguments(small_set, output))
    return output


@pytest.mark.parametrize("steps_before", [3, 7, pytest.param(10, marks=pytest.mark.exhaustive)])
def test_training_interrupted_resumes(
    small_set, uninterrupted, tmp_path, monkeypatch, capsys, steps_before
):
    """Seven steps per epoch: interrupted in the first epoch, at its end, and in the second."""
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
    expected, resumed = weights(uninterrupted), weights(tmp_path)
    for name in expected:
        torch.testing.assert_close(resumed[name], expected[name], atol=1e-6, rtol=0, msg=name)


def test_training_continues_with_more_epochs(small_set, uninterrupted, tmp_path, monkeypatch):
    """A third epoch after two takes the steps of one epoch, and the log has all three."""
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    steps = stop_after(monkeypatch, None)
    train.main(arguments(small_set, tmp_path, number_of_epochs=3))
    assert len(steps) == 7
    lines = (tmp_path / "train_log.txt").read_text().splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["epoch: 1", "epoch: 2", "epoch: 3"]


def test_training_debug_is_a_smoke_test(small_set, tmp_path, monkeypatch):
    """SpeechBrain's flag ``--debug`` takes four steps; the results make room for a run."""
    steps = stop_after(monkeypatch, None)
    changes = {"number_of_epochs": 80, "valid_interval": 10}
    train.main([*arguments(small_set, tmp_path, **changes), "--debug"])
    assert len(steps) == 4
    files = {"train_log.txt", "log.txt", "env.log", "hyperparams.yaml", "results.md", "train.py"}
    assert files <= {path.name for path in tmp_path.iterdir()}
    assert not (tmp_path / "save").exists()
    train.main(arguments(small_set, tmp_path, number_of_epochs=1))
    assert len(steps) == 4 + 7
    lines = (tmp_path / "train_log.txt").read_text().splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["epoch: 1"]


def test_training_test_only_repeats_metrics(small_set, uninterrupted, tmp_path, capsys):
    """SpeechBrain's option ``--test_only`` measures a trained decoder and takes no step."""
    before = {name: (uninterrupted / name).read_bytes() for name in ("metrics.csv", "results.md")}
    train.main([*arguments(small_set, uninterrupted), "--test_only"])
    assert {name: (uninterrupted / name).read_bytes() for name in before} == before
    with pytest.raises(SystemExit):
        train.main([*arguments(small_set, tmp_path), "--test_only"])
    assert "--test_only needs a training in" in capsys.readouterr().err


def test_training_saves_between_validations(small_set, tmp_path, monkeypatch):
    """The interval of checkpoints counts from the last checkpoint, not from the epoch."""
    saved, save = [], LMACBrain._save_intra_epoch_ckpt
    on_stage_start = LMACBrain.on_stage_start

    def one_hour_later(self, stage, epoch=None):
        if epoch == 2:  # as if the first epoch took an hour
            self.checkpointer.saved_at -= 3600
        return on_stage_start(self, stage, epoch)

    def record_epoch(self):
        saved.append(self.epoch)
        save(self)

    monkeypatch.setattr(LMACBrain, "on_stage_start", one_hour_later)
    monkeypatch.setattr(LMACBrain, "_save_intra_epoch_ckpt", record_epoch)
    intervals = {"valid_interval": 3, "ckpt_interval_minutes": 30, "ckpt_interval_steps": 0}
    changes = {"number_of_epochs": 3, "train_folds": "[1]", **intervals}
    train.main(arguments(small_set, tmp_path, **changes))
    assert saved == [2]


def test_training_exports_best_epoch(small_set, tmp_path, monkeypatch):
    """If scores fall after the first epoch, its weights are exported."""
    states = []
    on_stage_end = LMACBrain.on_stage_end

    def falling_scores(self, stage, stage_loss, epoch=None):
        if self.scores:
            self.scores = [-float(epoch)]
            decoder = self.model.decoder.state_dict()
            states.append({name: weight.clone() for name, weight in decoder.items()})
        return on_stage_end(self, stage, stage_loss, epoch)

    monkeypatch.setattr(LMACBrain, "on_stage_end", falling_scores)
    changes = {"calibrate": "null", "train_folds": "[1]"}
    train.main(arguments(small_set, tmp_path, number_of_epochs=3, **changes))
    exported = weights(tmp_path)
    assert len(states) == 3
    assert all((exported[name] == states[0][name]).all() for name in exported)
    assert any((exported[name] != states[2][name]).any() for name in exported)


def test_calibration_changes_last_layer_only(small_set, uninterrupted, tmp_path):
    """Calibration divides the weights of the head by one temperature."""
    train.main(arguments(small_set, tmp_path, calibrate="null"))
    raw, calibrated = weights(tmp_path), weights(uninterrupted)
    changed = {name for name in raw if not torch.equal(raw[name], calibrated[name])}
    assert changed == {"head.weight", "head.bias"}
    ratio = raw["head.weight"] / calibrated["head.weight"]
    torch.testing.assert_close(ratio, ratio.flatten()[0].expand_as(ratio))


def test_training_changes_decoder_only(small_set, tmp_path, monkeypatch, clap):
    """The CLAP is unchanged, and the optimizer has all weights of the decoder."""
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
    """Equal seed, epoch and clip give equal sounds; another epoch gives other sounds."""
    clips = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    first, repeated, next_epoch = (
        augment_batch(clips, [clip_rng(1, epoch, name) for name in "ab"], mix_probability=0.5)
        for epoch in (1, 1, 2)
    )
    assert all((value == same).all() for value, same in zip(first, repeated))
    assert (first[0] != next_epoch[0]).any()


def test_second_prompt_names_mixed_in_sound(model):
    """Each mixture of two of three tones has the prompts of both tones."""
    names = ("rain", "dog", "siren")
    clap = model.classifier.audio_classifier
    prompts = ClassPrompts(names, clap.class_queries(names))
    hparams = {"train_templates": [TEMPLATE], "prompts_per_clip": 3, "other_class_probability": 0}
    brain = LMACBrain(
        {"model": model}, hparams=hparams, run_opts={"device": "cpu"}, prompts=prompts
    )
    time = torch.arange(4000) / 32000
    tones = torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (800, 1600, 3200)])
    draws = [clip_rng(1, 1, name) for name in names]
    sounds, targets, mixed = augment_batch(tones, draws, mix_probability=1.0)
    assert mixed.all()
    for clip, stems in enumerate(zip(targets, sounds - targets)):
        loudest = [torch.fft.rfft(stem).abs()[[100, 200, 400]].argmax().item() for stem in stems]
        assert loudest == [clip, (clip - 1) % 3]
    batch = SimpleNamespace(label=names, text=["", "", ""])
    pairs = brain.pair(batch, clap(sounds).vector, mixed, draws)
    for clip, sound in enumerate(sounds):
        loud = torch.fft.rfft(sound).abs()[[100, 200, 400]] > 100
        prompted = pairs.targets[:2, clip].tolist()
        assert set(prompted) == set(loud.nonzero().flatten().tolist())
        assert prompted[0] == clip
        torch.testing.assert_close(pairs.queries[:2, clip], prompts.embeddings[prompted])


def test_learning_rate_is_half_a_cosine(model):
    """The rate of epoch e of n is ``lr cos^2(pi (e - 1) / 2n)``."""
    hparams = {"lr": 0.01, "epoch_counter": EpochCounter(4), "lr_annealing": CosineAnnealing()}
    brain = LMACBrain({"model": model}, torch.optim.Adam, hparams, {"device": "cpu"})
    brain.init_optimizers()
    rates = []
    for epoch in brain.hparams.epoch_counter:
        brain.on_stage_start(Stage.TRAIN, epoch)
        rates.extend(group["lr"] for group in brain.optimizer.param_groups)
    assert rates == pytest.approx([0.01 * math.cos(math.pi * e / 8) ** 2 for e in range(4)])


def test_prompt_of_single_clip_is_prediction(model, wavs):
    """A clip without a mixture is prompted with the predicted class, or with its caption."""
    names = ("rain", "siren")
    clap = model.classifier.audio_classifier
    prompts = ClassPrompts(names, clap.class_queries(names))
    hparams = {"train_templates": [TEMPLATE], "prompts_per_clip": 1, "other_class_probability": 0}
    brain = LMACBrain(
        {"model": model}, hparams=hparams, run_opts={"device": "cpu"}, prompts=prompts
    )
    audio, mixed = clap(wavs).vector, torch.zeros(len(wavs), dtype=torch.bool)
    batch = SimpleNamespace(label=["rain"] * len(wavs), text=[""] * len(wavs))
    pairs = brain.pair(batch, audio, mixed, [clip_rng(1, 1, str(i)) for i in range(len(wavs))])
    assert pairs.targets[0].tolist() == (audio @ prompts.embeddings.T).argmax(dim=1).tolist()
    captioned = SimpleNamespace(label=["rain"] * len(wavs), text=["a wolf"] * len(wavs))
    pairs = brain.pair(captioned, audio, mixed, [clip_rng(1, 1, str(i)) for i in range(len(wavs))])
    torch.testing.assert_close(pairs.queries[0], clap.queries(["a wolf"] * len(wavs)))


def test_run_folder_refuses_other_folds(small_set, uninterrupted, capsys):
    """The error names the hash of the data and the setting."""
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, uninterrupted, train_folds="[1, 2]"))
    differences = capsys.readouterr().err
    assert "sha256 of data was" in differences
    assert "train_folds was [1, 2, 3], got [1, 2]" in differences


def test_run_folder_refuses_other_settings(small_set, uninterrupted, capsys):
    """The error names the setting, and the stored settings do not change."""
    before = (uninterrupted / "hyperparams.yaml").read_text()
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, uninterrupted, lr=0.1))
    assert "holds a run with other settings: lr was" in capsys.readouterr().err
    assert (uninterrupted / "hyperparams.yaml").read_text() == before


def test_training_starts_from_other_domain(small_set, tmp_path):
    """With a learning rate near zero, the decoder keeps the weights of the other domain."""
    start = PRETRAINED / "mini-mel" / DECODER_FILE
    changes = {"masking": "stft", "number_of_epochs": 1, "lr": 1e-12, "gradient_features": 3}
    settings = {"calibrate": "null", "pretrained_decoder": start, **changes}
    train.main(arguments(small_set, tmp_path, **settings))
    before, after = load_file(start), weights(tmp_path)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0, msg=name)


def test_training_with_gradient_features_is_exported(small_set, tmp_path):
    """The exported interpreter computes gradients itself, and its method ends in G."""
    changes = {"masking": "stft", "number_of_epochs": 1, "gradient_features": 2}
    train.main(arguments(small_set, tmp_path, calibrate="null", **changes))
    interpreter = Interpreter.from_hparams(source=tmp_path / "interpreter")
    decoder = interpreter.model.decoder
    assert decoder.gradient_features == 2
    assert "LMAC-ZS-G" in (tmp_path / "results.md").read_text(encoding="utf-8")
    sound = synthesize("siren", seed=1, seconds=0.5)
    first = interpreter.interpret(sound, ["siren", "dog"])
    with torch.no_grad():
        decoder.relevances[0].weight.neg_()
    second = interpreter.interpret(sound, ["siren", "dog"])
    assert not torch.equal(first.mask, second.mask)
