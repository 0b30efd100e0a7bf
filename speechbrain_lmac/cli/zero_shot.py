"""``speechbrain-lmac zero-shot``: zero-shot accuracy of a model on a labeled data set."""

from pathlib import Path
from typing import Annotated

from typer import Option

from speechbrain_lmac.cli.options import Device, check_positive
from speechbrain_lmac.data.prompts import TEMPLATE

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac zero-shot --clap mini --data-folder ESC-50-master --folds 5
  speechbrain-lmac zero-shot --clap laion --data-folder ESC50 --prompts "{}" paraphrases
"""


def run(
    clap: Annotated[
        str,
        Option(metavar="NAME", help="mini, efficientat, laion, microsoft or transformers."),
    ],
    data_folder: Annotated[
        str, Option(metavar="FOLDER", help="Data set in the layout of ESC-50 or UrbanSound8K.")
    ],
    weights: Annotated[
        str | None,
        Option(metavar="FILE", help="Weights: a file, folder or Hub id. Default: the model's own."),
    ] = None,
    tokenizer: Annotated[
        str | None, Option(metavar="FOLDER", help="Tokenizer. Default: the model's own.")
    ] = None,
    prompts: Annotated[
        list[str] | None,
        Option(
            metavar="PROMPTS...",
            help="Templates such as 'the sound of {}', the word 'paraphrases', or CSV files with "
            f"columns category and prompt. Default: '{TEMPLATE}'.",
        ),
    ] = None,
    classes: Annotated[
        str,
        Option(metavar="dataset|present", help="All classes of the data set, or those present."),
    ] = "dataset",
    folds: Annotated[
        list[int] | None, Option(metavar="N...", help="Folds to classify. Default: all.")
    ] = None,
    exclude_sources_from: Annotated[
        str | None,
        Option(metavar="FOLDER", help="Data set whose source recordings are excluded."),
    ] = None,
    clip_seconds: Annotated[
        float | None,
        Option(
            metavar="S",
            callback=check_positive,
            help="Cut or pad clips to this length. Default: their own length.",
        ),
    ] = None,
    output_folder: Annotated[
        str | None, Option(metavar="FOLDER", help="Folder for predictions and tables.")
    ] = None,
    device: Device = "cpu",
) -> int:
    """Measure the zero-shot accuracy of a model on a data set."""
    from speechbrain_lmac.data.datasets import class_names
    from speechbrain_lmac.evaluation import zero_shot as computation
    from speechbrain_lmac.evaluation.prompt_wordings import chosen_wordings
    from speechbrain_lmac.evaluation.zero_shot_tables import report
    from speechbrain_lmac.models.registry import load_clap
    from speechbrain_lmac.utils.device import check_device

    check_device(device)
    if output_folder:
        computation.ready_folder(output_folder)
    clips = computation.chosen_clips(data_folder, folds or None, exclude_sources_from)
    names = class_names(data_folder, clips, classes)
    wordings = chosen_wordings(names, prompts or [TEMPLATE])
    settings = {} if tokenizer is None else {"tokenizer": tokenizer}
    model = load_clap(clap, weights, **settings).to(device)
    embeddings = computation.embed_clips(model, clips, clip_seconds)
    rows = computation.classify(model, embeddings, clips, names, wordings)
    what = f"{clap} CLAP, {len(clips)} clips of {data_folder}, {len(names)} names"
    text = report(rows, names, what)
    print(text)
    if output_folder:
        computation.write(Path(output_folder), rows, names, text)
    return 0
