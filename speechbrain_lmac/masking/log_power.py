"""How loud each cell of a plane is, in the clip's own terms."""

RANGE = 1e-8
"""Of power, below the loudest cell: what is fainter is silence."""
MIN_POWER = 1e-20
MIN_DEVIATION = 0.1


def level(power):
    """Level of each cell: the logarithm of power, less the clip's mean and over its deviation.

    An encoder's maps are coarse; which of the cells below one of theirs carry the sound, the
    power itself says.

    Arguments
    ---------
    power : torch.Tensor
        ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        Like ``power``; of no unit, since gain and dynamic range are taken out.

    Example
    -------
    >>> import torch
    >>> level(torch.tensor([[[0.01, 1.0]], [[0.02, 2.0]]])).round(decimals=2)
    tensor([[[-0.9600,  0.9600]],
    <BLANKLINE>
            [[-0.9600,  0.9600]]])
    """
    loudest = power.amax(dim=(1, 2), keepdim=True)
    found = (power + (RANGE * loudest).clamp(min=MIN_POWER)).log_()
    found -= found.mean(dim=(1, 2), keepdim=True)
    deviation = found.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return found.div_(deviation + MIN_DEVIATION)
