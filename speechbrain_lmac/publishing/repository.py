"""Repository folder of an interpreter: its files, model card, settings, results and figures."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.card import check_license
from speechbrain_lmac.pretrained.config import read_interpreter_config
from speechbrain_lmac.pretrained.export import HPARAMS_FILE, hyperparams_text
from speechbrain_lmac.pretrained.files import interpreter_files
from speechbrain_lmac.publishing.card import model_card
from speechbrain_lmac.publishing.example import write_example
from speechbrain_lmac.reports.average_drop import draw_average_drop
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub_upload import check_id
from speechbrain_lmac.utils.ownership import check_owned_folder, owned_folder

SETTINGS_FILE = "training.json"
"""Settings and hashes of the training run."""
LOCAL_SETTINGS = ("pretrained_decoder",)
"""Settings with paths of this machine, which are not published."""
KIND = "publish"
"""Kind of the folder in its ledger."""
REQUIRED = ("metrics.csv", "train.csv", "test.csv", "run_config.json")
"""Files of a finished run, in addition to its interpreter."""


def write_repository(
    results: str | Path,
    repo_id: str,
    folder: str | Path,
    license: str | None = None,
    audio_classifier: AudioClassifier | None = None,
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
    audio_classifier : AudioClassifier
        Classifier of the interpreter, if it is the user's own. Default: built from its settings.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    InputError
        If the run is not finished, others cannot load its classifier, the license is not an id,
        or the folder may not be replaced.
    """
    results, folder = Path(results), Path(folder)
    check_id(repo_id)
    check_license(license)
    missing = [name for name in REQUIRED if not (results / name).is_file()]
    if missing:
        raise InputError(f"{results} is no finished run of train.py: no {', '.join(missing)}")
    if (folder / ".git").exists():
        raise InputError(f"{folder} is a git repository, which is not replaced. Give another")
    check_owned_folder(folder, KIND)
    interpreter = Interpreter.from_hparams(source=results, audio_classifier=audio_classifier)
    settings = interpreter.audio_classifier.portable_settings
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
    for path in interpreter_files(results / "interpreter"):
        if path.name != HPARAMS_FILE:
            shutil.copy(path, folder)
    shutil.copy(results / "metrics.csv", folder)
    run_config = json.loads((results / "run_config.json").read_text(encoding="utf-8"))
    settings = portable(run_config)
    (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")
    rows = pd.read_csv(results / "metrics.csv")
    if not {"metric", "fraction", "value"} <= set(rows):
        raise InputError(f"{results / 'metrics.csv'} is of an older version. Run train.py again")
    draw_average_drop(rows, folder / "average_drop.png")
    samples = write_example(interpreter, folder, repo_id)
    card = model_card(folder, results, repo_id, interpreter, rows, settings, license, samples)
    (folder / "README.md").write_text(card.content + "\n", encoding="utf-8")


def portable(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without paths of this machine; files are named without their folder.

    Example
    -------
    >>> portable({"audio_classifier.weights": "/home/me/mn04.pt", "masking": "mel"})
    {'audio_classifier.weights': 'mn04.pt', 'masking': 'mel'}
    """
    public = {name: value for name, value in settings.items() if name not in LOCAL_SETTINGS}
    for name, value in public.items():
        if isinstance(value, str) and (Path(value).is_absolute() or value.startswith("~")):
            public[name] = Path(value).name
    return public
