"""Training with several processes: operations on the global batch.

SpeechBrain gives process ``r`` of ``n`` every ``n``-th clip of the order, from the ``r``-th on. The
global batch takes one clip of each process in turn. Whatever pairs clips of a batch with each other
uses the functions of this module.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from speechbrain_lmac.utils.errors import InputError


def world_size() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def shutdown() -> None:
    """Wait for the other processes and leave the process group."""
    if world_size() > 1:
        dist.barrier()
        dist.destroy_process_group()


def gather(rows: Tensor) -> Tensor:
    """Gather the rows of all processes in the order of the global batch, without gradient.

    Arguments
    ---------
    rows : torch.Tensor
        Rows of this process, ``[batch, ...]``, of one shape in all processes.

    Returns
    -------
    torch.Tensor
        ``[global batch, ...]``.
    """
    if world_size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)


def global_roll(rows: Tensor, shift: int) -> Tensor:
    """Roll rows along the global batch, as ``torch.roll`` does along a batch.

    Arguments
    ---------
    rows : torch.Tensor
        Rows of this process, ``[batch, ...]``.
    shift : int
        Number of places.

    Returns
    -------
    torch.Tensor
        Rows of this process after the roll, ``[batch, ...]``.
    """
    if world_size() == 1:
        return rows.roll(shift, dims=0)
    return gather(rows).roll(shift, dims=0)[dist.get_rank() :: world_size()]


def global_mean_count(mask: Tensor) -> Tensor:
    """Number of true elements of ``mask`` ``[batch]``, averaged over processes."""
    total = mask.sum().float()
    if world_size() > 1:
        dist.all_reduce(total)
    return total / world_size()


def all_reduce_mean(figures: dict[str, float]) -> dict[str, float]:
    """Average named figures over all processes."""
    if world_size() == 1:
        return figures
    values = torch.tensor([float(value) for value in figures.values()], dtype=torch.float64)
    if dist.get_backend() == "nccl":
        values = values.cuda()
    dist.all_reduce(values)
    return dict(zip(figures, (values / world_size()).tolist()))


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace the gradients of this process by their means over all processes."""
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    means = (flat / world_size()).split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means):
        gradient.copy_(mean.view_as(gradient))


def local_batch_size(batch_size: int) -> int:
    """Number of clips of a global batch that one process encodes.

    Raises
    ------
    InputError
        If the processes cannot share the batch evenly.
    """
    if batch_size % world_size():
        raise InputError(
            f"batch_size must be a multiple of the {world_size()} processes, got {batch_size}"
        )
    return batch_size // world_size()
