"""How masks are hardened while they are learnt, so that they decide."""

import math

import torch

from speechbrain_lmac.utils.errors import InputError

MIN_GAIN = 1e-4
"""Gain that stands for none, where a logarithm is taken."""


class SoftTopK:
    """Open each mask to a given share of its cells, softly.

    A CLAP hardly hears gain, so a mask of 0.1 everywhere keeps the decision, and so does what
    it removes: a soft mask has nothing to learn from. Trained behind this gate, a map must
    instead *rank*: the best cells open, the others shut, whatever the map's level or spread.
    Level and spread are left to the terms that see the mask itself.

    Arguments
    ---------
    shares : sequence of float
        Shares of cells that training draws from; empty for masks as they are.
    softness : (float, float)
        Width of the transition, in standard deviations of the map's logits: at the start of
        training and at its end, falling by a constant ratio. A soft gate tells every cell where to
        go; what it lets through of the rest is a whisper that a CLAP still hears.

    Example
    -------
    >>> gate = SoftTopK(shares=[0.5], softness=(0.5, 0.1))
    >>> masks = torch.tensor([[[0.1, 0.2, 0.3, 0.4, 0.5]]])
    >>> gate(masks, torch.tensor([0.5]), progress=1.0).sub(0.5).sign()
    tensor([[[-1., -1.,  0.,  1.,  1.]]])
    """

    def __init__(self, shares, softness=(0.3, 0.08)):
        if not isinstance(shares, list | tuple) or not all(0 < share < 1 for share in shares):
            raise InputError(f"gate_fractions is a list of shares such as [0.1], not {shares!r}")
        self.shares = tuple(shares)
        self.softness = softness

    @property
    def terms(self):
        """What it adds to those of the objective, in the name of the method."""
        return ["budget"] if self.shares else []

    def draw(self, draws, device=None):
        """A share for each clip, ``[batch]``, from its own random numbers."""
        shares = [rng.choice(self.shares or (1.0,)) for rng in draws]
        return torch.tensor(shares, device=device)

    def __call__(self, masks, shares, progress):
        """Harden.

        Arguments
        ---------
        masks : torch.Tensor
            ``[..., frames, bins]`` in [0, 1].
        shares : torch.Tensor
            ``[...]``, of cells to keep; the last axes of ``masks`` may broadcast to it.
        progress : float
            0 at the start of training, 1 at its end.

        Returns
        -------
        torch.Tensor
            Like ``masks``; ``masks`` itself where there is no budget to draw from.
        """
        if not self.shares:
            return masks
        logits = masks.logit(eps=MIN_GAIN).flatten(-2)
        heard = (
            masks.flatten(-2) > MIN_GAIN
        )  # cells that are shut for good have no say in the spread
        count = heard.sum(dim=-1, keepdim=True).clamp(min=1)
        centered = logits - (logits * heard).sum(dim=-1, keepdim=True) / count
        spread = ((centered.square() * heard).sum(dim=-1, keepdim=True) / count).sqrt()
        first, last = self.softness
        softness = first * (last / first) ** progress
        scale = softness * spread + 1e-4
        opened = (centered - _threshold(centered.detach(), shares)) / scale
        return opened.sigmoid().unflatten(-1, masks.shape[-2:])


def _threshold(values, shares, sample=4096):
    """What a share of ``values`` ``[..., cells]`` exceeds, ``[..., 1]``, from even samples."""
    ordered = values[..., :: _stride(values.shape[-1], sample)].sort(dim=-1).values
    place = ((1 - shares) * (ordered.shape[-1] - 1)).round().long()
    place = place.expand(values.shape[:-1]).unsqueeze(-1)
    return ordered.gather(-1, place)


def _stride(cells, sample):
    """Step that takes about ``sample`` of ``cells``, and shares no factor with their number, so
    that every bin has its turn.
    """
    step = max(1, cells // sample)
    while math.gcd(step, cells) > 1:
        step += 1
    return step
