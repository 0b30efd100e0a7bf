import re

import pytest

from speechbrain_lmac.errors import InputError
from speechbrain_lmac.hparams import path_of
from speechbrain_lmac.training import load_hparams, method_name

FILES = sorted(path_of("lmac_zs.yaml").parent.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.parametrize("masking", ["mel", "stft"])
def test_every_file_loads_on_both_planes(file, masking):
    hparams = load_hparams(str(file), f"masking: {masking}")
    assert type(hparams["plane"]).__name__.lower() == f"{masking}plane"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_key_is_used(file):
    """In the file itself, or by the code that reads it at the door."""
    text = file.read_text()
    keys = set(re.findall(r"^(\w+):", text, flags=re.M))
    package = path_of("lmac_zs.yaml").parents[1] / "speechbrain_lmac"
    code = "".join(
        (package / name).read_text() for name in ("training.py", "brain.py", "identity.py")
    )
    speechbrain = {"__set_seed", "ckpt_interval_minutes"}
    unused = {
        key
        for key in keys - speechbrain
        if not re.search(rf"<{key}[.>]", text)
        and not re.search(rf'"{key}"|hparams\.{key}\b', code)
        and not key.endswith("_folds")  # read as f"{name}_folds"
    }
    assert not unused


def test_readmes_poster_command_is_the_poster():
    readme = (path_of("lmac_zs.yaml").parents[1] / "README.md").read_text()
    budgets, weights = re.search(
        r'--train_budgets "(.*?)".*?--weights "(.*?)"', readme, re.S
    ).groups()
    hparams = load_hparams(
        str(path_of("lmac_zs.yaml")), f"train_budgets: {budgets}\nweights: {weights}"
    )
    assert method_name(hparams) == "LMAC-ZS"


def test_unknown_setting_is_named():
    with pytest.raises(InputError, match="number_of_epoch"):
        load_hparams(str(path_of("lmac_zs.yaml")), "number_of_epoch: 3")


def test_missing_file_is_named():
    with pytest.raises(InputError, match=r"no such hyperparameter file: gone\.yaml"):
        load_hparams("gone.yaml", "")
