"""Zero-shot classification of a labeled set: how good is the CLAP that is to be explained?"""

import argparse
import math
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from speechbrain_lmac.audio.io import check_audio, fit, load_audio
from speechbrain_lmac.data.datasets import class_names, read_clips
from speechbrain_lmac.data.prompts import TEMPLATE, paraphrases, speakable
from speechbrain_lmac.evaluation.zero_shot_tables import confusion, per_class, report
from speechbrain_lmac.models.registry import CLAPS, load_clap
from speechbrain_lmac.utils.device import check_device
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import check_writable, write_text
from speechbrain_lmac.utils.ownership import Ledger, owned

PARAPHRASES = "paraphrases"
"""Value of ``--prompts`` that stands for the shipped ones."""


@report_errors
def main(arguments=None):
    """Classify a set as the command line says; print a report, write it where asked."""
    options = parser().parse_args(arguments)
    check_device(options.device)
    if options.output_folder:
        ready_folder(options.output_folder)
    clips = chosen_clips(options.data_folder, options.folds, options.without)
    names = class_names(options.data_folder, clips, options.classes)
    wordings = chosen_wordings(names, options.prompts)
    others = {} if options.tokenizer is None else {"tokenizer": options.tokenizer}
    clap = load_clap(options.clap, options.weights, **others).to(options.device)
    embeddings = embed_clips(clap, clips, options.clip_seconds)
    rows = classify(clap, embeddings, clips, names, wordings)
    what = f"{options.clap} CLAP, {len(clips)} clips of {options.data_folder}, {len(names)} names"
    text = report(rows, names, what)
    print(text)
    if options.output_folder:
        write(Path(options.output_folder), rows, names, text)


def parser():
    """The command's arguments."""
    this = argparse.ArgumentParser(
        prog="speechbrain-lmac zero-shot",
        description="Zero-shot accuracy of a CLAP on a folder laid out as ESC-50 or UrbanSound8K.",
    )
    add = this.add_argument
    add("--clap", required=True, choices=CLAPS)
    add("--data_folder", required=True, metavar="FOLDER")
    add("--weights", metavar="FILE", help="of the CLAP, or a folder or Hub id, if not its own")
    add("--tokenizer", metavar="FOLDER", help="of the CLAP, if not its own")
    add(
        "--prompts",
        nargs="+",
        default=[TEMPLATE],
        metavar="P",
        help='templates such as "the sound of {}", or "paraphrases", or a csv file with the '
        f'columns category and prompt; default "{TEMPLATE}"',
    )
    add("--classes", default="dataset", help="all names of the set, or those present (%(default)s)")
    add("--folds", nargs="+", type=int, metavar="N", help="only these")
    add("--without", metavar="FOLDER", help="leave out recordings that this set holds as well")
    add("--clip_seconds", type=duration, metavar="S", help="cut or pad clips; default: as they are")
    add("--output_folder", metavar="FOLDER", help="for predictions, confusion and tables")
    add("--device", default="cpu")
    return this


def duration(text):
    """Seconds of the command line, positive."""
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError
    return seconds


WRITTEN = ("predictions.csv", "confusion.csv", "per_class.csv", "report.md")
"""In the output folder."""


def ready_folder(folder):
    """Make the output folder before the work, not after it."""
    check_writable(Path(folder) / "report.md")
    Ledger(folder).check(WRITTEN)


def chosen_clips(data_folder, folds=None, without=None):
    """Clips of a folder, of some folds, whose source recordings another set does not hold."""
    clips = read_clips(data_folder)
    if folds is not None:
        known = sorted({clip.fold for clip in clips})
        unknown = sorted(set(folds) - set(known))
        if unknown:
            raise InputError(f"{data_folder} has no fold {unknown[0]}; there are {known}")
        clips = [clip for clip in clips if clip.fold in folds]
    if without is not None:
        shared = {clip.src_file for clip in read_clips(without)}
        clips = [clip for clip in clips if clip.src_file not in shared]
    if not clips:
        raise InputError(f"no clip of {data_folder} is left to classify")
    return clips


def chosen_wordings(names, prompts):
    """Ways to put the names into words.

    Arguments
    ---------
    names : sequence of str
        Class names.
    prompts : list of str
        Templates that hold ``{}``, ``"paraphrases"``, paths of csv files.

    Returns
    -------
    dict
        What to call a wording -> a prompt per name.

    Example
    -------
    >>> chosen_wordings(["sea_waves"], ["a recording of {}"])
    {'a recording of {}': ['a recording of sea waves']}
    """
    wordings = {}
    for choice in prompts:
        if choice == PARAPHRASES:
            wordings.update(_numbered(names, paraphrases(), choice))
        elif choice.count("{}") == 1:
            wordings[choice] = [choice.replace("{}", speakable(name)) for name in names]
        elif choice.endswith(".csv"):
            wordings.update(_numbered(names, read_prompts(choice), choice))
        else:
            raise InputError(
                f"--prompts {choice!r} is no template with one {{}}, no csv file and not "
                f"{PARAPHRASES!r}"
            )
    return wordings


def _numbered(names, prompts, source):
    missing = [name for name in names if name not in prompts]
    if missing:
        raise InputError(f"{source} has no prompt for {missing[0]!r}")
    count = min(len(prompts[name]) for name in names)
    uneven = [name for name in names if len(prompts[name]) > count]
    if uneven:
        raise InputError(f"{source} has more prompts for {uneven[0]!r} than for other names")
    return {f"{source} {k + 1}": [prompts[name][k] for name in names] for k in range(count)}


def read_prompts(path):
    """Prompts of a csv file with the columns category and prompt: category -> list."""
    try:
        table = pd.read_csv(path, dtype=str, na_filter=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} cannot be read as csv: {error}") from error
    if not {"category", "prompt"} <= set(table.columns):
        raise InputError(f"{path} has no columns category and prompt")
    empty = table[table.prompt.str.strip() == ""]
    if len(empty):
        raise InputError(f"{path} has an empty prompt for {empty.category.iloc[0]!r}")
    return table.groupby("category").prompt.apply(list).to_dict()


@torch.no_grad()
def embed_clips(clap, clips, seconds=None):
    """Embed clips one by one, each at its own length or all at one.

    Arguments
    ---------
    clap : CLAP
        Any adapter.
    clips : list of Clip
        Their files are read.
    seconds : float
        Longer clips are cut, shorter ones padded with silence.

    Raises
    ------
    InputError
        If one cannot be heard: all are read before the first is embedded.

    Returns
    -------
    torch.Tensor
        ``[clips, dim]``.
    """
    embeddings = []
    device = clap.filterbank.device
    for clip in tqdm(clips, desc="checking sounds", unit="clip", dynamic_ncols=True):
        check_audio(clip.wav, clip.start, clip.stop)
    for clip in tqdm(clips, desc="listening", unit="clip", dynamic_ncols=True):
        wav = load_audio(clip.wav, clap.sample_rate, clip.start, clip.stop)
        if seconds is not None:
            wav = fit(wav, round(seconds * clap.sample_rate))
        embeddings.append(clap(wav.unsqueeze(0).to(device)).vector)
    return torch.cat(embeddings)


def classify(clap, embeddings, clips, names, wordings):
    """Score every clip against every name, in every wording.

    Returns
    -------
    pandas.DataFrame
        A row per clip and wording: ``clip``, ``label``, ``wording``, ``predicted``, ``rank`` of
        the label (1: right) and ``confidence``, the prediction's share of a softmax over names.
    """
    labels = torch.tensor([names.index(clip.label) for clip in clips], device=embeddings.device)
    tables = []
    for wording, prompts in wordings.items():
        logits = clap.logits(embeddings, clap.queries(prompts))
        if not logits.isfinite().all():
            raise InputError(f"some scores under {wording!r} are no numbers; check the weights")
        order = logits.argsort(dim=1, descending=True, stable=True)
        rank = 1 + (order == labels.unsqueeze(1)).int().argmax(dim=1)
        best, confidence = order[:, 0], torch.softmax(logits, dim=1).amax(dim=1)
        tables.append(
            pd.DataFrame(
                {
                    "clip": [clip.ID for clip in clips],
                    "label": [clip.label for clip in clips],
                    "wording": wording,
                    "predicted": [names[i] for i in best.tolist()],
                    "rank": rank.tolist(),
                    "confidence": confidence.tolist(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def write(folder, rows, names, text):
    """Write ``predictions.csv``, ``confusion.csv``, ``per_class.csv`` and ``report.md``."""
    texts = (
        rows.to_csv(index=False),
        confusion(rows, names).to_csv(),
        per_class(rows).to_csv(index_label="label"),
        text,
    )
    for name, held in zip(WRITTEN, texts, strict=True):
        write_text(folder / name, held, through=owned)
    print(f"written to {folder}")
