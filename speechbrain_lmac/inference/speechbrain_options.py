"""Arguments of SpeechBrain's ``Pretrained.from_hparams``, with their meaning or a refusal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.utils.errors import InputError

CONSTRUCTOR = ("run_opts", "freeze_params")
"""Arguments that are passed on to ``Pretrained``."""
SUPPORTED = (*CONSTRUCTOR, "download_only", "fetch_config", "local_strategy", "use_auth_token")
"""Arguments of SpeechBrain that an interpreter takes in addition to its own."""
COPIES = ("COPY", "COPY_SKIP_CACHE")
"""Strategies of SpeechBrain that leave copies of the files in ``savedir``."""
CACHE = "Set the environment variable HF_HUB_CACHE, or give savedir"
FIXED = {
    "overrides_must_match": (True, "Leave out overrides that name no setting"),
    "pymodule_file": (None, "Leave it out, because an interpreter holds no code"),
    "huggingface_cache_dir": (None, CACHE),
}
"""Argument -> its only value, and what to do instead of another value."""
FIXED_FETCHING = {
    "overwrite": (False, "Remove savedir to download its files again"),
    "allow_updates": (False, "Give the revision that you need, which is downloaded once"),
    "allow_network": (True, "Set the environment variable HF_HUB_OFFLINE=1"),
    "huggingface_cache_dir": (None, CACHE),
}
"""Field of SpeechBrain's ``FetchConfig`` -> its only value, and what to do instead."""


class LoadingOptions(NamedTuple):
    """Arguments of SpeechBrain in the terms of this package."""

    revision: str | None
    """Git revision of the Hub repository."""
    download_only: bool
    """Whether files are only downloaded and checked."""
    constructor: dict[str, Any]
    """Arguments of ``speechbrain.inference.interfaces.Pretrained``."""


def read_options(
    given: Mapping[str, Any], revision: str | None, savedir: str | Path | None
) -> LoadingOptions:
    """Check arguments of SpeechBrain.

    The Hub's client uses the stored token of the user, with or without ``use_auth_token`` and the
    ``token`` of a ``FetchConfig``.

    Arguments
    ---------
    given : dict
        Arguments by name.
    revision : str or None
        Git revision that was given without a ``FetchConfig``.
    savedir : str, Path or None
        Folder for downloaded files.

    Returns
    -------
    LoadingOptions

    Raises
    ------
    InputError
        If an argument is unknown, or has a value that is not supported.
    """
    if unknown := sorted(set(given) - set(SUPPORTED) - set(FIXED)):
        raise InputError(
            f"arguments of SpeechBrain must be {', '.join(SUPPORTED)}, got {unknown[0]}. "
            "See savedir and revision for downloads"
        )
    for name, (value, remedy) in FIXED.items():
        _check_fixed(name, given.get(name, value), value, remedy)
    _check_strategy(given.get("local_strategy"), savedir)
    constructor = {name: given[name] for name in CONSTRUCTOR if name in given}
    pinned = _revision(given.get("fetch_config"), revision)
    return LoadingOptions(pinned, bool(given.get("download_only", False)), constructor)


def _check_fixed(name: str, value: object, only: object, remedy: str) -> None:
    if value != only:
        raise InputError(f"{name} must be {only}, got {value!r}. {remedy}")


def _check_strategy(strategy: Any, savedir: str | Path | None) -> None:
    """Refuse links, because files are downloaded into ``savedir``."""
    name = getattr(strategy, "name", strategy)
    if strategy is not None and savedir is not None and name not in COPIES:
        raise InputError(
            f"local_strategy must be {' or '.join(COPIES)} with savedir, got {name}. Leave savedir "
            "out to use the files of the Hub's cache without copies"
        )


def _revision(config: Any, revision: str | None) -> str | None:
    """Return the revision of a ``FetchConfig``, or the one that was given without it."""
    if config is None:
        return revision
    for name, (value, remedy) in FIXED_FETCHING.items():
        _check_fixed(f"{name} of fetch_config", getattr(config, name), value, remedy)
    if None not in (revision, config.revision) and revision != config.revision:
        raise InputError(
            f"revision must be that of fetch_config, {config.revision!r}, got {revision!r}. "
            "Give one of them"
        )
    return config.revision or revision
