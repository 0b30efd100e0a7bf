"""Export of a trained interpreter to a folder."""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file

from speechbrain_lmac.pretrained.building import NAMES, takes_class_names
from speechbrain_lmac.pretrained.classifier_weights import save_classifier
from speechbrain_lmac.pretrained.config import CLASSIFIERS, HPARAMS_FILE, OWN_CLASSIFIER
from speechbrain_lmac.pretrained.decoder_weights import DECODER_FILE
from speechbrain_lmac.pretrained.labels import LABELS_FILE, labels_text
from speechbrain_lmac.utils.ownership import check_owned_folder, owned_folder

KIND = "export"
"""Kind of the folder in its ledger."""
FIRST_LINE = "domain. Only scalars and classes of speechbrain_lmac."
"""End of the first line of every ``hyperparams.yaml``."""
TEMPLATE = """\
# {method}, masks in the {masking} domain. Only scalars and classes of speechbrain_lmac.
method: {notes[0]}
classifier_name: {notes[1]}
classifier_revision: {notes[2]}
classifier_sha256: {notes[3]}

audio_classifier: !new:{classifier_class}
{classifier_settings}
domain: !new:{domain_class}
    audio_classifier: !ref <audio_classifier>{domain_settings}
classifier: !new:speechbrain_lmac.masking.masked_classifier.MaskedClassifier
    domain: !ref <domain>
decoder: !new:{decoder_class}
{decoder_config}
model: !new:speechbrain_lmac.masking.interpreter_network.InterpreterNetwork
    classifier: !ref <classifier>
    decoder: !ref <decoder>
modules:
    model: !ref <model>
"""


def export_interpreter(
    model: Any, method: str, folder: str | Path, include_classifier: bool = False
) -> Path:
    """Write an interpreter to a folder, atomically.

    The folder holds ``hyperparams.yaml`` and ``decoder.safetensors``, and ``labels.txt`` if the
    classifier has class names that its weights do not determine.

    Arguments
    ---------
    model : InterpreterNetwork
        Trained network.
    method : str
        Name of the method, as in result tables.
    folder : str or Path
        Folder to write. An earlier export is replaced.
    include_classifier : bool
        Whether to write the weights of a user's own classifier, too. Otherwise the folder holds
        their name and SHA-256. Default: False.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    InputError
        As for :func:`check_exportable`, or if the classifier has no weights of its own to write.
    """
    settings = model.classifier.audio_classifier.settings
    with export_folder(folder) as partial:
        write_interpreter(model, method, partial, settings, include_classifier)
    return Path(folder)


def export_folder(folder: str | Path) -> AbstractContextManager[Path]:
    """Return a context manager of a temporary folder that replaces an earlier export.

    Arguments
    ---------
    folder : str or Path
        Final path, as for :func:`export_interpreter`.
    """
    return owned_folder(folder, KIND, _is_without_ledger)


def write_interpreter(
    model: Any,
    method: str,
    folder: Path,
    classifier_settings: dict[str, Any],
    include_classifier: bool = False,
) -> None:
    """Write the files of an interpreter to an existing folder.

    Arguments
    ---------
    model, method, include_classifier
        As for :func:`export_interpreter`.
    folder : Path
        Existing folder.
    classifier_settings : dict
        Scalar arguments that build the audio classifier again.
    """
    classifier, state = model.classifier.audio_classifier, model.decoder.state_dict()
    weights = {name: weight.cpu().contiguous() for name, weight in state.items()}
    save_file(weights, folder / DECODER_FILE)
    if _has_labels(classifier):
        text = labels_text(classifier.class_names)
        (folder / LABELS_FILE).write_text(text, encoding="utf-8", newline="\n")
    if include_classifier:
        save_classifier(classifier, folder)
    text = hyperparams_text(model, method, classifier_settings)
    (folder / HPARAMS_FILE).write_text(text, encoding="utf-8")


def check_exportable(folder: str | Path) -> None:
    """Raise InputError if a folder has files that are not an unchanged export."""
    check_owned_folder(folder, KIND, _is_without_ledger)


def _is_without_ledger(folder: Path) -> bool:
    """Return True if a folder is an export of a version without ledgers."""
    if sorted(path.name for path in folder.iterdir()) != [DECODER_FILE, HPARAMS_FILE]:
        return False
    text = (folder / HPARAMS_FILE).read_text(encoding="utf-8", errors="replace")
    return FIRST_LINE in text[:300]


def hyperparams_text(model: Any, method: str, classifier_settings: dict[str, Any]) -> str:
    """Return the contents of ``hyperparams.yaml`` for a model.

    Arguments
    ---------
    model : InterpreterNetwork
        Trained network.
    method : str
        Name of the method.
    classifier_settings : dict
        Scalar arguments that build the audio classifier again.

    Returns
    -------
    str
    """
    domain, audio_classifier = model.classifier.domain, model.classifier.audio_classifier
    return TEMPLATE.format(
        method=method,
        notes=[json.dumps(str(text)) for text in (method, *audio_classifier.reference)],
        masking=type(domain).__name__.removesuffix("Domain").lower(),
        classifier_class=_classifier_path(audio_classifier),
        classifier_settings=_mapping_body(
            {name: value for name, value in classifier_settings.items() if name != NAMES},
            flow=False,
        ),
        domain_class=_class_path(domain),
        domain_settings=f"\n{_mapping_body(domain.settings, flow=False)}".rstrip(),
        decoder_class=_class_path(model.decoder),
        decoder_config=_mapping_body(model.decoder.config),
    )


def _mapping_body(values: dict[str, Any], flow: bool | None = None) -> str:
    """Return plain values as the indented body of a YAML mapping."""
    if not values:
        return ""
    lines = yaml.safe_dump(values, default_flow_style=flow, sort_keys=False).splitlines()
    return "\n".join("    " + line for line in lines)


def _has_labels(classifier: Any) -> bool:
    """Whether the class names of a classifier are an argument, or those of the user."""
    is_own = _classifier_path(classifier).endswith(OWN_CLASSIFIER)
    is_own = is_own or takes_class_names(type(classifier))
    return classifier.class_names is not None and is_own


def _classifier_path(classifier: Any) -> str:
    """Class of a classifier, or the one that stands for classes of the user."""
    path = _class_path(classifier)
    known = path.removeprefix("speechbrain_lmac.") in CLASSIFIERS
    return path if known else f"speechbrain_lmac.{OWN_CLASSIFIER}"


def _class_path(instance: Any) -> str:
    return f"{type(instance).__module__}.{type(instance).__qualname__}"
