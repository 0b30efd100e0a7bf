"""Files of a CLAP in transformers' format: found, checked and read without running any of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file

from speechbrain_lmac.models import checkpoints, state_dicts
from speechbrain_lmac.models.clap.laion import FRONT_END
from speechbrain_lmac.models.lazy_transformers import without_progress_bars
from speechbrain_lmac.models.text.transformer import FILES
from speechbrain_lmac.utils import single_read
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_folder
from speechbrain_lmac.utils.single_read import read_bounded

HUB_ID = "laion/clap-htsat-unfused"
REVISION = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of weights, the preferred one first."""

MAX_JSON_BYTES, MAX_NUMBER, MAX_ITEMS = 1 << 20, 1 << 20, 16
"""Bounds of a JSON file: its bytes, its numbers, and the items of a list."""
MAX_WEIGHTS = 1 << 33
"""Largest size of a downloaded weights file, in bytes."""

REMEDY = "download it elsewhere and give its folder as `source`"
FAILURES = (*checkpoints.FAILURES, SafetensorError, StrictDataclassError)
"""Exceptions of transformers for incomplete or foreign files."""

GEOMETRY = ("position_ids", "token_type_ids", "relative_position_index")
"""Buffers without trained values; files of some versions lack them."""

STEERING = (
    *("attn_implementation", "_attn_implementation", "experts_implementation", "auto_map"),
    *("quantization_config", "transformers_weights"),
)
"""Settings by which a configuration would make transformers run other code or load other
weights."""


def find_settings(source: str | Path, revision: str | None, any_of: Sequence[str]) -> Path:
    """Folder of a model's configuration and tokenizer, with one of the files ``any_of``."""
    if Path(source).is_dir():
        return Path(source)
    if str(source).count("/") != 1 or str(source).startswith((".", "/")):
        raise InputError(f"source must be an existing folder or a Hub id user/name, got {source}")
    files = ["config.json", *(FILES if any_of else ["preprocessor_config*.json"])]
    return hub_folder(
        str(source),
        files,
        pinned(source, revision),
        any_of=any_of,
        remedy=REMEDY,
        max_bytes=dict.fromkeys(("config.json", "preprocessor_config.json"), MAX_JSON_BYTES),
    )


def find_weights(source: str | Path, folder: Path, revision: str | None) -> Path:
    """Path of a model's weights; they are downloaded last because of their size.

    Raises
    ------
    InputError
        If there is no weights file, or more than one.
    """
    if not any((folder / name).is_file() for name in WEIGHTS) and not Path(source).is_dir():
        for name in WEIGHTS:
            largest = {name: MAX_WEIGHTS}
            commit = pinned(source, revision)
            folder = hub_folder(str(source), [name], commit, remedy=REMEDY, max_bytes=largest)
            if (folder / name).is_file():
                break
    names = [name for name in WEIGHTS if (folder / name).is_file()]
    indices = sorted(path.name for path in folder.glob("*.index.json"))
    if not names and not indices:
        raise InputError(f"{source} holds no weights of transformers: {' or '.join(WEIGHTS)}")
    if len(names) != 1 or indices:
        raise InputError(
            f"{folder} must hold one file of weights, got {' and '.join([*names, *indices])}. "
            "Give a folder that holds one"
        )
    return folder / names[0]


def pinned(source: str | Path, revision: str | None) -> str | None:
    """Revision to download: a known commit for the default model."""
    return REVISION if revision is None and str(source) == HUB_ID else revision


def check_extractor(folder: Path, highest_hz: float) -> None:
    """Raise InputError if a feature extractor differs from LAION's.

    The lowest frequency is not compared: published extractors state 0 Hz, which is wrong.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no model of transformers: it has no config.json")
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return
    settings = read_mapping(path)
    expected = {
        "sampling_rate": FRONT_END.sample_rate,
        "fft_window_size": FRONT_END.n_fft,
        "hop_length": FRONT_END.hop_length,
        "max_length_s": FRONT_END.seconds,
        "frequency_max": highest_hz,
    }
    for name, value in expected.items():
        if settings.get(name, value) != value:
            raise InputError(
                f"{path}: {name} must be {value}, got {settings[name]}. Give a model with LAION's "
                "front end"
            )


def read_config(folder: Path) -> dict[str, Any]:
    """Configuration of a model; InputError if it steers transformers or exceeds a bound."""
    config = read_mapping(folder / "config.json")
    pending: list[dict[str, Any]] = [config]
    while pending:
        part = pending.pop()
        if steering := sorted(set(part) & set(STEERING)):
            raise InputError(f"{folder}: {steering[0]} in its config.json is refused")
        for name, value in part.items():
            pending.extend([value] if isinstance(value, dict) else [])
            check_setting(name, value, folder)
    return config


def check_setting(name: str, value: Any, folder: Path) -> None:
    """Raise InputError if a number, or a number of a list, exceeds its bound."""
    numbers = value if isinstance(value, list) else [value]
    numbers = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
    bound = state_dicts.MAX_SIZES.get(name, MAX_NUMBER)
    if len(numbers) > MAX_ITEMS or not all(abs(n) <= bound for n in numbers):  # refuses NaN, too
        raise InputError(f"{folder}: {name} in its config.json is refused: at most {bound} is read")
    if name == "depths" and sum(numbers) > bound:
        raise InputError(f"{folder}: depths in its config.json are refused: {bound} layers at most")


def read_mapping(path: Path) -> dict[str, Any]:
    """Content of a JSON file that holds a mapping."""
    try:
        content = json.loads(read_bounded(path, MAX_JSON_BYTES).decode("utf-8"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a mapping, got {type(content).__name__}")
    return content


def load_model(
    description: dict[str, Any], weights: Path, kinds: tuple[Any, Any], what: str
) -> tuple[Any, str]:
    """Load a model of transformers strictly: every tensor, every shape, no code.

    transformers receives tensors and never a folder, in which it might find other weights.

    Arguments
    ---------
    description : dict
        Configuration, as :func:`read_config` returns it.
    weights : Path
        Path of the weights file.
    kinds : tuple
        Configuration class and model class of transformers.
    what : str
        Name of the model in an error.

    Returns
    -------
    transformers.PreTrainedModel, str
        Model, and the SHA-256 of the weights file in hex.

    Raises
    ------
    InputError
        If the file does not hold exactly the weights of this model.
    """
    folder, (config_class, model_class) = weights.parent, kinds
    try:
        with single_read.open_hashed(weights) as file:
            state = read_tensors(file.name, weights)
        config = config_class.from_dict(description)
        state_dicts.check_within(lambda: model_class(config), state, str(folder))
        with without_progress_bars():
            model, info = model_class.from_pretrained(
                None,
                config=config,
                state_dict=state,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except FAILURES as error:
        raise InputError(f"{folder} does not hold {what}: {first_line(error)}") from error
    check_loaded(info, folder, what)
    return model, file.sha256


def check_loaded(info: Mapping[str, Any], folder: Path, what: str) -> None:
    """Raise InputError if transformers did not load all tensors strictly."""
    wrong = {
        "lacks": info["missing_keys"],
        "holds what it should not": info["unexpected_keys"],
        "holds of another shape": [key for key, *_ in info["mismatched_keys"]],
    }
    trained = {
        how: sorted(key for key in keys if not key.endswith(GEOMETRY))
        for how, keys in wrong.items()
    }
    problems = [f"{how} {keys[0]}" for how, keys in trained.items() if keys]
    if problems:
        raise InputError(f"{folder} does not hold {what}: {'; '.join(problems)}")


def read_tensors(name: str, weights: Path) -> dict[str, torch.Tensor]:
    """Tensors of the file ``name`` by name, in the format that ``weights`` states."""
    if weights.suffix == ".safetensors":
        return load_file(name)
    state = checkpoints.load_tensors(name, weights)
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise InputError(f"{weights} holds no dictionary of tensors. Give a model of transformers")
    checkpoints.check_dense(state, weights)
    return state
