"""Several processes that train as one: the batch that losses speak of is that of all of them.

SpeechBrain gives process ``r`` of ``n`` every ``n``-th clip of the order, from the ``r``-th on: a
batch of all processes is theirs, taken in turns. What pairs clips of a batch with one another goes
through here.
"""

import torch
import torch.distributed as dist

from speechbrain_lmac.utils.errors import InputError


def world_size():
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def shutdown():
    """Wait for the others, and part."""
    if world_size() > 1:
        dist.barrier()
        dist.destroy_process_group()


def gather(rows):
    """Rows of all processes' batches in the order of the whole batch, ``[batch of all, ...]``.

    No gradient comes back through it: what is paired is data.

    Arguments
    ---------
    rows : torch.Tensor
        ``[batch, ...]``, of one shape in all processes.
    """
    if world_size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)


def global_roll(rows, turn):
    """Of each clip the row of ``rows`` ``[batch, ...]`` that lies ``turn`` places before its own in
    the batch of all processes.
    """
    if world_size() == 1:
        return rows.roll(turn, dims=0)
    return gather(rows).roll(turn, dims=0)[dist.get_rank() :: world_size()]


def global_mean_count(chosen):
    """How many of a batch are chosen, ``chosen`` ``[batch]`` of bool: the mean over processes."""
    total = chosen.sum().float()
    if world_size() > 1:
        dist.all_reduce(total)
    return total / world_size()


def all_reduce_mean(figures):
    """Figures of this process, name -> float, as means over all."""
    if world_size() == 1:
        return figures
    values = torch.tensor([float(value) for value in figures.values()], dtype=torch.float64)
    if dist.get_backend() == "nccl":
        values = values.cuda()
    dist.all_reduce(values)
    return dict(zip(figures, (values / world_size()).tolist()))


def average_gradients(parameters):
    """Give all processes the mean of their gradients."""
    if world_size() == 1:
        return
    held = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in held])
    dist.all_reduce(flat)
    for gradient, mean in zip(held, (flat / world_size()).split([g.numel() for g in held])):
        gradient.copy_(mean.view_as(gradient))


def local_batch_size(batch_size):
    """Clips of a batch that one process hears.

    Raises
    ------
    InputError
        If they cannot be shared out evenly.
    """
    if batch_size % world_size():
        raise InputError(f"batch_size {batch_size} cannot be shared by {world_size()} processes")
    return batch_size // world_size()
