"""Input of a mask decoder."""

from typing import NamedTuple

import torch


class DecoderFeatures(NamedTuple):
    """Input of the decoder."""

    hidden: tuple[torch.Tensor, ...]
    """Hidden maps of the encoder, ``[batch, channels, frames', bins']``, deepest first."""
    log_power: torch.Tensor
    """Normalized log power of the clips in the masking domain, ``[batch, frames, bins]``."""
    gradients: tuple[torch.Tensor, ...] = ()
    """Relevance maps of the deepest hidden maps, ``[queries, batch, 2, frames', bins']`` each, from
    :func:`~speechbrain_lmac.masking.gradients.relevance_maps`. Without them, they count as 0."""
    path: torch.Tensor | None = None
    """Input times gradient as :func:`~speechbrain_lmac.masking.gradients.log_attribution`,
    ``[queries, batch, frames, bins]``. Without it, it counts as 0."""

    def of_queries(self, part: slice) -> "DecoderFeatures":
        """Features for a part of the queries."""
        gradients = tuple(maps[part] for maps in self.gradients)
        path = None if self.path is None else self.path[part]
        return self._replace(gradients=gradients, path=path)
