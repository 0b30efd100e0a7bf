"""Check whether a training of an experiment is finished, with the settings that it should have."""

import json
from collections.abc import Sequence
from pathlib import Path

import speechbrain as sb

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.run_metadata import RUN_FILE, run_settings


def is_finished(folder: Path, arguments: Sequence[str], result: str = "results.md") -> bool:
    """Return whether a training has written its result.

    Arguments
    ---------
    folder : Path
        Results folder of the training.
    arguments : list of str
        Arguments of the training: a YAML file, then ``--key value`` for each changed setting.
    result : str
        File in the folder that is written last. Default: ``results.md``.

    Raises
    ------
    InputError
        If the finished training has other settings. Its result would stand for theirs.
    """
    if not (folder / result).is_file():
        return False
    hparams_file, run_opts, overrides = sb.parse_arguments(list(arguments))
    settings = run_settings(hparams_file, overrides, run_opts)
    finished = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    wanted = json.loads(json.dumps(settings, default=str))
    for name in sorted(wanted, key=lambda name: ("." in name, name)):  # top-level settings first
        value = wanted[name]
        if finished.get(name) != value:
            raise InputError(
                f"{folder} holds a training with other settings: {name} was {finished.get(name)}, "
                f"got {value}. Give another --output_folder"
            )
    return True
