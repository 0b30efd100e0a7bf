"""The published L-MAC trains by ``lmac_paper.yaml``: both stages, noise, schedule and decoder."""

import itertools

import pytest
import torch
import yaml
from safetensors.torch import load_file

from experiments.paper_table_lmac.reproduce import CLASSIFIER
from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.training import report, train
from speechbrain_lmac.utils.config import hparams_path, load_hparams
from tests.helpers.cnn14 import published_classifier
from tests.helpers.runs import stop_after

NAMES = ("siren", "rain", "dog")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Return settings of a small CNN14 with three classes."""
    folder = tmp_path_factory.mktemp("classifier")
    settings = published_classifier(folder, "recipe", 8, 3).settings
    (folder / "labels.txt").write_text("\n".join(NAMES))
    return {**settings, "class_names": str(folder / "labels.txt")}


@pytest.fixture(scope="module")
def few(small_set, tmp_path_factory):
    """Manifest of four clips in the fold that trains, and of two in each other fold."""
    path = tmp_path_factory.mktemp("few") / "few.csv"
    labels = {1: ("siren", "rain", "wind", "engine")}
    clips = [c for c in read_clips(small_set) if c.label in labels.get(c.fold, ("siren", "rain"))]
    manifest.write(path, clips)
    return path


def flow_style(settings):
    """Return settings as YAML in one line."""
    return yaml.safe_dump(settings, default_flow_style=True, width=1e9).strip()


def arguments(small_set, few, output, classifier, **changes):
    """Return arguments of a short training as published, on clips of half a second."""
    settings = {
        **{"data_folder": few, "output_folder": output, "clip_seconds": 0.5},
        **{"number_of_epochs": 2, "batch_size": 2, "left_out_frames": 3, "device": "cpu"},
        **{"noise_folder": small_set, "baselines": "[]", "chunk_size": 2},
        **{"train_folds": "[1]", "valid_folds": "[2]", "test_folds": "[3]"},
        "audio_classifier": flow_style(classifier),
        **changes,
    }
    pairs = [(f"--{name}", str(value).strip()) for name, value in settings.items()]
    return [str(hparams_path("lmac_paper.yaml")), *itertools.chain(*pairs)]


@pytest.fixture(scope="module")
def trained(small_set, few, classifier, tmp_path_factory):
    """Return the results folder of a training."""
    folder = tmp_path_factory.mktemp("results")
    train.main(arguments(small_set, few, folder, classifier))
    return folder


def test_paper_training_is_named_lmac(trained):
    """The result is an interpreter that explains the predicted class."""
    assert "| L-MAC " in (trained / "results.md").read_text()
    interpreter = Interpreter.from_hparams(source=trained, run_opts={"device": "cpu"})
    network = interpreter.mods.model
    assert not network.decoder.conditioned and network.classifier.domain.left_out_frames == 3


def benchmark(few, classifier, trained, output, **changes):
    """Return arguments of a benchmark of the published decoder."""
    settings = {
        **{"data_folder": few, "output_folder": output, "clip_seconds": 0.5, "device": "cpu"},
        **{"test_folds": "[3]", "valid_folds": "[]", "tune_baselines": False, "gallery": False},
        **{"explainers": "[lmac, energy]", "subset_only_explainers": "[]"},
        **{"maskings": "[stft_log1p]", "interpreters": f"{{stft_log1p: {trained}}}"},
        "audio_classifier": f"{CLASSIFIER} {flow_style(classifier)}",
        **changes,
    }
    pairs = [(f"--{name}", str(value).strip()) for name, value in settings.items()]
    return [str(hparams_path("evaluate_lmac.yaml")), *itertools.chain(*pairs)]


def test_benchmark_asks_for_predicted_classes(trained, few, classifier, tmp_path, capsys):
    """Conditions with other classes are refused before anything is measured; clean clips run."""
    output = tmp_path / "bench"
    sizes = "{{clips: 2, valid_clips: 0, subset: 0, randomized: {}}}"
    asked = {"conditions": "[clean, two_source]", "num_clips": sizes.format(1)}
    with pytest.raises(SystemExit):
        evaluate(benchmark(few, classifier, trained, output, **asked))
    message = "explains the predicted class only, but two_source, randomized ask for other classes"
    assert message in capsys.readouterr().err and not output.exists()
    asked = {"conditions": "[clean]", "num_clips": sizes.format(0)}
    evaluate(benchmark(few, classifier, trained, output, **asked))
    assert set(read_table(output).method) == {"L-MAC", "energy"}


def test_fine_tuning_starts_from_a_decoder(trained, small_set, few, classifier, tmp_path):
    """With a guidance weight, the method is L-MAC-FT; the decoder may be a psi_model.ckpt."""
    start = tmp_path / "psi_model.ckpt"
    torch.save(load_file(trained / "interpreter" / "decoder.safetensors"), start)
    changes = {"guidance_weight": 4.0, "pretrained_decoder": start, "number_of_epochs": 1}
    train.main(arguments(small_set, few, tmp_path / "out", classifier, **changes))
    assert "| L-MAC-FT " in (tmp_path / "out" / "results.md").read_text()
    assert "guidance" in (tmp_path / "out" / "train_log.txt").read_text()


def test_paper_training_resumes(small_set, few, classifier, tmp_path, monkeypatch, trained):
    """An interrupted training goes on to the same decoder, schedule and noise included."""
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        stop_after(patch, 3)
        train.main(arguments(small_set, few, tmp_path, classifier))
    train.main(arguments(small_set, few, tmp_path, classifier))
    first, second = (folder / "interpreter/decoder.safetensors" for folder in (trained, tmp_path))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_snr_db": "loud"}, "noise_snr_db must be a number from -60 to 60, got 'loud'"),
        ({"noise_folder": "/nowhere"}, "noise_folder must be a folder of sounds or null"),
        ({"guidance_weight": "much"}, "loss_weights must be numbers, got 'much' for guidance"),
        ({"roll_clips": 3}, "roll_clips must be True or False, got 3"),
        ({"left_out_frames": -1}, "left_out_frames must be 0 to 999"),
        ({"audio_classifier": "{weights: null}"}, "weights must be a file, got None"),
        ({"lr_annealing": "{factor: 2.0}"}, "factor must be above 0 and below 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_paper_settings_are_checked(small_set, few, classifier, tmp_path, capsys, changes, message):
    """The error names the setting."""
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, few, tmp_path / "out", classifier, **changes))
    assert message in capsys.readouterr().err


def test_paper_settings_are_those_published(classifier):
    """Loss weights, optimizer, schedule and folds; the weight of the mean mask is 6.4 by frame."""
    overrides = yaml.safe_dump({"audio_classifier": classifier})
    hparams = load_hparams(str(hparams_path("lmac_paper.yaml")), overrides)
    weights = {name: weight for name, weight in hparams["loss_weights"].items() if weight}
    sparsity = weights.pop("sparsity")
    assert sparsity == pytest.approx(6.4 * 431 / 425) and weights == {
        "mask_in_nll": 4.0,
        "mask_out_log": 0.2,
    }
    optimizer = hparams["opt_class"]([torch.zeros(1)])
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.defaults["lr"] == 2e-4 and optimizer.defaults["weight_decay"] == 2e-6
    schedule = hparams["lr_annealing"]
    assert (schedule.factor, schedule.patience, schedule.dont_halve_until_epoch) == (0.5, 3, 100)
    assert (hparams["number_of_epochs"], hparams["batch_size"]) == (200, 16)
    assert report.trained_method(hparams) == "L-MAC"


def test_noise_is_added_to_clips(small_set, classifier):
    """Training and validation clips of the settings have noise at 0 dB."""
    overrides = {"audio_classifier": classifier, "noise_folder": str(small_set)}
    hparams = load_hparams(str(hparams_path("lmac_paper.yaml")), yaml.safe_dump(overrides))
    file = sorted((small_set / "audio").iterdir())[0]
    wavs = load_clip(file, 16000, 5.0).unsqueeze(0)
    noise = hparams["noise"](wavs, 1, 1, ["a"]) - wavs
    torch.testing.assert_close(noise.square().mean(), wavs.square().mean(), rtol=1e-3, atol=0)
