"""Every settings file builds its objects, and every row of the ablation is a training run."""

import random

import pytest
import yaml
from hyperpyyaml import load_hyperpyyaml
from speechbrain import parse_arguments

from experiments.ablation import study
from experiments.paper_table.reproduce import PAPER_SETTINGS
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.training.report import trained_method
from speechbrain_lmac.utils.config import as_arguments, hparams_path, load_hparams
from speechbrain_lmac.utils.errors import InputError
from tests.unit.utils.test_config import BENCHMARK, FOLDER, TRAINING


@pytest.fixture
def weights(request, published_settings):
    """Return settings that build the CLAP of a file with random weights."""
    return published_settings(request.getfixturevalue("file").stem)


@pytest.mark.parametrize("file", TRAINING, ids=lambda file: file.name)
@pytest.mark.parametrize("masking", ["mel", "stft"])
def test_training_file_loads_in_both_domains(file, masking, weights):
    """Every file can be used with either masking domain."""
    hparams = load_hparams(str(file), yaml.safe_dump({"masking": masking, **weights}))
    assert type(hparams["domain"]).__name__.lower() == f"{masking}domain"


@pytest.mark.parametrize("file", BENCHMARK, ids=lambda file: file.name)
def test_benchmark_file_loads(file, weights):
    """Every file names known explainers."""
    hparams = load_hparams(str(file), yaml.safe_dump(weights))
    assert set(hparams["explainers"]) <= set(EXPLAINERS)
    assert set(hparams["subset_only_explainers"]) <= set(hparams["explainers"])


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.name)
def test_files_load_without_side_effects(file, weights, tmp_path, monkeypatch):
    """HyperPyYAML alone loads them; nothing is written and no random number is drawn."""
    monkeypatch.chdir(tmp_path)
    state = random.getstate()
    with open(file) as stream:
        hparams = load_hyperpyyaml(stream, yaml.safe_dump(weights))
    assert "base" not in hparams and hparams["output_folder"]
    assert file in BENCHMARK or hparams["modules"]["model"] is hparams["model"]
    assert list(tmp_path.iterdir()) == []
    assert random.getstate() == state


def test_paper_file_has_the_objective_of_the_paper():
    """All pairs and three terms; the experiment ``paper_table`` has the same settings."""
    hparams = load_hparams(str(hparams_path("lmac_zs_paper.yaml")), None)
    assert trained_method(hparams) == "LMAC-ZS"
    assert (
        hparams["prompts_per_clip"] == hparams["encoded_prompts_per_clip"] == hparams["batch_size"]
    )
    reproduced = load_hparams(
        str(hparams_path("lmac_zs.yaml")), "\n".join(f"{k}: {v}" for k, v in PAPER_SETTINGS.items())
    )
    names = (
        "loss_weights",
        "prompts_per_clip",
        "encoded_prompts_per_clip",
        "batch_size",
        "gate_fractions",
    )
    for name in (*names, "mix_probability", "feature_dropout"):
        assert reproduced[name] == hparams[name]


def test_load_hparams_names_unknown_argument(published_settings):
    """An argument that a class does not take is an error with the class."""
    clap = {
        "audio_classifier": {
            **published_settings("lmac_zs_laion")["audio_classifier"],
            "tokeniser": "x",
        }
    }
    with pytest.raises(InputError, match=r"the settings do not fit: .*LaionCLAP"):
        load_hparams("lmac_zs_laion.yaml", yaml.safe_dump(clap))


@pytest.mark.parametrize("row", study.read_rows(), ids=lambda row: row.slug)
def test_ablation_row_is_a_training_run(row, efficientat_file):
    """Every row overrides known settings."""
    settings = {
        "audio_classifier": {"weights": str(efficientat_file)},
        "masking": row.domain,
        **row.settings,
    }
    arguments = as_arguments(settings)
    _, _, overrides = parse_arguments(["lmac_zs_efficientat.yaml", *arguments])
    hparams = load_hparams("lmac_zs_efficientat.yaml", overrides)
    assert trained_method(hparams).startswith("LMAC-ZS")
    for name, value in row.settings.items():
        loaded = hparams[name]
        if isinstance(value, dict):
            loaded = {key: loaded[key] for key in value}
        assert loaded == value
