"""Options of a run of a job. The driver of a cluster reads them without loading torch."""

import os
from dataclasses import dataclass
from typing import Any

from speechbrain_lmac.utils.errors import InputError

ENGINES = ("serial", "ray")
RAY_OPTIONS = ("workers", "address", "gpus_per_worker")
DEFAULT_CLIPS = 32
"""Clips in a batch on an accelerator."""
MAX_READERS = 16
"""Largest default number of readers."""


@dataclass(frozen=True)
class BatchOptions:
    """How clips are read and explained together; the last digits of a result depend on it.

    Arguments
    ---------
    clips : int or None
        Clips in a batch. None: 1 on a CPU, 32 on other devices.
    readers : int or None
        Processes that read files for batches; 0 reads in the process that explains. None: one per
        CPU, and at most 16.
    """

    clips: int | None = None
    readers: int | None = None

    def __post_init__(self) -> None:
        if self.clips is not None and self.clips < 1:
            raise InputError(f"batch_clips must be at least 1, got {self.clips}")
        if self.readers is not None and self.readers < 0:
            raise InputError(f"readers must be at least 0, got {self.readers}")

    def clips_on(self, device: Any) -> int:
        """Return the number of clips in a batch on a ``torch.device``."""
        return self.clips or (1 if device.type == "cpu" else DEFAULT_CLIPS)

    @property
    def num_readers(self) -> int:
        """Number of processes that read."""
        return min(os.cpu_count() or 1, MAX_READERS) if self.readers is None else self.readers


DEFAULT_BATCHES = BatchOptions()
"""Batches of the default size for the device."""


@dataclass(frozen=True)
class SoundOptions:
    """Which sounds are written.

    Arguments
    ---------
    above : float
        Presence from which a hit has a sound.
    per_prompt : int
        Largest number of sounds per prompt. The hits with the smallest hashes are chosen.
    """

    above: float
    per_prompt: int


@dataclass(frozen=True)
class EngineOptions:
    """How the units are explained; the result does not depend on it, but for its last digits.

    Arguments
    ---------
    engine : str
        ``serial`` or ``ray``.
    workers : int or None
        Workers of Ray. None: one per CPU.
    address : str or None
        Address of a Ray cluster. None: Ray is started on this machine.
    gpus_per_worker : float
        GPUs that each worker of Ray reserves.
    shard : tuple of int or None
        ``(k, n)``: this process explains each unit whose number is ``k`` modulo ``n``.
    retry_failed : bool
        Whether failed files are read again.
    batches : BatchOptions
        Sizes of batches and number of readers. Default: those of the device.
    """

    engine: str = "serial"
    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0
    shard: tuple[int, int] | None = None
    retry_failed: bool = False
    batches: BatchOptions = DEFAULT_BATCHES


def check_options(options: EngineOptions) -> None:
    """Raise InputError if an option is out of its range."""
    if options.engine not in ENGINES:
        raise InputError(f"engine must be serial or ray, got {options.engine}")
    if options.engine == "serial":
        given = {name: getattr(options, name) for name in RAY_OPTIONS}
        for name, value in given.items():
            if value:
                raise InputError(f"{name} must be given with --engine ray only, got {value}")
    if options.workers is not None and options.workers < 1:
        raise InputError(f"workers must be at least 1, got {options.workers}")


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Return a shard ``K/N`` as two numbers.

    Raises
    ------
    InputError
        If the text is none.

    Example
    -------
    >>> parse_shard("2/3")
    (2, 3)
    """
    if text is None:
        return None
    first, _, second = text.partition("/")
    if first.isdecimal() and second.isdecimal() and int(first) < int(second):
        return int(first), int(second)
    raise InputError(f"shard must be K/N with K from 0 to N - 1, got {text}")
