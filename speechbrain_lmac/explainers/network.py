"""Network that masks by an explainer without training, in place of a trained decoder."""

import torch

from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.ranking import rank_valid_bins
from speechbrain_lmac.utils.counts import counted
from speechbrain_lmac.utils.errors import InputError

AVAILABLE = {"query", "seeds", "class_queries"}
"""Inputs that a clip and a query provide."""
TRAINING_FREE: dict[str, Explainer] = {
    name: explainer
    for name, explainer in EXPLAINERS.items()
    if not explainer.learned and set(explainer.needs) <= AVAILABLE and name != "full-mask"
} | {"integrated-gradients": IntegratedGradients(sign="positive", smoothing=2.0, steps=20)}
"""Name -> explainer that needs no decoder. Integrated gradients show evidence for the query, and 20
steps are as faithful as 50."""
MAX_DECODER_PASSES = 2
"""Most encoder passes of a trained decoder per prompt."""
FRACTION = 0.2
"""Fraction of the T-F bins whose gain is above one half."""
SOFTNESS = 0.03
"""Softness of the gain at this fraction: 10 % more bins attenuate by 29 dB."""


class ExplainerNetwork(MaskNetwork):
    """Masks of an explainer that needs no training.

    Attribution maps have no scale that suits all explainers and clips. The gain of a bin is
    therefore given by its rank: it falls from 1 to 0 around the top 20 % of the bins. Bins without
    attribution have a gain of 0.

    Arguments
    ---------
    classifier : MaskedClassifier
        Frozen classifier with its masking domain.
    name : str
        Name of an explainer, a key of ``TRAINING_FREE``.

    Raises
    ------
    InputError
        If no explainer has that name.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.masking.domains import MelDomain
    >>> clap = MiniCLAP()
    >>> model = ExplainerNetwork(MaskedClassifier(MelDomain(clap)), "gradcam++")
    >>> queries = clap.queries(["rain", "siren", "dog"])
    >>> model(model.classifier.encode_clips(torch.randn(2, 32000)), queries.unsqueeze(1)).shape
    torch.Size([3, 2, 63, 64])
    """

    def __init__(self, classifier: MaskedClassifier, name: str):
        super().__init__(classifier)
        self.name, self.explainer = name, find_explainer(name)

    @property
    def notice(self) -> str:
        """Sentences on the cost of the explainer, and on what a trained decoder would add."""
        number = self.explainer.passes(self.classifier)
        passes = counted(number, "encoder pass", "encoder passes")
        fewer = "needs two at most, and " if number > MAX_DECODER_PASSES else ""
        return (
            f"{self.name} needs no training, and {passes} per prompt. "
            f"A decoder trained on your sounds {fewer}is often more faithful"
        )

    def forward(
        self,
        encoded: EncodedClips,
        queries: torch.Tensor,
        features: DecoderFeatures | None = None,
    ) -> torch.Tensor:
        """Compute masks; ``features`` has no effect, because an explainer decodes nothing."""
        batch = len(encoded.power)
        return torch.stack([self._mask(encoded, rows.expand(batch, -1)) for rows in queries])

    def _mask(self, encoded: EncodedClips, query: torch.Tensor) -> torch.Tensor:
        """Mask of one query per clip, ``[batch, frames, bins]``."""
        parts, rows = [encoded], [query]
        if "class_queries" in self.explainer.needs:  # competing classes depend on the query
            parts, rows = list(encoded.split()), list(query.split(1))
        with torch.enable_grad():  # of explainers; nothing here has a graph
            results = [self.explainer(self, *pair) for pair in zip(parts, map(self._inputs, rows))]
        maps = torch.cat(results).detach().float()
        valid = self.classifier.grid(encoded).valid
        if self.explainer.is_mask:
            return maps * valid
        ranks = rank_valid_bins(self.classifier, encoded, maps, (0,) * len(query))
        return rank_gains(ranks, valid) * (maps > 0) * valid

    def _inputs(self, query: torch.Tensor) -> ExplainerInputs:
        """Inputs of the explainer for one query per clip, ``[batch, dim]``."""
        competing = None
        if "class_queries" in self.explainer.needs:
            competing = self.classifier.audio_classifier.competing_queries(query)
        return ExplainerInputs(query, (0,) * len(query), competing)


def rank_gains(ranks: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return gains that fall from 1 to 0 around the top ``FRACTION`` of the encoded bins.

    Arguments
    ---------
    ranks : torch.Tensor
        Ranks of the bins, ``[batch, frames, bins]``, 0 for the best.
    valid : torch.Tensor
        1 in bins that are encoded, else 0; of a shape that broadcasts to ``ranks``.

    Returns
    -------
    torch.Tensor
        Gains in [0, 1], ``[batch, frames, bins]``.

    Example
    -------
    >>> rank_gains(torch.tensor([[[0, 1, 2, 3, 4]]]), torch.ones(1)).round(decimals=2)
    tensor([[[1.0000, 0.5000, 0.0000, 0.0000, 0.0000]]])
    """
    count = valid.expand_as(ranks).sum(dim=(1, 2), keepdim=True)
    return ((FRACTION - ranks / count) / SOFTNESS).sigmoid()


def find_explainer(name: str) -> Explainer:
    """Return the explainer of a name of ``TRAINING_FREE``; InputError if there is none."""
    if name not in TRAINING_FREE:
        raise InputError(f"explainer must be {', '.join(TRAINING_FREE)}, got {name!r}")
    return TRAINING_FREE[name]
