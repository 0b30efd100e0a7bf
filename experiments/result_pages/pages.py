"""A page of the docs from the results of a bench run: its tables and figures as measured.

Usage: python -m experiments.result_pages.pages RESULTS docs/bench/NAME.md
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd
import torch

from speechbrain_lmac.utils.errors import InputError, report_errors

FIGURES = {
    "metrics": "AD, FF and Fid-In at equal budgets, {condition}, {masking}",
    "curves": "Insertion and deletion, clean clips, {masking}",
    "presence": "How far masks open, and how similar the clip is to the prompt, {masking}",
    "randomized": "What is left of maps when the model is made random, {masking}",
    "gallery": "One mixture under every method, {masking}",
}
OPENING = """\
*Better and worse hold where masked bins are silence; see [how to read it](README.md).*

*Measured, not typed: `experiments.result_pages.pages` writes this page from `{results}`. CLAP
{clap}, decoders {decoder} (first digits of sha256); torch {torch}. [How to read it](README.md).*
"""


@report_errors
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("page", type=Path)
    options = parser.parse_args()
    if not (options.results / "summary.md").is_file():
        raise InputError(f"{options.results} holds no summary.md: run evaluate.py to its end")
    if options.page.suffix != ".md":
        raise InputError(f"a page is a file that ends in .md, not {options.page}")
    images = options.page.with_suffix("")
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob("*.png"):
        old.unlink()
    tables = (options.results / "summary.md").read_text(encoding="utf-8")
    heading, _, rest = tables.partition("\n")
    what, _, _ = heading.partition(";")  # how long it took is the machine's, not the result's
    parts = [what, opening(options.results), pictures(options.results, images), rest.strip()]
    options.page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"{options.page}, {len(list(images.iterdir()))} figures")


def opening(results):
    """What the page is made of."""
    rows = pd.read_csv(results / "rows.csv", usecols=["clap", "decoder"], dtype=str)
    decoders = ", ".join(sorted(set(rows.decoder.dropna())))
    return OPENING.format(
        results=results, clap=rows.clap.iloc[0], decoder=decoders, torch=torch.__version__
    )


def pictures(results, images):
    """Figures, copied beside the page, each with its caption."""
    lines = []
    for kind, caption in FIGURES.items():
        for path in sorted((results / "figures").glob(f"*_{kind}.png")):
            masking, _, condition = path.stem.removesuffix(f"_{kind}").partition("_")
            said = caption.format(masking=masking, condition=condition)
            shutil.copy(path, images / path.name)
            lines.append(f"![{said}]({images.name}/{path.name})\n\n*{said}*")
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
