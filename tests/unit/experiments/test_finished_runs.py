"""Finished trainings of experiments are reused for the same settings only."""

import pytest
import speechbrain as sb

from experiments.finished_runs import is_finished
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.run_metadata import lock_output_folder, run_settings


def words(**changes):
    """Return arguments of a training."""
    settings = {"masking": "mel", "number_of_epochs": 20, "device": "cpu", **changes}
    pairs = [(f"--{name}", str(value)) for name, value in settings.items()]
    return ["lmac_zs.yaml", *(word for pair in pairs for word in pair)]


@pytest.fixture
def folder(tmp_path):
    """Results folder of a training that has not ended."""
    hparams_file, run_opts, overrides = sb.parse_arguments(words())
    settings = run_settings(hparams_file, overrides, run_opts)
    lock_output_folder(tmp_path, {**settings, "sha256 of data": "abc"})
    return tmp_path


def test_only_the_same_training_is_finished(folder):
    """Fewer or more epochs and other settings are refused; paths and devices do not matter."""
    assert not is_finished(folder, words())
    (folder / "results.md").write_text("")
    assert is_finished(folder, words())
    assert is_finished(folder, words(output_folder="elsewhere", data_folder="moved"))
    assert not is_finished(folder, words(), "figures.json")
    for change in ({"number_of_epochs": 2}, {"number_of_epochs": 40}, {"gradient_features": 3}):
        (name, value), *_ = change.items()
        with pytest.raises(InputError, match=f"{name} was .*, got {value}"):
            is_finished(folder, words(**change))
