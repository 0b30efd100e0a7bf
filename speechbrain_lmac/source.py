"""Where an interpreter comes from: the package, a folder, the Hugging Face Hub."""

from pathlib import Path

from speechbrain_lmac.errors import InputError
from speechbrain_lmac.export import DECODER_FILE, HPARAMS_FILE
from speechbrain_lmac.hub import hub_folder

SHIPPED = Path(__file__).parent / "assets" / "interpreters"
"""Interpreters in the package, by name."""


def find_interpreter(source, revision=None, savedir=None):
    """Folder of an interpreter's two files, downloaded if need be.

    Arguments
    ---------
    source, revision, savedir
        As for ``Interpreter.from_hparams``.

    Returns
    -------
    Path
    """
    for folder in (SHIPPED / str(source), Path(source) / "interpreter", Path(source)):
        if (folder / HPARAMS_FILE).is_file() and (folder / DECODER_FILE).is_file():
            return folder
    shipped = sorted(folder.name for folder in SHIPPED.glob("*"))
    if Path(source).exists() or str(source).count("/") != 1 or str(source).startswith("."):
        raise InputError(
            f"no interpreter at {source}: give a results folder of train.py, "
            f"a shipped one ({', '.join(shipped)}) or a Hub id user/name"
        )
    return _download(str(source), revision, savedir)


def _download(repo_id, revision, savedir):
    files = [HPARAMS_FILE, DECODER_FILE]
    found = hub_folder(repo_id, files, revision, savedir, remedy="it is no folder here either")
    missing = [name for name in files if not (found / name).is_file()]
    if missing:
        raise InputError(f"{repo_id} is no interpreter: it has no {' and no '.join(missing)}")
    return found


def check_clap(hparams, clap, folder):
    """Refuse an interpreter that was trained on other CLAP weights than are loaded."""
    found = clap.reference
    if hparams["clap_sha256"] != found.sha256:
        raise InputError(
            f"{folder} was trained on the CLAP {hparams['clap_name']} revision "
            f"{hparams['clap_revision']}, not on the one loaded ({found.name} {found.revision}); "
            "its masks would mean nothing"
        )
