"""A table before it is written in a format, and the formats: Markdown and LaTeX."""

from typing import NamedTuple


class Cell(NamedTuple):
    """What stands in a table."""

    text: str
    mark: str = ""
    bold: bool = False


class Table(NamedTuple):
    """A table before it is written in any format."""

    title: str
    head: tuple
    """Of str; the first column holds the methods."""
    rows: tuple
    """Of tuples of :class:`Cell`."""
    notes: tuple = ()
    """Sentences for below."""


def markdown(table):
    """A table in Markdown, with its title as a heading and its notes as a list below."""
    lines = [f"### {table.title}", "", _line(table.head)]
    lines.append(_line(["---", *["---:"] * (len(table.head) - 1)]))
    for row in table.rows:
        bold = (f"**{cell.text}**" if cell.bold else cell.text for cell in row)
        lines.append(_line(f"{text} {cell.mark}".strip() for text, cell in zip(bold, row)))
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _line(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{"↑": r"$\uparrow$", "↓": r"$\downarrow$", "=": "$=$"},
    **{"▲": r"$\bigtriangleup$", "▼": r"$\bigtriangledown$"},
}
"""Signs that LaTeX reads as its own or does not know; no package is needed for these."""


def latex_text(text):
    r"""Text that LaTeX prints as it is.

    Example
    -------
    >>> print(latex_text("gradcam++ 5 % of two_source@-5"))
    gradcam++ 5 \% of two\_source@-5
    """
    return "".join(LATEX.get(sign, sign) for sign in text)


def latex(table):
    """A table in LaTeX without any package: title, tabular and notes."""
    lines = [rf"\paragraph{{{latex_text(table.title)}}}", "", r"{\small"]
    lines.append(rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}")
    lines += [r"\hline", " & ".join(map(latex_text, table.head)) + r" \\ \hline"]
    for row in table.rows:
        cells = []
        for cell in row:
            text = latex_text(cell.text)
            text = rf"\textbf{{{text}}}" if cell.bold else text
            cells.append(f"{text} {latex_text(cell.mark)}".strip())
        lines.append(" & ".join(cells) + r" \\")
    notes = [latex_text(note) + r"\par" for note in table.notes]
    return "\n".join([*lines, r"\hline", r"\end{tabular}\par", *notes, "}", ""])
