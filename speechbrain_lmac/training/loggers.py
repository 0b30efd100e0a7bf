"""Loggers of a training run, as in SpeechBrain's recipes: a file, and TensorBoard on request."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from speechbrain.utils.train_logger import TensorboardLogger, TrainLogger

from speechbrain_lmac.utils.errors import InputError


def check_loggers(hparams: Mapping[str, Any]) -> None:
    """Raise InputError if ``use_tensorboard`` is invalid, or TensorBoard is not installed."""
    wanted = hparams.get("use_tensorboard", False)
    if not isinstance(wanted, bool):
        raise InputError(f"use_tensorboard must be True or False, got {wanted!r}")
    if wanted and find_spec("tensorboard") is None:
        raise InputError(
            "use_tensorboard must be False without the package tensorboard, got True. Run pip "
            "install tensorboard"
        )


def train_loggers(hparams: Mapping[str, Any]) -> list[TrainLogger]:
    """Build the loggers of a run.

    Arguments
    ---------
    hparams : dict
        Settings, with ``train_logger``, ``use_tensorboard`` and ``tensorboard_logs_folder``. Older
        settings files lack the last two.

    Returns
    -------
    list of speechbrain.utils.train_logger.TrainLogger
    """
    loggers = [hparams["train_logger"]]
    if hparams.get("use_tensorboard", False):
        loggers.append(TensorboardLogger(hparams["tensorboard_logs_folder"]))
    return loggers
