"""Clips of the real recordings. To read their durations, every file is decoded."""

import functools

from speechbrain_lmac.data.datasets import read_clips
from tests.conftest import REAL_ESC10


@functools.cache
def esc10_clips():
    """Return the clips of ESC-10 in the order of its table, read once in a process."""
    return tuple(read_clips(REAL_ESC10))
