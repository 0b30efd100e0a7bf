"""Model card of an interpreter."""

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.config import (
    HPARAMS_FILE,
    OWN_CLASSIFIER,
    read_interpreter_config,
)
from speechbrain_lmac.pretrained.decoder_weights import DECODER_FILE
from speechbrain_lmac.pretrained.files import CLASSIFIER_FILE, fingerprint
from speechbrain_lmac.pretrained.papers import PAPERS
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.version import VERSION

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

TASK = "audio-classification"
LIBRARY = "speechbrain"
"""Name of a library that the Hub knows."""
TEMPLATE = "model_card.md.j2"
LICENSE_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")
"""Form of the licenses' ids on the Hub."""


def interpreter_card(
    folder: Path,
    name: str,
    method: str,
    masking: str,
    classifier: AudioClassifier,
    license: str | None = None,
    eval_results: "Sequence[EvalResult]" = (),
    run: dict[str, Any] | None = None,
    datasets: Sequence[str] = (),
) -> "ModelCard":
    """Build the model card of an interpreter.

    Arguments
    ---------
    folder : Path
        Folder with the files of the interpreter.
    name : str
        Repository ``user/name``, or the name of a local folder.
    method : str
        Name of the method.
    masking : str
        Name of the masking domain.
    classifier : AudioClassifier
        Classifier that is explained.
    license : str
        License of the decoder, as an id of the Hub. Default: not stated.
    eval_results : sequence of EvalResult
        Results in the metadata. Default: none.
    run : dict
        Results, samples and data of the training run, by the names of the template. Default: the
        card has no section for them.
    datasets : sequence of str
        Hub repositories of the training data, in the metadata. Default: none.

    Returns
    -------
    huggingface_hub.ModelCard

    Raises
    ------
    InputError
        If the license is not an id.
    """
    from huggingface_hub import ModelCard, ModelCardData

    check_license(license)
    title = name.rpartition("/")[2]
    data = ModelCardData(
        license=license,
        library_name=LIBRARY,
        pipeline_tag=TASK,
        datasets=list(datasets) or None,
        tags=list(PAPERS[classifier.method_family].tags),
        model_name=title if eval_results else None,
        eval_results=list(eval_results) or None,
    )
    template = files("speechbrain_lmac.pretrained") / TEMPLATE
    return ModelCard.from_template(
        data,
        template_str=template.read_text(encoding="utf-8"),
        title=title,
        repo_id=name,
        method=method,
        masking=masking,
        version=VERSION,
        fingerprint=fingerprint(folder),
        decoder_bytes=_size(folder / DECODER_FILE),
        run=run,
        **_classifier_content(folder, classifier),
    )


def check_license(license: str | None) -> None:
    """Raise InputError unless a license has the form of an id of the Hub, or is None."""
    if license is not None and not LICENSE_ID.fullmatch(license):
        raise InputError(
            f"license must be an id of the Hub, got {license!r}. Give cc-by-4.0, mit or another"
        )


def code(text: str) -> str:
    """Return a text as code of Markdown, in which nothing else has a meaning.

    Example
    -------
    >>> code("<b>dog`s</b>")
    "`<b>dog's</b>`"
    """
    return f"`{text.replace('`', chr(39))}`"


def _classifier_content(folder: Path, classifier: AudioClassifier) -> dict[str, Any]:
    """Return what the card says about the classifier, by the names of the template."""
    names = [code(name) for name in classifier.class_names or ()]
    return {
        "classifier": classifier.reference,
        "family": classifier.method_family,
        "paper": PAPERS[classifier.method_family],
        "words": classifier.question_words,
        "classes": names,
        "example": example_code(classifier),
        "is_own": classifier_part(folder) == OWN_CLASSIFIER,
        "classifier_bytes": _size(folder / CLASSIFIER_FILE),
    }


def example_code(classifier: AudioClassifier) -> str:
    """Return the prompts of the card's example as Python code.

    They are two prompts of a CLAP, or two class names.
    """
    names = classifier.class_names
    prompts = ["the sound of a siren", "rain"] if names is None else list(names[:2])
    return json.dumps(prompts, ensure_ascii=False)


def classifier_part(folder: Path) -> str:
    """Return the class of the classifier that an interpreter's file names."""
    text = (folder / HPARAMS_FILE).read_text(encoding="utf-8")
    return read_interpreter_config(text, HPARAMS_FILE).parts["audio_classifier"].kind


def _size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0
