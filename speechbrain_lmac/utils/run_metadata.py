"""What identifies a run in a results folder, and what is needed to repeat it.

``run_config.json`` holds every setting and every hash that the results depend on. A results folder
accepts a command only if they are the same. ``run_metadata.json`` lists the commands that wrote to
the folder, with the versions of all packages.
"""

import hashlib
import json
import os
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from tqdm import tqdm

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256, write_text
from speechbrain_lmac.utils.flat_settings import flat_settings
from speechbrain_lmac.utils.setting_changes import describe_changes

METADATA_FILE = "run_metadata.json"
RUN_FILE = "run_config.json"
VARIABLES = ("OMP_NUM_THREADS", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES")
"""Environment variables that can change the last digits of a result."""
RUN_OUTPUTS = (
    *("hyperparams.yaml", METADATA_FILE, "train.csv", "valid.csv", "test.csv", "metrics.csv"),
    *("results.md", "train_log.txt", "log.txt", "env.log", "results.csv.gz", "report.md"),
    *("results_mel.jsonl", "results_stft.jsonl", "tuning_mel.json", "tuning_stft.json"),
    "earlier_sources.json",
)
"""Output files of runs. In a folder without ``run_config.json`` they belong to the user."""
FREE_SETTINGS = (
    *("output_folder", "save_folder", "checkpointer.checkpoints_dir", "train_logger"),
    *("data_folder", "synthetic_folder", "train_manifest", "extra_train_manifest"),
    *("clap.weights", "clap.source", "clap.tokenizer", "pretrained_decoder"),
    *("chunk_size", "ckpt_interval_minutes", "processes"),
    *("use_tensorboard", "tensorboard_logs_folder"),
    *(
        f"{loader}.{name}"
        for loader in ("train_loader", "valid_loader")
        for name in ("num_workers", "prefetch_factor", "persistent_workers", "pin_memory")
    ),
)
"""Settings that do not change the results, with all settings below them. Files are identified by
their hashes, not by their paths."""
FREE_RUN_OPTIONS = frozenset(
    (
        *("test_only", "debug_persistently", "log_config", "param_file", "overridden_args"),
        *("device", "data_parallel_backend", "data_parallel_count", "distributed_backend"),
        *("distributed_launch", "find_unused_parameters", "noprogressbar", "tqdm_colored_bar"),
        *("tqdm_barcolor", "ckpt_interval_minutes", "ckpt_interval_steps"),
        *("profile_training", "profile_warmup", "profile_steps"),
    )
)
"""SpeechBrain's run options that do not change the results."""


def run_settings(
    hparams_file: str,
    overrides: str,
    run_opts: Any = None,
    free: Sequence[str] = (),
) -> dict[str, Any]:
    """Collect the resolved settings that the results of a run depend on.

    Arguments
    ---------
    hparams_file : str
        HyperPyYAML file, or the name of one in the package.
    overrides : str
        YAML of the changes from the command line.
    run_opts : speechbrain.RunOptions, optional
        Run options of SpeechBrain. Those given on the command line take precedence over settings
        of the same name.
    free : sequence of str
        Settings that do not change the results of this program, besides ``FREE_SETTINGS``.

    Returns
    -------
    dict
        Dotted name -> plain value; the value of an object is its tag.
    """
    settings = flat_settings(hparams_file, overrides)
    if run_opts is not None:
        for name, value in run_opts.items():
            if name in run_opts["overridden_args"] or name not in settings:
                settings[name] = value
    ignored = (*FREE_SETTINGS, *free)
    return {
        name: value
        for name, value in settings.items()
        if name not in FREE_RUN_OPTIONS
        and not any(name == each or name.startswith((f"{each}.", f"{each}[")) for each in ignored)
    }


def training_hashes(
    hparams: Mapping[str, Any], splits: Mapping[str, Iterable[Any]]
) -> dict[str, str | None]:
    """Hashes of the data and of the weights that a training starts from.

    Arguments
    ---------
    hparams : dict
        Loaded settings, with ``audio_classifier``, ``pretrained_decoder`` and ``noise``.
    splits : dict
        Split name -> list of Clip. The content of a sound file counts, not its path.

    Returns
    -------
    dict
        Name of the input -> SHA-256 in hex, or None if there is no such input.
    """
    files = {clip.wav for clips in splits.values() for clip in clips}
    sha256 = {wav: file_sha256(wav) for wav in tqdm(sorted(files), "hashing sounds")}
    rows = {
        name: [(c.ID, c.label, c.text, c.fold, c.start, c.stop, sha256[c.wav]) for c in clips]
        for name, clips in splits.items()
    }
    decoder, noises = hparams["pretrained_decoder"], hparams["noise"].files
    noise = {"sha256 of noise files": _list_sha256(noises)} if noises else {}
    return {
        **noise,
        "sha256 of data": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
        "sha256 of audio_classifier": hparams["audio_classifier"].reference.sha256,
        "sha256 of pretrained_decoder": decoder and file_sha256(decoder),
    }


def _list_sha256(files: Iterable[str | Path]) -> str:
    """SHA-256 of the names and sizes of files, which may be too many to read."""
    entries = [(Path(file).name, Path(file).stat().st_size) for file in files]
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def lock_output_folder(folder: str | Path, identity: Mapping[str, Any]) -> None:
    """Reserve a results folder for a run, which is new or to be resumed.

    A training may be resumed with more epochs. The results of a ``--debug`` run are replaced.

    Arguments
    ---------
    folder : str or Path
        Results folder; created if absent.
    identity : dict
        Name -> plain value of everything that the results depend on: :func:`run_settings` and
        hashes of the inputs.

    Raises
    ------
    InputError
        If the folder holds a run with another identity, or files of the user that a run would
        replace. Nothing in the folder has changed then.
    """
    path = Path(folder) / RUN_FILE
    text = json.dumps(identity, indent=2, default=str)
    if path.is_file():
        old, new = _read_json(path), json.loads(text)
        if old.get("debug") is True:
            (path.parent / "train_log.txt").unlink(missing_ok=True)
        elif differences := describe_changes(old, new):
            raise InputError(
                f"{folder} holds a run with other settings: {'; '.join(differences)}. Give another "
                "--output_folder, or remove it to start again"
            )
        if old != new:
            write_text(path, text + "\n")
        return
    for name in RUN_OUTPUTS:
        if (Path(folder) / name).exists():
            raise InputError(
                f"{folder} holds {name}, but no {RUN_FILE} of a run. Give another --output_folder"
            )
    write_text(path, text + "\n")


def write_run_metadata(folder: str | Path, command: Iterable[Any]) -> Path:
    """Append an entry on this invocation to ``run_metadata.json``.

    Arguments
    ---------
    folder : str or Path
        Results folder.
    command : iterable
        Words of the command as it was given, such as ``["python", "train.py", "lmac_zs.yaml"]``.

    Returns
    -------
    Path
        The metadata file, a JSON list with one entry per invocation.
    """
    import torch

    path = Path(folder) / METADATA_FILE
    entry = {
        "command": shlex.join(map(str, command)),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": installed_packages(),
    }
    entries = _read_json(path) if path.is_file() else []
    return write_text(path, json.dumps([*entries, entry], indent=1) + "\n")


@cache
def installed_packages() -> dict[str, str]:
    """Return the name and version of every installed package, sorted by name."""
    described = (distribution.metadata for distribution in distributions())
    return dict(sorted((metadata["Name"], metadata["Version"]) for metadata in described))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}. Give another --output_folder, or remove the folder"
        ) from error
