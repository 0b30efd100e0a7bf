"""Settings files state used settings and are found in their own checkout.

tests/integration/test_settings_files.py loads every file.
"""

import os
import re
import subprocess
import sys

import pytest
import yaml

from speechbrain_lmac.utils.config import (
    hparams_path,
    load_hparams,
    read_settings,
    save_settings,
)
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.flat_settings import flat_settings
from tests.conftest import REPOSITORY

FOLDER = hparams_path("lmac_zs.yaml").parent
TRAINING = sorted(FOLDER.glob("lmac_zs*.yaml"))
BENCHMARK = sorted(FOLDER.glob("evaluate*.yaml"))


@pytest.mark.parametrize("file", [*TRAINING, *BENCHMARK], ids=lambda file: file.name)
def test_every_setting_is_used(file):
    """A setting is referred to in its file, or read by the program."""
    text = read_settings(file)
    keys = set(re.findall(r"^(\w+):", text, flags=re.M))
    package = FOLDER.parent / "speechbrain_lmac"
    program = "evaluation/benchmark" if file in BENCHMARK else "training"
    code = "".join(path.read_text() for path in (package / program).glob("*.py"))
    speechbrain = {"__set_seed", "ckpt_interval_minutes", "max_grad_norm"}
    unused = {
        key
        for key in keys - speechbrain
        if not re.search(rf"<{key}[.>]", text)
        and not re.search(rf'"{key}"|hparams\.{key}\b', code)
        and not key.endswith("_folds")  # read as f"{name}_folds"
    }
    assert not unused


def test_load_hparams_names_unknown_setting():
    """A misspelled override is an error."""
    with pytest.raises(InputError, match="number_of_epoch"):
        load_hparams(str(hparams_path("lmac_zs.yaml")), "number_of_epoch: 3")


def test_load_hparams_names_missing_file():
    """A missing file is an error with its name."""
    with pytest.raises(InputError, match=r"no such hyperparameter file: gone\.yaml"):
        load_hparams("gone.yaml", "")


CHANGED = {
    "lmac_zs_efficientat": {
        "audio_classifier",
        "decoder_channels",
        "num_scales",
        "feature_dropout",
    },
    "lmac_zs_laion": {"audio_classifier", "chunk_size", "num_scales"},
    "lmac_zs_microsoft": {"audio_classifier", "chunk_size", "num_scales"},
    "lmac_zs_transformers": {"audio_classifier", "chunk_size", "num_scales"},
    "lmac_zs_paper": {
        *("loss_weights", "prompts_per_clip", "encoded_prompts_per_clip", "gate_fractions"),
        *("number_of_epochs", "valid_interval", "batch_size", "mix_probability"),
    },
}
"""Settings in which a file differs from lmac_zs.yaml, in addition to the output folder."""


@pytest.mark.parametrize("name", CHANGED)
def test_files_differ_from_lmac_zs_as_declared(name):
    """Every file is complete; a change of lmac_zs.yaml must reach the others."""
    first, second = (
        {key.value: yaml.serialize(value) for key, value in yaml.compose(path.read_text()).value}
        for path in (hparams_path("lmac_zs.yaml"), hparams_path(f"{name}.yaml"))
    )
    assert list(first) == list(second)
    assert {key for key in first if first[key] != second[key]} == CHANGED[name] | {"output_folder"}


def test_load_hparams_resolves_changed_setting():
    """An override reaches every setting that refers to it; mappings are merged."""
    hparams = load_hparams("lmac_zs.yaml", "batch_size: 3\nloss_weights: {binarization: 0.25}")
    assert hparams["train_loader"]["batch_size"] == hparams["valid_loader"]["batch_size"] == 3
    assert hparams["loss_weights"]["binarization"] == 0.25
    assert hparams["loss_weights"]["mask_in_nll"] == 1.0


EDITABLE = """
import importlib.machinery, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "speechbrain_lmac.hparams":
            place = [sys.argv[1] + "/hparams"]
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = place
            return spec
sys.meta_path.insert(0, Finder())
from speechbrain_lmac.utils.config import hparams_path, read_settings
print(hparams_path("lmac_zs.yaml"))
print(read_settings("lmac_zs.yaml"))
"""
"""Print settings in a checkout while another checkout, which is named, is installed editably."""


def test_hparams_path_is_of_own_checkout(tmp_path):
    """A checkout on PYTHONPATH reads its own settings, not those of an installed checkout."""
    for name in ("own", "installed"):
        (tmp_path / name / "hparams").mkdir(parents=True)
        (tmp_path / name / "hparams" / "lmac_zs.yaml").write_text(f"checkout: {name}\n")
        (tmp_path / name / "speechbrain_lmac").symlink_to(REPOSITORY / "speechbrain_lmac")
    done = subprocess.run(
        [sys.executable, "-c", EDITABLE, tmp_path / "installed"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "own")},
    )
    path, text = done.stdout.splitlines()[:2]
    assert path == str(tmp_path / "own" / "hparams" / "lmac_zs.yaml")
    assert text == "checkout: own"


CHANGES = [
    ("opt_class: !name:torch.optim.SGD {momentum: 0.9}", "SGD", {"momentum": 0.9}),
    ("opt_class: {weight_decay: 0.5}", "AdamW", {"lr": 0.001, "weight_decay": 0.5}),
    ("opt_class: !name:torch.optim.AdamW {lr: 0.5}", "AdamW", {"lr": 0.5, "weight_decay": 0.01}),
]
"""Changes of an object, its class afterwards and its arguments."""


@pytest.mark.parametrize(("overrides", "name", "arguments"), CHANGES)
def test_another_class_replaces_the_object(tmp_path, overrides, name, arguments):
    """Its arguments are its own. Arguments without another class change those of the file."""
    optimizer = load_hparams("lmac_zs.yaml", overrides)["opt_class"]
    assert optimizer.func.__name__ == name and optimizer.keywords == arguments
    settings = flat_settings("lmac_zs.yaml", overrides)
    assert settings["opt_class"] == f"!name:torch.optim.{name}"
    save_settings("lmac_zs.yaml", overrides, tmp_path)
    saved = flat_settings(tmp_path / "hyperparams.yaml", None)
    for place in (settings, saved):
        found = {key: place[f"opt_class.{key}"] for key in arguments}
        assert found == arguments and place["opt_class"] == settings["opt_class"]
    assert ("opt_class.weight_decay" in settings) == ("weight_decay" in arguments)
