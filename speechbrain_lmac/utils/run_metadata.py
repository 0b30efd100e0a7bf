"""What a results folder needs to be made again: the command, the versions, the machine."""

import hashlib
import json
import os
import platform
import shlex
from importlib.metadata import distributions
from pathlib import Path

from tqdm import tqdm

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256, write_text

METADATA_FILE = "run_metadata.json"
VARIABLES = ("OMP_NUM_THREADS", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES")
"""Of the environment, that change the last digits."""


def write_run_metadata(folder, program, arguments):
    """Write ``run_metadata.json``; of a run that goes on, the first part's stays.

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
    path = Path(folder) / METADATA_FILE
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


RUN_FILE = "run_config.json"
WRITTEN = (
    *("hyperparams.yaml", "run_metadata.json", "train.csv", "valid.csv", "test.csv", "metrics.csv"),
    *("results.md", "train_log.txt", "log.txt", "env.log", "results.csv.gz", "report.md"),
    *("results_mel.jsonl", "results_stft.jsonl", "tuning_mel.json", "tuning_stft.json"),
)
"""Files of runs; in a folder that holds no run they are the user's."""

SETTINGS = (
    *("seed", "masking", "clip_seconds", "classes", "eval_templates", "loss_weights"),
    *("gate_fractions", "gate_softness", "prompts_per_clip", "encoded_prompts_per_clip"),
    *("decoder_channels", "num_scales", "number_of_epochs", "valid_interval", "batch_size"),
    *("lr", "max_grad_norm", "mix_probability", "feature_dropout", "train_templates"),
)
"""Settings that a run may not change on the way. Rate and gate depend on the number of epochs."""


def run_identity(hparams, splits):
    """Data and settings of a run, as plain values.

    Arguments
    ---------
    hparams : dict
        With the keys of ``SETTINGS`` and ``clap``.
    splits : dict
        Split name -> list of Clip. What their files hold counts, and where they lie does not.

    Returns
    -------
    dict
    """
    files = {clip.wav for clips in splits.values() for clip in clips}
    sha256 = {wav: file_sha256(wav) for wav in tqdm(sorted(files), "hashing sounds")}
    held = {
        name: [(c.ID, c.label, c.text, c.fold, c.start, c.stop, sha256[c.wav]) for c in clips]
        for name, clips in splits.items()
    }
    identity = {name: hparams[name] for name in SETTINGS}
    begun = hparams["pretrained_decoder"]
    identity["pretrained_decoder"] = begun and file_sha256(begun)
    identity["clap"] = hparams["clap"].reference.sha256
    paths = ("weights", "source", "tokenizer")
    identity["clap_settings"] = {
        name: value for name, value in hparams["clap"].settings.items() if name not in paths
    }
    identity["data"] = hashlib.sha256(json.dumps(held).encode()).hexdigest()
    return identity


def lock_output_folder(folder, identity):
    """Take a results folder for a run, new or to be resumed.

    Arguments
    ---------
    folder : str or Path
        Made if absent.
    identity : dict
        Of :func:`run_identity`.

    Raises
    ------
    InputError
        If the folder holds another run, or files of the user that a run would replace; nothing in
        it is touched.
    """
    path = Path(folder) / RUN_FILE
    if path.is_file():
        found = json.loads(path.read_text())
        wanted = json.loads(json.dumps(identity))
        changed = sorted(name for name in wanted if found.get(name) != wanted[name])
        if changed:
            raise InputError(
                f"{folder} holds a run with another {', '.join(changed)}; give another "
                "--output_folder, or remove it to start again"
            )
        return
    for name in WRITTEN:
        if (Path(folder) / name).exists():
            raise InputError(
                f"{folder} holds {name}, and no run that it is of: give another --output_folder"
            )
    write_text(path, json.dumps(identity, indent=2) + "\n")
