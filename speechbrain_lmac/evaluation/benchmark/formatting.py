"""Tables of formatted cells, as Markdown and as LaTeX."""

from typing import NamedTuple

import numpy as np
import pandas as pd

NO_VALUE = "-"
"""Cell without a value."""
LATEX_SYMBOLS = {
    **{"↑": r"$\uparrow$", "↓": r"$\downarrow$"},
    **{"▲": r"$\bigtriangleup$", "▼": r"$\bigtriangledown$"},
}


class Table(NamedTuple):
    """A table of formatted cells, one row per method."""

    title: str
    cells: pd.DataFrame
    bold: pd.DataFrame | None = None
    """Cells to print in bold, bool, like ``cells``."""
    notes: tuple[str, ...] = ()

    def to_markdown(self) -> str:
        """Format as Markdown, with the title as a heading and the notes as a list."""
        cells = self.cells.astype(str)
        if self.bold is not None:
            cells = cells.where(~self.bold, "**" + cells + "**")
        body = cells.to_markdown(index=False, disable_numparse=True)
        notes = "".join(f"- {note}\n" for note in self.notes)
        return f"### {self.title}\n\n{body}\n" + (f"\n{notes}" if notes else "")

    def to_latex(self) -> str:
        """Format as LaTeX for the package booktabs."""
        style = self.cells.astype(str).style.hide().format(escape="latex")
        style = style.format_index(axis=1, escape="latex")
        if self.bold is not None:
            css = self.bold.map(lambda bold: "textbf:--rwrap;" if bold else "")
            style = style.apply(lambda _: css, axis=None)
        text = style.to_latex(hrules=True, column_format="l" + "r" * (len(self.cells.columns) - 1))
        for symbol, command in LATEX_SYMBOLS.items():
            text = text.replace(symbol, command)
        return f"\\paragraph{{{escape_latex(self.title)}}}\n\n{text}"


def fixed(value: float, decimals: int) -> str:
    """Format a number with a fixed number of decimals, without a negative zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if np.isfinite(value) else NO_VALUE


def escape_latex(text: str) -> str:
    """Escape the special characters of LaTeX."""
    return "".join(f"\\{sign}" if sign in "&%$#_{}" else sign for sign in text)
