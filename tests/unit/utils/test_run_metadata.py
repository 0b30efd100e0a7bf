"""Which settings identify a run, and what a results folder records."""

import json
from importlib.metadata import version

import pytest
from speechbrain import parse_arguments

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.flat_settings import flat_settings
from speechbrain_lmac.utils.run_metadata import (
    METADATA_FILE,
    RUN_FILE,
    lock_output_folder,
    run_settings,
    write_run_metadata,
)


def identity(*arguments):
    """Settings that identify a training with these arguments."""
    hparams_file, run_opts, overrides = parse_arguments(["lmac_zs.yaml", *arguments])
    return run_settings(hparams_file, overrides, run_opts)


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (("--lr", "0.1"), "lr was 0.001, got 0.1"),
        (("--opt_class", "!name:torch.optim.SGD"), r"opt_class was .*AdamW\", got .*SGD\""),
        (("--opt_class", "{weight_decay: 0}"), "opt_class.weight_decay was 0.01, got 0"),
        (("--train_loader", "{shuffle: False}"), "train_loader.shuffle was true, got false"),
        (("--calibrate", "null"), 'calibrate was "separation", got null'),
        (("--baselines", "[energy]"), "baselines was"),
        (("--loss_weights", "{mask_in_nll: 2}"), "loss_weights.mask_in_nll was 1.0, got 2"),
        (
            ("--audio_classifier", "!new:speechbrain_lmac.models.clap.laion.LaionCLAP"),
            "audio_classifier was",
        ),
        (("--gate", "{softness: [1, 1]}"), r"gate.softness was \"<gate_softness>\""),
        (("--test_folds", "[4]"), r"test_folds was \[5\], got \[4\]"),
        (("--precision", "bf16"), 'precision was "fp32", got "bf16"'),
        (("--max_grad_norm", "3"), "max_grad_norm was 1.0, got 3"),
        (("--grad_accumulation_factor", "2"), "grad_accumulation_factor was 1, got 2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_lock_output_folder_refuses_setting(tmp_path, arguments, difference):
    """Every setting that changes the results is named with both values; nothing is written."""
    lock_output_folder(tmp_path, identity())
    before = (tmp_path / RUN_FILE).read_bytes()
    with pytest.raises(InputError, match=difference):
        lock_output_folder(tmp_path, identity(*arguments))
    assert (tmp_path / RUN_FILE).read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("--device", "cuda"),
        ("--output_folder", "/elsewhere"),
        ("--save_folder", "/elsewhere/save"),
        ("--data_folder", "/elsewhere/ESC-50"),
        ("--train_manifest", "/elsewhere/captions.csv"),
        ("--synthetic_folder", "/elsewhere/synthetic"),
        ("--pretrained_decoder", "/elsewhere/decoder.safetensors"),
        ("--chunk_size", "1"),
        ("--ckpt_interval_minutes", "1"),
        ("--ckpt_interval_steps", "1"),
        ("--train_loader", "{num_workers: 2, pin_memory: True}"),
        ("--valid_loader", "{num_workers: 2}"),
        ("--train_logger", "!new:speechbrain.utils.train_logger.TrainLogger"),
        ("--distributed_backend", "gloo"),
        ("--test_only",),
        ("--noprogressbar",),
        ("--precision", "fp32"),
    ],
    ids=" ".join,
)
def test_lock_output_folder_accepts_setting(tmp_path, arguments):
    """Paths, devices, workers, checkpoint intervals, chunks and loggers may differ."""
    lock_output_folder(tmp_path, identity())
    lock_output_folder(tmp_path, identity(*arguments))


def test_lock_output_folder_names_changes_once(tmp_path):
    """A setting that others refer to is not repeated under each of their names."""
    lock_output_folder(tmp_path, identity())
    with pytest.raises(InputError) as error:
        lock_output_folder(tmp_path, identity("--batch_size", "4", "--seed", "7"))
    changes = "batch_size was 16, got 4; seed was 1986, got 7. "
    assert f"other settings: {changes}" in str(error.value)


def test_lock_output_folder_names_absent_setting(tmp_path):
    """A setting of a newer or older version is a difference."""
    lock_output_folder(tmp_path, {"seed": 1, "sha256 of data": "ab"})
    with pytest.raises(InputError, match=r"lr was absent, got 0\.1; sha256 of data was \"ab\""):
        lock_output_folder(tmp_path, {"seed": 1, "lr": 0.1, "sha256 of data": "cd"})
    with pytest.raises(InputError, match="seed was 1, got absent"):
        lock_output_folder(tmp_path, {"sha256 of data": "ab"})


def test_lock_output_folder_refuses_broken_file(tmp_path):
    """A file that a user edited is one sentence, not a traceback."""
    (tmp_path / RUN_FILE).write_text("{")
    with pytest.raises(InputError, match=r"run_config\.json cannot be read"):
        lock_output_folder(tmp_path, {})


def test_flat_settings_of_two_spellings_are_equal(tmp_path):
    """A number, its spelling in the file and an override describe the same run."""
    path = tmp_path / "mine.yaml"
    text = "lr: {}\nsteps: !ref <lr> * 2\nmodel: !new:torch.nn.Linear\n    bias: True\n"
    path.write_text(text.format("1e-3"))
    first = flat_settings(path, None)
    assert first["steps"] == 0.002 and first["model.bias"] is True
    path.write_text(text.format("7"))
    assert flat_settings(path, "lr: 0.0010") == first


def test_write_run_metadata_appends_entries(tmp_path):
    """The first command stays the first; each entry names time, host and versions."""
    for arguments in (["a.yaml"], ["a.yaml", "--data_folder", "my sounds"]):
        write_run_metadata(tmp_path, ["python", "train.py", *arguments])
    first, second = json.loads((tmp_path / METADATA_FILE).read_text())
    assert first["command"] == "python train.py a.yaml"
    assert second["command"] == "python train.py a.yaml --data_folder 'my sounds'"
    assert first["time"] <= second["time"] and first["time"].endswith("+00:00")
    assert second["packages"]["torch"] == version("torch") and second["threads"] > 0
