"""A results folder as a repository of the Hugging Face Hub: files, model card, upload."""

import json
import shutil
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.data.synthetic_dataset import is_synthetic
from speechbrain_lmac.evaluation.tables import MEAN, markdown_table
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.pretrained.checkpoint import fingerprint
from speechbrain_lmac.pretrained.config import read_interpreter_config
from speechbrain_lmac.pretrained.export import DECODER_FILE, HPARAMS_FILE, hyperparams_text
from speechbrain_lmac.reports.plots import draw_average_drop, draw_interpretation
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import HIDDEN
from speechbrain_lmac.utils.hub import check_reachable
from speechbrain_lmac.utils.ownership import check_folder, owned_folder
from speechbrain_lmac.utils.version import VERSION

LICENSES = {
    "ESC-50": "CC BY-NC 3.0 (ESC-10 part: CC BY)",
    "UrbanSound8K": "CC BY-NC 3.0",
    "synthetic sounds": "made by speechbrain-lmac, free",
}
"""Of sets whose rows do not say."""
MARKER = "training.json"
"""Settings and hashes of the run."""
KIND = "publish"
"""Of the folder, for its ledger."""
NEEDED = ("metrics.csv", "train.csv", "test.csv", "run_config.json")
"""Files of a finished run beside its interpreter."""


def write_repository(results, repo_id, folder, license=None):
    """Everything that is published, in a folder.

    Arguments
    ---------
    results : str or Path
        Results folder of ``train.py``.
    repo_id : str
        ``user/name``.
    folder : str or Path
        Made anew; gets decoder, hyperparameters, model card, metrics, settings and figures. One
        that is there is replaced if all of it was written here and has not changed since.
    license : str
        Of the decoder, by the Hub's names; what it learnt from has licenses of its own.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the run is not finished, its CLAP cannot be found by others, or the folder may not be
        replaced.
    """
    results, folder = Path(results), Path(folder)
    check_id(repo_id)
    missing = [name for name in NEEDED if not (results / name).is_file()]
    if missing:
        raise InputError(
            f"{results} is no finished run of train.py: it has no {', '.join(missing)}"
        )
    if (folder / ".git").exists():
        raise InputError(f"{folder} is a git repository, which would be replaced; give another")
    check_folder(folder, KIND)
    interpreter = Interpreter.from_hparams(source=results)
    model, clap = interpreter.model, interpreter.model.classifier.audio_classifier
    text = hyperparams_text(model, interpreter.hparams.method, clap.portable_settings)
    read_interpreter_config(text, f"what {results} would publish", downloaded=True)
    with owned_folder(folder, KIND) as built:
        _fill(built, results, repo_id, interpreter, text, license)
    return folder


def _fill(folder, results, repo_id, interpreter, text, license):
    """Write everything that is published into an empty folder."""
    (folder / HPARAMS_FILE).write_text(text, encoding="utf-8")
    shutil.copy(results / "interpreter" / DECODER_FILE, folder)
    shutil.copy(results / "metrics.csv", folder)
    settings = json.loads((results / "run_config.json").read_text(encoding="utf-8"))
    for name in ("clap_settings", "pretrained_decoder"):  # paths of this machine
        settings.pop(name, None)
    (folder / MARKER).write_text(json.dumps(settings, indent=2) + "\n")
    rows = pd.read_csv(results / "metrics.csv")
    if not {"metric", "fraction", "value"} <= set(rows):
        raise InputError(f"{results / 'metrics.csv'} is of an older version: run train.py anew")
    draw_average_drop(rows, folder / "budgets.png")
    _example(interpreter, folder / "example.png")
    card = _card(interpreter, repo_id, results, rows, settings, license, folder)
    (folder / "README.md").write_text(card, encoding="utf-8")


def push(folder, repo_id, private=False):
    """Upload a repository folder, as one commit.

    Arguments
    ---------
    folder : str or Path
        Of :func:`write_repository`.
    repo_id : str
        ``user/name``; made if absent.
    private : bool
        Whether others may not see it, if it is made.

    Returns
    -------
    str
        Its address.

    Raises
    ------
    InputError
        If the Hub does not answer, does not know you, or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError

    check_id(repo_id)
    api = HfApi()
    try:
        check_reachable()
        api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            ignore_patterns=[f"{HIDDEN}*"],
            commit_message=f"Interpreter, by speechbrain-lmac {VERSION}",
        )
    except LocalTokenNotFoundError as error:
        raise InputError("log in first: hf auth login, or set HF_TOKEN") from error
    except HfHubHTTPError as error:
        raise InputError(_refusal(error, repo_id)) from error
    except (HTTPError, OSError, RuntimeError) as error:
        raise InputError(_broken_off(repo_id, error)) from error
    except ValueError as error:
        raise InputError(f"the Hub refused {repo_id}: {error}") from error
    return str(done.commit_url).partition("/commit/")[0]


def check_id(repo_id):
    """Refuse what is no Hub id ``user/name``."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(f"{repo_id!r} is no Hub id: {first_line(error)}") from error
    if repo_id.count("/") != 1:
        raise InputError(f"{repo_id!r} is no Hub id user/name")


def _refusal(error, repo_id):
    status = error.response.status_code if error.response is not None else 0
    said = {
        401: "the Hub does not know you: hf auth login, or set HF_TOKEN",
        403: f"you may not write to {repo_id}",
        404: f"there is no {repo_id} for you: is the user right, and may you write there?",
        409: f"somebody changed {repo_id} meanwhile: give the same command again",
    }
    if status >= 500:
        return _broken_off(repo_id, error)
    return said.get(status, f"the Hub refused {repo_id}: {first_line(error)}")


def _broken_off(repo_id, error):
    return (
        f"the upload of {repo_id} broke off ({first_line(error)}); give the same command again: "
        "what has arrived is not sent twice"
    )


def _example(interpreter, path):
    kinds = ("clock_alarm", "engine")
    scene = mixture(*kinds, seed=7)
    prompts = [class_prompt(kind) for kind in kinds]
    why = interpreter.interpret_file(scene.mixture, prompts, sample_rate=SAMPLE_RATE)
    draw_interpretation(why, path)


def _card(interpreter, repo_id, results, rows, settings, license, folder):
    from huggingface_hub import ModelCardData

    method, clap = (
        interpreter.hparams.method,
        interpreter.model.classifier.audio_classifier.reference,
    )
    test = manifest.read_rows(results / "test.csv")
    data = ModelCardData(
        license=license,
        library_name="speechbrain-lmac",
        pipeline_tag="audio-classification",
        tags=["audio", "explainability", "clap", "zero-shot-audio-classification", "lmac"],
    )
    template = files("speechbrain_lmac.publishing") / "model_card.md.j2"
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)
    body = environment.from_string(template.read_text(encoding="utf-8")).render(
        repo_id=repo_id,
        method=method,
        masking=settings["masking"].upper(),
        clap=clap,
        version=VERSION,
        fingerprint=fingerprint(folder),
        decoder_bytes=(results / "interpreter" / DECODER_FILE).stat().st_size,
        table=markdown_table(rows, MEAN),
        about_table=(
            f"{len(test)} test clips ({_sets(test)}), means over the top 5, 10, 20 and 40 % of "
            "cells: every explainer keeps as many."
        ),
        data=_data(manifest.read_rows(results / "train.csv")),
        settings=settings,
    )
    return f"---\n{data.to_yaml()}\n---\n\n{body}"


def _sets(clips):
    return ", ".join(dict.fromkeys(_set(clip) for clip in clips))


def _set(clip):
    return "synthetic sounds" if is_synthetic(clip) else clip.dataset or "own recordings"


def _data(clips):
    sounds = {(_set(clip), clip.license, clip.wav, clip.start) for clip in clips}
    counts = Counter((name, license) for name, license, *_ in sounds)
    return [
        {"name": name, "clips": count, "license": license or LICENSES.get(name, "not stated")}
        for (name, license), count in sorted(counts.items())
    ]
