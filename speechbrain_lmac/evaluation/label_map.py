"""Classes of a supervised classifier for the labels of a data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from speechbrain_lmac.data.labels import AUDIOSET_FILE
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.models.classifiers.names import ClassNames
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv

AUDIOSET = "audioset"
"""Value of ``--label-map`` that selects the map of this package."""
AUDIOSET_MAP = AUDIOSET_FILE.with_name("audioset_classes.csv")
"""AudioSet's class for each label of ESC-50 and UrbanSound8K that has one."""
MAX_LISTED = 5
"""Largest number of labels that an error lists."""


def read_label_map(path: str | Path) -> dict[str, str]:
    """Read the class of each label.

    Arguments
    ---------
    path : str or Path
        CSV file with the columns ``label`` and ``class``, or ``audioset`` for AudioSet's classes of
        the labels of ESC-50 and UrbanSound8K. An empty class leaves the clips of a label out.

    Returns
    -------
    dict
        Label -> class.

    Raises
    ------
    InputError
        If the file cannot be read, or has a label twice.

    Example
    -------
    >>> read_label_map("audioset")["sea_waves"]
    'Waves, surf'
    """
    rows = read_csv(AUDIOSET_MAP if str(path) == AUDIOSET else path, ["label", "class"])
    classes: dict[str, str] = {}
    for row in rows:
        if row["label"] in classes:
            raise InputError(f"{path} must have each label once, got {row['label']!r} twice")
        classes[row["label"]] = row["class"].strip()
    return classes


def with_classes(
    clips: Sequence[Clip], class_names: Sequence[str], label_map: Mapping[str, str]
) -> list[Clip]:
    """Return clips with the class of a classifier as their label.

    Arguments
    ---------
    clips : list of Clip
        Clips with labels of a data set.
    class_names : sequence of str
        Names of all classes of the classifier.
    label_map : dict
        Label -> class. Labels that are left out must be names of classes, in any case.

    Returns
    -------
    list of Clip
        Without the clips of labels with an empty class.

    Raises
    ------
    InputError
        If a label is or has no class, with the nearest names; or no clip is left.
    """
    names = ClassNames(class_names)
    classes: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for label in sorted({clip.label for clip in clips}):
        target = label_map.get(label, label)
        try:
            classes[label] = names.names[names.index(target)] if target else ""
        except InputError:
            unknown[label] = target
    if unknown:
        raise InputError(_unknown(unknown, names))
    chosen = [clip._replace(label=classes[clip.label]) for clip in clips if classes[clip.label]]
    if not chosen:
        raise InputError("--label-map must give a class for some label, got none")
    return chosen


def _unknown(unknown: Mapping[str, str], names: ClassNames) -> str:
    """Return the error message about labels without a class."""
    listed = [
        f"{label!r} (nearest: {', '.join(map(repr, names.nearest(target))) or 'none'})"
        for label, target in list(unknown.items())[:MAX_LISTED]
    ]
    more = ", ..." if len(unknown) > MAX_LISTED else ""
    return (
        f"each label must be one of the {len(names)} classes, got {', '.join(listed)}{more}. Give "
        f"--label-map, a CSV file with the columns label and class, or {AUDIOSET}"
    )
