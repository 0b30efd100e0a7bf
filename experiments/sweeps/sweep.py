"""Train one interpreter for each row of a sweep, and compare them on the fold that selects.

Usage: python -m experiments.sweeps.sweep mask_out --data_folder ESC10 [--seeds 1986]
           [--only TEXT] [--output_folder results/sweeps]

A sweep is a YAML file of this folder: ``hparams``, ``settings`` of all rows, and ``rows`` with
their own settings. ``start`` continues from a decoder, ``start_offset`` adds to the logits of an
untrained one. Interpreters train on folds 1 and 2, fold 3 selects their epoch, and rows are
compared on fold 4. The same command resumes an interrupted sweep, because finished rows are reused.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from hyperpyyaml import load_hyperpyyaml
from safetensors.torch import save_file

from experiments.finished_runs import is_finished
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import report_errors

HERE = Path(__file__).parent
HPARAMS = HERE.parents[1] / "hparams"
FOLDS = {"train_folds": [1, 2], "valid_folds": [3], "test_folds": [4]}
EQUAL_AREA = ("AD", "FF", "Fid-In", "p_masked_in", "p_masked_out")
RAW = ("AD", "FF", "MM")


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Train the selected rows and print a table of all finished rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", help="name of a YAML file of this folder")
    parser.add_argument("--data_folder", required=True, metavar="FOLDER", help="ESC-10 or ESC-50")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1986])
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name has this text")
    parser.add_argument("--output_folder", default="results/sweeps", metavar="FOLDER")
    options = parser.parse_args(arguments)
    sweep = yaml.safe_load((HERE / f"{options.sweep}.yaml").read_text(encoding="utf-8"))
    root = Path(options.output_folder) / options.sweep
    for name, changes in sweep["rows"].items():
        for seed in options.seeds if options.only in name else ():
            common = {"data_folder": options.data_folder, "seed": seed, "device": "cpu"}
            settings = {**FOLDS, **common, **sweep["settings"], **changes}
            train_row(HPARAMS / sweep["hparams"], row_folder(root, name, seed), settings)
    print(pd.DataFrame(list(read_rows(root, sweep["rows"]))).to_markdown(index=False))


def row_folder(root: Path, name: str, seed: int) -> Path:
    """Return the folder of a row: its words, joined by hyphens, and its seed."""
    words = "".join(c if c.isalnum() or c == "." else " " for c in name).split()
    return root / f"{'-'.join(words)}-seed{seed}"


def train_row(hparams: Path, folder: Path, settings: dict[str, Any]) -> None:
    """Train a row, unless that is done."""
    start, offset = settings.pop("start", None), settings.pop("start_offset", None)
    words = [str(hparams), *as_arguments({**settings, "output_folder": str(folder)})]
    if is_finished(folder, words):
        return
    if offset is not None:
        start = folder.with_name(f"{folder.name}.start.safetensors")
        write_start(hparams, start, settings, offset)
    train([*words, *(() if start is None else ("--pretrained_decoder", str(start)))])


def write_start(hparams: Path, path: Path, settings: Mapping[str, Any], offset: float) -> None:
    """Write an untrained decoder whose logits are raised by an offset."""
    overrides = {"seed": settings["seed"], "masking": settings["masking"]}
    torch.manual_seed(settings["seed"])
    with hparams.open(encoding="utf-8") as file:
        decoder = load_hyperpyyaml(file, overrides)["decoder"]
    decoder.rescale(1.0, offset)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in decoder.state_dict().items()}, str(path))


def read_rows(root: Path, rows: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """Yield the scores of finished rows, and those of energy beside the first one."""
    energy = None
    for name in rows:
        for folder in sorted(root.glob(f"{row_folder(root, name, 0).name.removesuffix('0')}*")):
            if not (folder / "results.md").is_file():
                continue
            scores = pd.read_csv(folder / "metrics.csv")
            is_energy = scores.method == "energy"
            energy = energy or {"row": "energy", **summarize(scores[is_energy])}
            seed = folder.name.rpartition("seed")[2]
            yield {"row": name, "seed": seed, **summarize(scores[~is_energy])}
    if energy:
        yield energy


def summarize(scores: pd.DataFrame) -> dict[str, float]:
    """Return means at equal area, their in-out margin, and means of the masks as they are."""
    equal = scores[scores.fraction.isin(TOP_K_FRACTIONS)].groupby("metric").value.mean()
    raw = scores[scores.fraction.isna()].groupby("metric").value.mean()
    margin = equal["p_masked_in"] - equal["p_masked_out"]
    summary = {**{name: equal[name] for name in EQUAL_AREA[:3]}, "in-out margin": margin}
    summary |= {f"{name}, raw": raw[name] for name in RAW}
    return {name: round(float(value), 3) for name, value in summary.items()}


if __name__ == "__main__":
    main()
