"""Percentages in texts for people."""


def percent(fraction: float) -> str:
    """Return a fraction as a whole percentage. One below 1 % is not shown as zero.

    Example
    -------
    >>> percent(0.914), percent(0.002)
    ('91 %', '< 1 %')
    """
    return "< 1 %" if fraction < 0.01 else f"{100 * fraction:.0f} %"
