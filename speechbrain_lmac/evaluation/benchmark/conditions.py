"""Conditions of the benchmark: their names, kinds and levels."""

import math
from typing import NamedTuple

from speechbrain_lmac.audio.mixing import PRESETS
from speechbrain_lmac.data import contamination
from speechbrain_lmac.utils.errors import InputError

CLEAN, TWO_SOURCE, MIXTURE, ABSENT = (
    *("clean", contamination.TWO_SOURCE, "mixture", "absent_prompt"),
)
DEFAULT_SNR_DB = {TWO_SOURCE: 0.0, **PRESETS}
"""Kind of contamination -> SNR in dB if the condition names none."""


class Condition(NamedTuple):
    """One condition of the benchmark."""

    name: str
    """Name in the settings, such as ``two_source@-5``."""
    kind: str
    snr_db: float


def parse(name: str) -> Condition:
    """Parse a condition: ``clean``, or a kind of contamination and optionally ``@`` and its SNR.

    Example
    -------
    >>> parse("two_source@-5")
    Condition(name='two_source@-5', kind='two_source', snr_db=-5.0)
    >>> parse("speech").snr_db
    12.04
    """
    kind, at, level = str(name).partition("@")
    if kind == CLEAN and not at:
        return Condition(kind, kind, math.inf)
    try:
        snr_db = float(level) if at else DEFAULT_SNR_DB[kind]
    except (KeyError, ValueError):
        snr_db = math.nan
    if kind not in DEFAULT_SNR_DB or not math.isfinite(snr_db):
        raise InputError(
            f"conditions must be {CLEAN}, {ABSENT} or one of {', '.join(DEFAULT_SNR_DB)}, with an "
            f"optional SNR in dB as in two_source@5, got {name!r}"
        )
    return Condition(str(name), kind, snr_db)
