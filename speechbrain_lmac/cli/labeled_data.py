"""Options of the commands that classify a labeled data set, and their output."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from speechbrain_lmac.cli.options import check_positive

if TYPE_CHECKING:
    from speechbrain_lmac.data.manifest import Clip
    from speechbrain_lmac.models.base import AudioClassifier

DataFolder = Annotated[
    str,
    Option(
        metavar="FOLDER",
        help="Folder with one subfolder per class, ESC-50, UrbanSound8K, a saved set of datasets, "
        "or a CSV file of path,label.",
    ),
]
Weights = Annotated[
    str | None,
    Option(metavar="FILE", help="Weights: a file, folder or Hub id. Default: the model's own."),
]
Folds = Annotated[list[int] | None, Option(metavar="N...", help="Folds to classify. Default: all.")]
ExcludeSources = Annotated[
    str | None,
    Option(metavar="FOLDER", help="Data set whose source recordings are excluded."),
]
ClipSeconds = Annotated[
    float | None,
    Option(
        metavar="S",
        callback=check_positive,
        help="Cut or pad clips to this length. Default: their own length.",
    ),
]
OutputFolder = Annotated[
    str | None, Option(metavar="FOLDER", help="Folder for predictions and tables.")
]


def report_accuracy(
    model: "AudioClassifier",
    clips: "Sequence[Clip]",
    names: Sequence[str],
    wordings: Mapping[str, Sequence[str]],
    what: str,
    clip_seconds: float | None,
    output_folder: str | None,
) -> None:
    """Classify clips, print the tables and write them.

    Arguments
    ---------
    model : AudioClassifier
        Classifier of the clips.
    clips : list of Clip
        Clips whose labels are among ``names``.
    names : sequence of str
        Classes to choose from.
    wordings : dict
        Name of a wording -> the question of each class.
    what : str
        Heading.
    clip_seconds : float or None
        Length that clips are cut or padded to.
    output_folder : str or None
        Folder for predictions and tables.
    """
    from speechbrain_lmac.evaluation import zero_shot as computation
    from speechbrain_lmac.evaluation.zero_shot_tables import report

    embeddings = computation.embed_clips(model, clips, clip_seconds)
    rows = computation.classify(model, embeddings, clips, names, wordings)
    text = report(rows, names, what)
    print(text)
    if output_folder:
        computation.write(Path(output_folder), rows, names, text)
