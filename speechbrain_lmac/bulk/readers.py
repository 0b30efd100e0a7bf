"""Readers: processes that decode the next files while clips are explained."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from typing import NamedTuple

import torch

from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.reading import read_blocks
from speechbrain_lmac.inference.inputs import as_clip
from speechbrain_lmac.inference.quality import level_warnings
from speechbrain_lmac.inference.recording import MAX_CLIP_SECONDS
from speechbrain_lmac.utils.collected_warnings import collected_warnings
from speechbrain_lmac.utils.device import in_float32

CLIPS_AHEAD = 4
"""Clips that each reader has read or reads in advance."""
Blocks = Iterator[torch.Tensor]
"""Samples of a file, ``[time]`` each."""


class ReadClip(NamedTuple):
    """Clip of an entry."""

    wav: torch.Tensor
    """Checked samples, ``[time]``."""
    warnings: list[str]
    """Warnings of the reader and about the level."""


def split_off_clip(blocks: Blocks, rate: int) -> tuple[torch.Tensor | None, Blocks]:
    """Read a clip, or find out that it is a recording.

    Arguments
    ---------
    blocks : iterator of torch.Tensor
        Samples of a file.
    rate : int
        Sample rate, in Hz.

    Returns
    -------
    torch.Tensor or None, iterator of torch.Tensor
        The samples of a sound up to 15 s and no blocks, or None and all blocks.
    """
    held: list[torch.Tensor] = []
    samples = 0
    for block in blocks:
        held.append(block)
        samples += len(block)
        if samples > MAX_CLIP_SECONDS * rate + 1:
            return None, chain(held, blocks)
    return torch.cat(held) if held else torch.zeros(0), iter(())


def read_clip(entry: Entry, rate: int) -> ReadClip | None:
    """Read an entry at a sample rate in Hz; None if it is no clip or cannot be read."""
    try:
        with collected_warnings() as texts:
            wav = _read(entry, rate)
    except Exception:  # noqa: BLE001 - the entry is explained alone, which states the reason
        return None
    return None if wav is None else ReadClip(wav, [*level_warnings(wav), *texts])


@in_float32
def _read(entry: Entry, rate: int) -> torch.Tensor | None:
    wav, _ = split_off_clip(read_blocks(entry, rate), rate)
    return None if wav is None else as_clip(wav)


def read_clips(
    entries: Sequence[Entry], rate: int, readers: int
) -> Iterator[tuple[Entry, ReadClip | None]]:
    """Yield entries with their clips, in order.

    If a reader dies, the remaining entries are yielded without a clip, to be explained one by one.
    The journal of the unit then finds the file that kills its reader.

    Arguments
    ---------
    entries : sequence of Entry
        Entries of the manifest.
    rate : int
        Sample rate of the clips, in Hz.
    readers : int
        Processes that read. 0 reads in this process.

    Yields
    ------
    Entry, ReadClip or None
    """
    if not readers or not entries:
        yield from ((entry, read_clip(entry, rate)) for entry in entries)
        return
    pool = ProcessPoolExecutor(min(readers, len(entries)), initializer=_use_one_thread)
    try:
        yield from _in_order(pool, entries, rate, readers * CLIPS_AHEAD)
    finally:
        pool.shutdown(cancel_futures=True)


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def _in_order(
    pool: ProcessPoolExecutor, entries: Sequence[Entry], rate: int, ahead: int
) -> Iterator[tuple[Entry, ReadClip | None]]:
    """Yield entries in order, while at most ``ahead`` clips are read in advance."""
    pending: deque[Future[ReadClip | None]] = deque()
    submitted, is_alive = 0, True
    for entry in entries:
        clip = None
        try:
            while is_alive and submitted < len(entries) and len(pending) < ahead:
                pending.append(pool.submit(read_clip, entries[submitted], rate))
                submitted += 1
            clip = pending.popleft().result() if is_alive else None
        except BrokenProcessPool:
            is_alive = False
        yield entry, clip
