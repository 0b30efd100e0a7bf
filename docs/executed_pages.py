"""Executed pages: the Python blocks of tutorials run when the site is built.

The blocks of a page run in order, as the cells of a notebook. Texts, figures and players follow the
block that made them. Words after ```` ```python ```` are the alternative text of its figures.
"""

import re
import tempfile
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

DOCS = Path(__file__).parent
BLOCK = re.compile(r"^```python(.*)\n((?:.*\n)*?)^```\n", re.MULTILINE)
"""Block of code: alternative text, code."""
FENCE = "`" * 8
MOST_LINES = 20
"""Number of printed lines that are not folded."""
START = """\
import os
os.chdir({folder!r})
%reset -f
"""
"""Code before a page: its folder, and an empty namespace."""
TABLE = 'border="1" class="dataframe"'
"""Attributes that pandas gives a table."""


class Block(NamedTuple):
    """Code of a page, and what it shows."""

    description: str
    """Alternative text of the figures."""
    code: str
    outputs: list
    """Outputs of a notebook's cell."""


class PageRunner:
    """Kernel that runs pages one after the other, each in an empty folder with the samples."""

    def __init__(self):
        self._stack = ExitStack()
        self._client = NotebookClient(nbformat.v4.new_notebook(), timeout=300)
        self._stack.enter_context(self._client.setup_kernel())

    def close(self):
        """Stop the kernel."""
        self._stack.close()

    def run(self, text):
        """Run the blocks of a page; an error in one of them is raised."""
        parts = BLOCK.findall(text)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "samples").symlink_to(DOCS / "samples")
            codes = [START.format(folder=folder), *(code for _, code in parts)]
            notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, codes)))
            self._client.nb = notebook
            for index, cell in enumerate(notebook.cells):
                self._client.execute_cell(cell, index)
        cells = notebook.cells[1:]
        return [
            Block(words.strip(), code, cell.outputs) for (words, code), cell in zip(parts, cells)
        ]


def with_outputs(text, blocks):
    """Return the Markdown of a page with the outputs of its blocks, but progress and warnings."""
    shown = iter(blocks)

    def render(match):
        block = next(shown)
        parts = [f"```python\n{block.code}```\n"]
        kept = [output for output in block.outputs if output.get("name") != "stderr"]
        for is_text, outputs in groupby(kept, key=lambda output: output.output_type == "stream"):
            if is_text:
                parts.append(printed("".join(output.text for output in outputs)))
            else:
                parts += [as_markdown(output.data, block.description) for output in outputs]
        return "\n".join(parts)

    return BLOCK.sub(render, text)


def printed(text):
    """Return printed text as Markdown; long text is folded."""
    lines = text.rstrip().splitlines()
    block = fenced("text", "\n".join(lines))
    if len(lines) <= MOST_LINES:
        return block
    start = fenced("{raw} html", f"<details><summary>Output, {len(lines)} lines</summary>")
    return "\n".join([start, block, fenced("{raw} html", "</details>")])


def as_markdown(data, description):
    """Return a displayed object as Markdown: a player, a table, a figure or text."""
    if "text/html" in data:
        html = data["text/html"].replace(TABLE, 'class="docutils"')
        return fenced("{raw} html", f'<div style="overflow-x: auto" tabindex="0">\n{html}\n</div>')
    if "image/png" in data:
        image = f'<img alt="{description}" src="data:image/png;base64,{data["image/png"].strip()}">'
        return fenced("{raw} html", image)
    return fenced("text", data["text/plain"])


def fenced(kind, text):
    """Return a block of Markdown."""
    return f"{FENCE}{kind}\n{text.rstrip()}\n{FENCE}\n"


def as_notebook(text):
    """Return a page as a notebook without outputs."""
    cells, end = [], 0
    for match in BLOCK.finditer(text):
        cells += [nbformat.v4.new_markdown_cell(text[end : match.start()].strip())]
        cells += [nbformat.v4.new_code_cell(match[2].strip())]
        end = match.end()
    cells += [nbformat.v4.new_markdown_cell(text[end:].strip())]
    return nbformat.v4.new_notebook(cells=[cell for cell in cells if cell.source])


def setup(app):
    """Run the tutorials that are read anew, and write each as a notebook beside its page."""
    runners = []

    def run_page(app, name, source):
        if not name.startswith("tutorials/") or not BLOCK.search(source[0]):
            return
        runners[:] = runners or [PageRunner()]
        path = Path(app.outdir) / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(as_notebook(source[0]), path)
        link = f'<p><a href="{path.name}" download>Download this page as a notebook</a></p>'
        page = with_outputs(source[0], runners[0].run(source[0]))
        title, _, rest = page.partition("\n")
        source[0] = f"{title}\n\n{fenced('{raw} html', link)}\n{rest}"

    def close(app, error):
        for runner in runners:
            runner.close()

    app.connect("source-read", run_page)
    app.connect("build-finished", close)
    return {"parallel_read_safe": False}
