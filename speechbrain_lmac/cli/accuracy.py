"""``speechbrain-lmac accuracy``: accuracy of a supervised classifier on a labeled data set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

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
from speechbrain_lmac.cli.options import Device, Revision
from speechbrain_lmac.utils.errors import InputError

if TYPE_CHECKING:
    from speechbrain_lmac.models.base import AudioClassifier

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac accuracy --classifier efficientat-labels --data-folder ESC50 \\
      --label-map audioset --folds 5
  speechbrain-lmac accuracy --source results/lmac/stft/1986 --data-folder ESC50 --classes all
"""
CHOICES = ("dataset", "all")
"""Values of ``--classes``."""


def run(
    data_folder: DataFolder,
    classifier: Annotated[
        str | None, Option(metavar="NAME", help="efficientat-labels, speechbrain-cnn14 or ast.")
    ] = None,
    source: Annotated[
        str | None,
        Option(
            metavar="INTERPRETER",
            help="Interpreter whose classifier is used: a results folder, or a Hub repository "
            "USER/NAME.",
        ),
    ] = None,
    revision: Revision = None,
    weights: Weights = None,
    setting: Annotated[
        list[str] | None,
        Option(
            metavar="KEY=VALUE",
            help="Setting of the classifier, such as head=classifier.ckpt. Can be repeated.",
        ),
    ] = None,
    label_map: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="CSV file with the columns label and class, or the word 'audioset'. An empty "
            "class leaves a label out. Default: labels are names of classes.",
        ),
    ] = None,
    classes: Annotated[
        str,
        Option(
            metavar="dataset|all",
            help="Predict among the classes of the data set, or among all classes.",
        ),
    ] = "dataset",
    folds: Folds = None,
    exclude_sources_from: ExcludeSources = None,
    clip_seconds: ClipSeconds = None,
    output_folder: OutputFolder = None,
    device: Device = "cpu",
) -> int:
    """Measure the accuracy of a supervised classifier on a data set."""
    from speechbrain_lmac.evaluation import zero_shot as computation
    from speechbrain_lmac.evaluation.label_map import read_label_map, with_classes
    from speechbrain_lmac.utils.device import check_device

    check_device(device)
    if classes not in CHOICES:
        raise InputError(f"--classes must be {' or '.join(CHOICES)}, got {classes!r}")
    if output_folder:
        computation.ready_folder(output_folder)
    mapping = {} if label_map is None else read_label_map(label_map)
    every = computation.chosen_clips(data_folder, folds or None, exclude_sources_from)
    model = _load(classifier, source, revision, weights, setting or (), device)
    if model.class_names is None:
        raise InputError("the classifier must have classes of its own. Use zero-shot for a CLAP")
    clips = with_classes(every, model.class_names, mapping)
    names = model.class_names if classes == "all" else sorted({clip.label for clip in clips})
    what = (
        f"{model.reference.name}, {len(clips)} of {len(every)} clips of {data_folder}, "
        f"{len(names)} of {len(model.class_names)} classes"
    )
    report_accuracy(model, clips, names, {"classes": names}, what, clip_seconds, output_folder)
    return 0


def _load(
    classifier: str | None,
    source: str | None,
    revision: str | None,
    weights: str | None,
    settings: Sequence[str],
    device: str,
) -> "AudioClassifier":
    """Return the classifier that the options name."""
    if (classifier is None) == (source is None):
        raise InputError("either --classifier or --source must be given")
    if source is not None:
        if weights is not None or settings:
            raise InputError("--weights and --setting must be given with --classifier only")
        from speechbrain_lmac.cli.inputs import load_interpreter

        return load_interpreter(source, revision, device).audio_classifier
    from speechbrain_lmac.models.registry import load_classifier

    pairs = [text.partition("=") for text in settings]
    if wrong := [text for text, (_, sign, _) in zip(settings, pairs) if not sign]:
        raise InputError(f"--setting must be KEY=VALUE, got {wrong[0]!r}")
    values = {key: value for key, _, value in pairs}
    return load_classifier(str(classifier), weights, **values).to(device)
