"""Weights of a classifier that can travel with an interpreter."""

import torch

from speechbrain_lmac.utils.errors import InputError


class OwnWeights:
    """Weights of a classifier that its settings do not build again. Default: none."""

    def own_weights(self) -> dict[str, torch.Tensor]:
        """Weights by name that can travel with an interpreter; empty if there are none."""
        return {}

    def load_own_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """Replace the weights by others of the same names and shapes.

        Arguments
        ---------
        weights : dict
            Weights by name, as :meth:`own_weights` returns them.

        Raises
        ------
        InputError
            If the classifier has no such weights.
        """
        raise InputError("the classifier has no weights that travel with an interpreter")
