"""Readers: processes that decode the next files while clips are explained."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.reading import read_blocks
from speechbrain_lmac.inference.inputs import as_clip
from speechbrain_lmac.inference.quality import level_warnings
from speechbrain_lmac.inference.recording import MAX_CLIP_SECONDS
from speechbrain_lmac.utils.collected_warnings import collected_warnings
from speechbrain_lmac.utils.device import in_float32

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


class ClipReader(Dataset[ReadClip | None]):
    """Reads entries; None stands for one that is no clip or cannot be read.

    Arguments
    ---------
    entries : sequence of Entry
        Entries of the manifest.
    rate : int
        Sample rate of the clips, in Hz.
    """

    def __init__(self, entries: Sequence[Entry], rate: int):
        self.entries, self.rate = entries, rate

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> ReadClip | None:
        try:
            with collected_warnings() as texts:
                wav = self._read(self.entries[index])
        except Exception:  # noqa: BLE001 - the entry is explained alone, which states the reason
            return None
        return None if wav is None else ReadClip(wav, [*level_warnings(wav), *texts])

    @in_float32
    def _read(self, entry: Entry) -> torch.Tensor | None:
        wav, _ = split_off_clip(read_blocks(entry, self.rate), self.rate)
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
    loader = DataLoader(
        ClipReader(entries, rate),
        batch_size=None,
        num_workers=min(readers, len(entries)),
        collate_fn=_unchanged,
    )
    clips, count = iter(loader), 0
    for entry in entries:
        try:
            clip = next(clips)
        except RuntimeError:  # DataLoader: a worker was killed
            break
        yield entry, clip
        count += 1
    yield from ((entry, None) for entry in entries[count:])


def _unchanged(clip: Any) -> Any:
    return clip
