"""Counts in texts for people."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number of things as text.

    Arguments
    ---------
    number : int
        Number of things, at least 0.
    one : str
        Noun of one thing.
    many : str
        Noun of several things, and of none. Default: ``one`` with an s.

    Returns
    -------
    str

    Example
    -------
    >>> counted(1, "file"), counted(2, "file"), counted(0, "class", "classes")
    ('1 file', '2 files', '0 classes')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
