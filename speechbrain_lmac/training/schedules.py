"""Schedules of the learning rate, for the setting ``lr_annealing``."""

import math

from speechbrain.nnet.schedulers import ReduceLROnPlateau, update_learning_rate
from torch.optim import Optimizer

from speechbrain_lmac.utils.errors import InputError


class CosineAnnealing:
    """Learning rate that falls to 0 along half a cosine.

    Example
    -------
    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> CosineAnnealing().start_epoch(optimizer, lr=0.1, epoch=6, epochs=10)
    >>> round(optimizer.param_groups[0]["lr"], 6)
    0.05
    """

    def start_epoch(self, optimizer: Optimizer, lr: float, epoch: int, epochs: int) -> None:
        """Set the rate of an epoch.

        Arguments
        ---------
        optimizer : torch.optim.Optimizer
            Optimizer.
        lr : float
            Learning rate of the first epoch.
        epoch : int
            Epoch, from 1.
        epochs : int
            Number of epochs.
        """
        fraction = (epoch - 1) / epochs
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * fraction))

    def end_validation(self, optimizer: Optimizer, epoch: int, score: float) -> None:
        """Take note of a validation score: the cosine does not depend on it."""


class PlateauAnnealing(ReduceLROnPlateau):
    """Learning rate that falls when the validation score does not rise.

    L-MAC (ICML 2024) uses SpeechBrain's ``ReduceLROnPlateau`` with these defaults. Its state is
    saved with the checkpoints if it is one of their ``recoverables``.

    Arguments
    ---------
    factor : float
        Factor of a reduction, above 0 and below 1. Default: 0.5.
    patience : int
        Number of validations without a better score before a reduction. Default: 3.
    first_epoch : int
        Last epoch without a reduction. Default: 100.
    """

    def __init__(self, factor: float = 0.5, patience: int = 3, first_epoch: int = 100):
        if isinstance(factor, bool) or not isinstance(factor, float) or not 0 < factor < 1:
            raise InputError(f"factor must be above 0 and below 1, got {factor!r}")
        for name, count in (("patience", patience), ("first_epoch", first_epoch)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise InputError(f"{name} must be a whole number from 0, got {count!r}")
        super().__init__(factor=factor, patience=patience, dont_halve_until_epoch=first_epoch)

    def start_epoch(self, optimizer: Optimizer, lr: float, epoch: int, epochs: int) -> None:
        """Leave the rate as the last validation set it."""

    def end_validation(self, optimizer: Optimizer, epoch: int, score: float) -> None:
        """Reduce the rate if the score has not risen for some validations."""
        _, rate = self([optimizer], epoch, -score)
        update_learning_rate(optimizer, rate)
