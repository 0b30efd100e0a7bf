"""Structural types of an interpreter, which stands above this package."""

from typing import Protocol

import torch

from speechbrain_lmac.masking.mask_network import MaskNetwork


class HasModel(Protocol):
    """An object with an interpreter network, such as ``speechbrain_lmac.Interpreter``."""

    @property
    def model(self) -> MaskNetwork:
        """Network whose classifier is explained."""


class InterpreterLike(HasModel, Protocol):
    """An interpreter with its device, such as ``speechbrain_lmac.Interpreter``."""

    @property
    def device(self) -> torch.device | str:
        """Device of the network."""
