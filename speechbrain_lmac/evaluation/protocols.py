"""Structural types of an interpreter, which stands above this package."""

from typing import Protocol

import torch

from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork


class HasModel(Protocol):
    """An object with an interpreter network, such as ``speechbrain_lmac.Interpreter``."""

    @property
    def model(self) -> InterpreterNetwork:
        """Network whose classifier is explained."""


class ScoresPresence(Protocol):
    """Presence of prompts: ``PresenceClassifier`` of ``speechbrain_lmac.inference``."""

    def against(self, query: torch.Tensor) -> torch.Tensor:
        """Return a query ``[1, dim]`` and its competing classes, ``[1 + classes, dim]``."""

    def probability(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Return the probability ``[batch, queries]`` of each query in each clip."""


class InterpreterLike(HasModel, Protocol):
    """An interpreter that also scores presence, such as ``speechbrain_lmac.Interpreter``."""

    @property
    def device(self) -> torch.device | str:
        """Device of the network."""

    @property
    def presence_classifier(self) -> ScoresPresence:
        """Presence of prompts among everyday sounds."""
