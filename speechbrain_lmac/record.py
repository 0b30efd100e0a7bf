"""What a results folder needs to be made again: the command, the versions, the machine."""

import json
import os
import platform
import shlex
from importlib.metadata import distributions
from pathlib import Path

from speechbrain_lmac.whole import write_text

FILE = "made_by.json"
VARIABLES = ("OMP_NUM_THREADS", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES")
"""Of the environment, that change the last digits."""


def record(folder, program, arguments):
    """Write ``made_by.json``; of a run that goes on, the first part's stays.

    Arguments
    ---------
    folder : str or Path
        Results folder.
    program : str
        What was run.
    arguments : list of str
        With what.

    Returns
    -------
    Path
    """
    path = Path(folder) / FILE
    if path.is_file():
        return path
    import torch

    held = {
        "command": shlex.join(["python", program, *map(str, arguments)]),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": dict(sorted((d.metadata["Name"], d.version) for d in distributions())),
    }
    return write_text(path, json.dumps(held, indent=1) + "\n")
