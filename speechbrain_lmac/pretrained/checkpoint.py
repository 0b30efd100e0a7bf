"""Where an interpreter comes from: the package, a folder, the Hugging Face Hub."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.pretrained.config import (
    MAX_BYTES,
    InterpreterConfig,
    check_absent,
    read_interpreter_config,
)
from speechbrain_lmac.pretrained.export import (
    DECODER_FILE,
    HPARAMS_FILE,
    MAX_DECODER_BYTES,
    check_decoder,
)
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_folder
from speechbrain_lmac.utils.single_read import read_once

SHIPPED = Path(__file__).parent / "interpreters"
"""Interpreters in the package, by name."""
NO_NAMES = ("", ".", "..", "interpreter")
"""What ends a path, and no Hub id."""
MAX_FETCHED_BYTES = {HPARAMS_FILE: MAX_BYTES, DECODER_FILE: MAX_DECODER_BYTES}
"""Bytes of an interpreter's files."""


class Files(NamedTuple):
    """Contents of an interpreter's two files, each read once."""

    hparams: bytes
    decoder: bytes

    @property
    def fingerprint(self):
        """SHA-256 of one after the other, in hex."""
        return hashlib.sha256(self.hparams + self.decoder).hexdigest()


class Found(NamedTuple):
    """An interpreter, found and looked at, and not yet built."""

    folder: Path
    blueprint: InterpreterConfig
    files: Files
    weights: dict
    """Of its decoder: name -> tensor."""


def read_interpreter(source, revision=None, savedir=None, sha256=None):
    """Find an interpreter, and see that its files are what they should be.

    Arguments
    ---------
    source, revision, savedir, sha256
        As for ``Interpreter.from_hparams``.

    Returns
    -------
    Found

    Raises
    ------
    InputError
        If there is none, or its files are not those asked for, or not those of an interpreter.
    """
    folder, downloaded = find_interpreter(source, revision, savedir)
    files = read_files(folder, sha256)
    path = folder / HPARAMS_FILE
    blueprint = read_interpreter_config(as_text(files.hparams, path), str(path), downloaded)
    if downloaded:
        check_absent(blueprint, str(path))
    settings = blueprint.parts["decoder"].settings
    weights = check_decoder(settings, files.decoder, folder / DECODER_FILE)
    return Found(folder, blueprint, files, weights)


def read_files(folder, sha256=None):
    """Contents of an interpreter's two files, which must have a fingerprint if one is given."""
    files = Files(*(read_once(folder / name, most) for name, most in MAX_FETCHED_BYTES.items()))
    if sha256 is not None and files.fingerprint != sha256.lower():
        raise InputError(
            f"{folder} is not the interpreter asked for: its sha256 is {files.fingerprint}"
        )
    return files


def as_text(data, path):
    """Text of a file's contents, in UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as text: {first_line(error)}") from error


def find_interpreter(source, revision=None, savedir=None):
    """Folder of an interpreter's two files, downloaded if need be.

    Returns
    -------
    Path, bool
        And whether it was downloaded.
    """
    shipped = sorted(folder.name for folder in SHIPPED.glob("*"))
    places = [SHIPPED / str(source)] if str(source) in shipped else []
    for folder in (*places, Path(source) / "interpreter", Path(source)):
        if _holds((folder / HPARAMS_FILE).is_file) and _holds((folder / DECODER_FILE).is_file):
            return folder, False
    if _is_path(str(source)):
        raise InputError(
            f"no interpreter at {source}: give a results folder of train.py, "
            f"a shipped one ({', '.join(shipped)}) or a Hub id user/name"
        )
    return _download(str(source), revision, savedir), True


def _holds(ask):
    """What a path says when it is asked; False of a name too long for any file."""
    try:
        return ask()
    except OSError:
        return False


def _is_path(source):
    """Whether a name means a place on this machine, be it there or not."""
    owner, *rest = source.replace("\\", "/").split("/")
    if len(rest) != 1 or owner.startswith((".", "~")) or not owner or rest[0] in NO_NAMES:
        return True
    return _holds(Path(owner).is_dir)


def _download(repo_id, revision, savedir):
    if savedir is not None:  # a folder for each source, lest one be taken for another
        savedir = Path(savedir) / "--".join((repo_id, revision or "main")).replace("/", "--")
    remedy = "it is no folder here either"
    found = hub_folder(
        repo_id,
        list(MAX_FETCHED_BYTES),
        revision,
        savedir,
        remedy=remedy,
        largest=MAX_FETCHED_BYTES,
    )
    missing = [name for name in MAX_FETCHED_BYTES if not (found / name).is_file()]
    if missing:
        raise InputError(f"{repo_id} is no interpreter: it has no {' and no '.join(missing)}")
    return found


def fingerprint(folder):
    """SHA-256 of an interpreter's two files, one after the other, in hex: what
    ``cat hyperparams.yaml decoder.safetensors | sha256sum`` prints.
    """
    return read_files(Path(folder)).fingerprint


def check_fit(model, folder):
    """Refuse a decoder that was made for other maps or texts than its CLAP has."""
    clap, config = model.classifier.audio_classifier, model.decoder.config
    hidden = list(config["hidden_channels"])
    fits = hidden and hidden == list(clap.hidden_channels)[: len(hidden)]
    if not fits or config["query_dim"] != clap.query_dim:
        raise InputError(f"{folder} describes a decoder that does not fit its CLAP: {config}")


def check_classifier(notes, clap, folder):
    """Refuse an interpreter that was trained on other CLAP weights than are loaded."""
    found = clap.reference
    if notes["classifier_sha256"] != found.sha256:
        trained_on = f"{notes['classifier_name']} revision {notes['classifier_revision']}"
        raise InputError(
            f"{folder} was trained on the CLAP {trained_on}, not on the one loaded ({found.name} "
            f"{found.revision}); its masks would mean nothing"
        )
