"""``speechbrain-lmac zero-shot``: zero-shot accuracy of a model on a labeled data set."""

from typing import Annotated

from typer import Option

from speechbrain_lmac.cli.labeled_data import (
    ClipSeconds,
    DataFolder,
    ExcludeSources,
    Folds,
    OutputFolder,
    Weights,
    report_accuracy,
)
from speechbrain_lmac.cli.options import Device
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
    data_folder: DataFolder,
    weights: Weights = None,
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
    folds: Folds = None,
    exclude_sources_from: ExcludeSources = None,
    clip_seconds: ClipSeconds = None,
    output_folder: OutputFolder = None,
    device: Device = "cpu",
) -> int:
    """Measure the zero-shot accuracy of a model on a data set."""
    from speechbrain_lmac.data.datasets import class_names
    from speechbrain_lmac.evaluation import zero_shot as computation
    from speechbrain_lmac.evaluation.prompt_wordings import chosen_wordings
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
    what = f"{clap} CLAP, {len(clips)} clips of {data_folder}, {len(names)} names"
    report_accuracy(model, clips, names, wordings, what, clip_seconds, output_folder)
    return 0
