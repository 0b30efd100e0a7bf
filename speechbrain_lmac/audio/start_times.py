"""Start times of recordings, which recorders write into file names."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath, PureWindowsPath

DATE_TIME = re.compile(r"(?<!\d)((?:19|20)\d{6})[_T-](\d{6})(?!\d)")
"""Date and time in a name, such as ``20240501_043000``."""
HEXADECIMAL = re.compile(r"[0-9A-F]{8}\.WAV")
"""Name of a file of old AudioMoths: seconds since 1970 in hexadecimal digits."""
AUDIOMOTH_YEARS = range(2016, 2038)
"""Years in which old AudioMoths can have recorded. Other hexadecimal names state no time."""


def start_time(file: str | None) -> datetime | None:
    """Return the start time of a recording, as its name states it.

    Arguments
    ---------
    file : str or None
        Path or address of the recording.

    Returns
    -------
    datetime or None
        Time by the clock of the recorder, without time zone; UTC for hexadecimal names. None if
        the name states no time.

    Example
    -------
    >>> start_time("site/A1_20240501_043000.wav")
    datetime.datetime(2024, 5, 1, 4, 30)
    >>> start_time("5CC1A2B0.WAV")
    datetime.datetime(2019, 4, 25, 12, 6, 8)
    >>> start_time("20249901_043000.wav"), start_time("DEADBEEF.WAV"), start_time(None)
    (None, None, None)
    """
    name = PureWindowsPath(PurePosixPath(file or "").name).name
    if HEXADECIMAL.fullmatch(name):
        seconds = int(name[:8], 16)
        time = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        return time if time.year in AUDIOMOTH_YEARS else None
    for date, clock in DATE_TIME.findall(name):
        try:
            return datetime.strptime(date + clock, "%Y%m%d%H%M%S")
        except ValueError:  # no date, or no time of a day
            continue
    return None


def time_in(file: str | None, seconds: float) -> str:
    """Return the time of an event in a recording as text.

    Arguments
    ---------
    file : str or None
        Path or address of the recording.
    seconds : float
        Time in the recording, in seconds.

    Returns
    -------
    str
        Date and time with milliseconds; empty if the name of the recording states no time.

    Example
    -------
    >>> time_in("20240501_235959.WAV", 1.25), time_in("dawn.wav", 1.25)
    ('2024-05-02 00:00:00.250', '')
    """
    start = start_time(file)
    if start is None:
        return ""
    return str((start + timedelta(seconds=seconds)).isoformat(" ", "milliseconds"))
