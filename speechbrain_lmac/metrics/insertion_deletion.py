"""Insertion and deletion: how the decision comes and goes as a map's best cells do.

Petsiuk et al., "RISE", BMVC 2018. What is laid where a cell is shut matters: silence is a sound
that no encoder was trained on, so several fills stand side by side.
"""

import math

import torch

from speechbrain_lmac.metrics.top_k import top_k_mask
from speechbrain_lmac.utils.errors import InputError

SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Of cells, that are inserted or deleted."""

KINDS = ("insertion", "deletion")
"""The best cells alone; all but the best cells."""

FLOOR = 0.1
"""Share of a bin's frames that lie at or below its noise floor."""


def silence(power):
    """Nothing at all."""
    return torch.zeros_like(power[:, :1])


def noise_floor(power):
    """Each bin's 10th percentile over the frames: what goes on when nothing happens."""
    return power.kthvalue(math.ceil(FLOOR * power.shape[1]), dim=1, keepdim=True).values


def mean(power):
    """Each bin's mean over the frames: the clip's color, without events."""
    return power.mean(dim=1, keepdim=True)


FILLS = {"silence": silence, "noise_floor": noise_floor, "mean": mean}
"""Name -> function of power ``[batch, frames, bins]`` to what is laid where cells are shut,
``[batch, 1, bins]``."""


@torch.no_grad()
def curve(
    classifier,
    encoded,
    ranks,
    text,
    target,
    fill="silence",
    shares=SHARES,
    kind="insertion",
):
    """Probability of a class as the best cells of a map are inserted or deleted.

    Where everything is kept the probability is the clip's own, which is known; every other share
    is one pass of the encoder.

    Arguments
    ---------
    classifier : MaskedClassifier
        What is explained.
    encoded : EncodedClips
        Of ``batch`` clips.
    ranks : torch.Tensor
        ``[batch, frames, bins]``, of :func:`~speechbrain_lmac.metrics.top_k.rank_bins`.
    text : torch.Tensor
        ``[prompts, dim]``: the names that a clip is scored against.
    target : torch.Tensor
        ``[batch]``: index of the name that is explained.
    fill : str
        A key of ``FILLS``. It is measured on those of the clip's frames that are heard.
    shares : sequence of float
        Of cells, 0 to 1.
    kind : str
        One of ``KINDS``.

    Returns
    -------
    torch.Tensor
        ``[batch, shares]``.

    Raises
    ------
    InputError
        If there is no such fill or kind.
    """
    if fill not in FILLS or kind not in KINDS:
        raise InputError(
            f"a curve is {' or '.join(KINDS)} over {', '.join(FILLS)}; not {kind!r} over {fill!r}"
        )
    laid = FILLS[fill](heard_frames(classifier, encoded))
    samples, cells = encoded.wavs.shape[-1], ranks[0].numel()

    def probability(share):
        encoding = encoded.encoding
        if round(share * cells) != (cells if kind == "insertion" else 0):
            top = top_k_mask(ranks, share)
            mask = top if kind == "insertion" else 1 - top
            encoding = classifier.encode_masked(encoded.encoder_power, mask, samples, laid)
        scores = classifier.logits(encoding.vector, text).softmax(dim=1)
        return scores.gather(1, target.unsqueeze(1)).squeeze(1)

    return torch.stack([probability(share) for share in shares], dim=1)


def heard_frames(classifier, encoded):
    """Power of those of the clips' own frames that the encoder hears.

    Neither repetitions nor the silence after them count, nor what a long clip has outside the
    window.
    """
    heard = classifier.grid(encoded).valid_frames
    return encoded.power if heard.all() else encoded.power[:, heard]


def area(curve, shares=SHARES):
    """Area under curves by trapezoids, over the range of the shares.

    Arguments
    ---------
    curve : torch.Tensor
        ``[batch, shares]``, of :func:`curve`.
    shares : sequence of float
        Where it was taken, ascending.

    Returns
    -------
    torch.Tensor
        ``[batch]``: the mean height of the curve. For insertion more is better, for deletion less.

    Raises
    ------
    InputError
        If the shares do not ascend.

    Example
    -------
    >>> area(torch.tensor([[0.0, 1.0, 1.0]]), [0, 0.5, 1])
    tensor([0.7500])
    """
    if sorted(set(shares)) != list(shares) or len(shares) < 2:
        raise InputError(f"shares ascend, such as {SHARES}; not {tuple(shares)}")
    places = torch.tensor(shares, dtype=curve.dtype, device=curve.device)
    return torch.trapezoid(curve, places) / (shares[-1] - shares[0])
