"""Arrays and tensors of samples as ``[time, channels]`` in single precision, full scale 1."""

import numpy as np
import torch
from torch import Tensor

from speechbrain_lmac.utils.errors import InputError

FULL_SCALE = {torch.uint8: (128, 128), torch.int16: (0, 2**15), torch.int32: (0, 2**31)}
"""Zero and full scale of integer samples, as in audio files."""


def as_channels(samples: np.ndarray | Tensor) -> Tensor:
    """Convert an array of samples.

    Arguments
    ---------
    samples : numpy.ndarray or torch.Tensor
        Samples ``[time]``, or two-dimensional with channels along the shorter axis. Integers have
        the full scale of audio files.

    Returns
    -------
    torch.Tensor
        ``[time, channels]``, float32, full scale 1, on the CPU.

    Raises
    ------
    InputError
        If the type or the shape is not supported.
    """
    tensor = samples if isinstance(samples, Tensor) else _as_tensor(samples)
    return _split_channels(_as_floats(tensor.detach().cpu()))


def _as_tensor(samples: np.ndarray) -> Tensor:
    try:
        return torch.from_numpy(np.ascontiguousarray(samples, samples.dtype.newbyteorder("=")))
    except TypeError as error:
        raise InputError(f"samples must be real numbers, got {samples.dtype}") from error


def _as_floats(samples: Tensor) -> Tensor:
    """Samples in single precision at full scale 1."""
    if samples.layout != torch.strided:
        raise InputError(f"samples must be a dense array, got {samples.layout}")
    if samples.is_floating_point():
        return samples.float()
    if samples.dtype in FULL_SCALE:
        zero, full = FULL_SCALE[samples.dtype]
        return (samples.float() - zero) / full
    raise InputError(f"samples must be floats or integers as in files, got {samples.dtype}")


def _split_channels(samples: Tensor) -> Tensor:
    """``[time, channels]``; the shorter of two axes is that of the channels."""
    if samples.dim() not in (1, 2):
        raise InputError(f"samples must be [time] or [time, channels], got {list(samples.shape)}")
    if samples.dim() == 1 or samples.numel() == 0:
        return samples.reshape(-1, 1)
    return samples.T if samples.shape[0] < samples.shape[1] else samples
