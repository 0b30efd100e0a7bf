"""Repository folder of an interpreter: its files, model card, settings, results and figures."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.pretrained.config import read_interpreter_config
from speechbrain_lmac.pretrained.export import DECODER_FILE, HPARAMS_FILE, hyperparams_text
from speechbrain_lmac.publishing.card import model_card
from speechbrain_lmac.publishing.upload import check_id
from speechbrain_lmac.reports.average_drop import draw_average_drop
from speechbrain_lmac.reports.plots import draw_interpretation
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.ownership import check_owned_folder, owned_folder

SETTINGS_FILE = "training.json"
"""Settings and hashes of the training run."""
LOCAL_SETTINGS = ("clap_settings", "pretrained_decoder")
"""Settings with paths of this machine, which are not published."""
KIND = "publish"
"""Kind of the folder in its ledger."""
REQUIRED = ("metrics.csv", "train.csv", "test.csv", "run_config.json")
"""Files of a finished run, in addition to its interpreter."""
EXAMPLE = ("clock_alarm", "engine")
"""Classes of the synthetic mixture in the example figure."""


def write_repository(
    results: str | Path, repo_id: str, folder: str | Path, license: str | None = None
) -> Path:
    """Write the repository folder of a trained interpreter.

    Arguments
    ---------
    results : str or Path
        Results folder of ``train.py``.
    repo_id : str
        Name of the repository, ``user/name``.
    folder : str or Path
        Folder to write. An earlier one is replaced if it has not changed since.
    license : str
        License of the decoder, as an id of the Hub. The training data have their own licenses.
        Default: not stated.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    InputError
        If the run is not finished, others cannot load its classifier, or the folder may not be
        replaced.
    """
    results, folder = Path(results), Path(folder)
    check_id(repo_id)
    missing = [name for name in REQUIRED if not (results / name).is_file()]
    if missing:
        raise InputError(f"{results} is no finished run of train.py: no {', '.join(missing)}")
    if (folder / ".git").exists():
        raise InputError(f"{folder} is a git repository, which is not replaced. Give another")
    check_owned_folder(folder, KIND)
    interpreter = Interpreter.from_hparams(source=results)
    settings = interpreter.model.classifier.audio_classifier.portable_settings
    text = hyperparams_text(interpreter.model, interpreter.hparams.method, settings)
    read_interpreter_config(text, f"{HPARAMS_FILE} of {results}", downloaded=True)
    with owned_folder(folder, KIND) as partial:
        (partial / HPARAMS_FILE).write_text(text, encoding="utf-8")
        _fill(partial, results, repo_id, interpreter, license)
    return folder


def _fill(
    folder: Path, results: Path, repo_id: str, interpreter: Interpreter, license: str | None
) -> None:
    """Write everything but ``hyperparams.yaml``."""
    shutil.copy(results / "interpreter" / DECODER_FILE, folder)
    shutil.copy(results / "metrics.csv", folder)
    settings: dict[str, Any] = json.loads((results / "run_config.json").read_text(encoding="utf-8"))
    for name in LOCAL_SETTINGS:
        settings.pop(name, None)
    (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")
    rows = pd.read_csv(results / "metrics.csv")
    if not {"metric", "fraction", "value"} <= set(rows):
        raise InputError(f"{results / 'metrics.csv'} is of an older version. Run train.py again")
    draw_average_drop(rows, folder / "average_drop.png")
    _draw_example(interpreter, folder / "example.png")
    card = model_card(folder, results, repo_id, interpreter, rows, settings, license)
    (folder / "README.md").write_text(card.content + "\n", encoding="utf-8")


def _draw_example(interpreter: Interpreter, path: Path) -> None:
    scene = mixture(*EXAMPLE, seed=7)
    prompts = [class_prompt(name) for name in EXAMPLE]
    draw_interpretation(
        interpreter.interpret_file(scene.mixture, prompts, sample_rate=SAMPLE_RATE), path
    )
