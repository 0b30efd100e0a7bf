"""Insertion and deletion curves: the class probability as the best-ranked bins come and go.

Petsiuk et al., "RISE", BMVC 2018. Masked bins must be replaced by something. Silence is a sound
that no encoder was trained on, so curves are measured with several fills.
"""

from collections.abc import Sequence

import torch

from speechbrain_lmac.metrics.fills import FILLS
from speechbrain_lmac.metrics.protocols import EncodedT, HasGrid, Maskable
from speechbrain_lmac.metrics.top_k import top_k_mask
from speechbrain_lmac.utils.errors import InputError

CURVE_FRACTIONS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Fractions of the bins at which curves are evaluated."""

KINDS = ("insertion", "deletion")
"""Insertion keeps only the best bins. Deletion keeps all but the best bins."""


@torch.no_grad()
def curve(
    classifier: Maskable[EncodedT],
    encoded: EncodedT,
    ranks: torch.Tensor,
    class_embeddings: torch.Tensor,
    target: torch.Tensor,
    fill: str = "silence",
    fractions: Sequence[float] = CURVE_FRACTIONS,
    kind: str = "insertion",
) -> torch.Tensor:
    """Compute the probability of a class as the best bins of a map are inserted or deleted.

    The probability of the unmasked clip is known. Every other fraction costs one encoder pass.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier to explain.
    encoded : EncodedClips
        Encoded batch of clips.
    ranks : torch.Tensor
        Ranks from :func:`~speechbrain_lmac.metrics.top_k.rank_bins`, ``[batch, frames, bins]``.
    class_embeddings : torch.Tensor
        Text embeddings of the classes, ``[classes, dim]``.
    target : torch.Tensor
        Index of the explained class, ``[batch]``.
    fill : str
        Replacement of masked bins, a key of ``FILLS``, computed over the valid frames of the clip.
        Default: ``silence``.
    fractions : sequence of float
        Fractions of the bins in [0, 1]. Default: ``CURVE_FRACTIONS``.
    kind : str
        ``insertion`` or ``deletion``. Default: ``insertion``.

    Returns
    -------
    torch.Tensor
        Probabilities, ``[batch, fractions]``.

    Raises
    ------
    InputError
        If the fill or the kind is unknown.
    """
    if fill not in FILLS or kind not in KINDS:
        raise InputError(
            f"kind and fill must be one of {', '.join(KINDS)} and one of {', '.join(FILLS)}, got "
            f"{kind!r} and {fill!r}"
        )
    fill_power = FILLS[fill](valid_power(classifier, encoded))
    samples, bins = encoded.wavs.shape[-1], ranks[0].numel()

    def probability(fraction: float) -> torch.Tensor:
        encoding = encoded.encoding
        if round(fraction * bins) != (bins if kind == "insertion" else 0):
            top = top_k_mask(ranks, fraction)
            mask = top if kind == "insertion" else 1 - top
            encoding = classifier.encode_masked(encoded.encoder_power, mask, samples, fill_power)
        scores = classifier.probabilities(encoding.vector, class_embeddings)
        return scores.gather(1, target.unsqueeze(1)).squeeze(1)

    return torch.stack([probability(fraction) for fraction in fractions], dim=1)


def valid_power(classifier: HasGrid[EncodedT], encoded: EncodedT) -> torch.Tensor:
    """Return the power of the clip's own frames that lie inside the input window.

    Repetitions and padding do not count, nor do the parts of a long clip outside the window.
    """
    valid = classifier.grid(encoded).valid_frames
    return encoded.power if valid.all() else encoded.power[:, valid]


def area_under_curve(
    curve: torch.Tensor, fractions: Sequence[float] = CURVE_FRACTIONS
) -> torch.Tensor:
    """Compute the area under curves by the trapezoidal rule, over the range of the fractions.

    Arguments
    ---------
    curve : torch.Tensor
        Probabilities from :func:`curve`, ``[batch, fractions]``.
    fractions : sequence of float
        Fractions of the curve, ascending. Default: ``CURVE_FRACTIONS``.

    Returns
    -------
    torch.Tensor
        Mean height of each curve, ``[batch]``. Higher is better for insertion, lower for deletion.

    Raises
    ------
    InputError
        If the fractions do not ascend.

    Example
    -------
    >>> area_under_curve(torch.tensor([[0.0, 1.0, 1.0]]), [0, 0.5, 1])
    tensor([0.7500])
    """
    if sorted(set(fractions)) != list(fractions) or len(fractions) < 2:
        raise InputError(
            f"fractions must be at least two ascending numbers such as {CURVE_FRACTIONS}, got "
            f"{tuple(fractions)}"
        )
    positions = torch.tensor(fractions, dtype=curve.dtype, device=curve.device)
    return torch.trapezoid(curve, positions) / (fractions[-1] - fractions[0])
