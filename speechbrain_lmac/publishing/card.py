"""Model card of a published interpreter."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.synthetic_dataset import is_synthetic
from speechbrain_lmac.evaluation.tables import MEAN, markdown_table, mean_scores
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.config import (
    HPARAMS_FILE,
    OWN_CLASSIFIER,
    read_interpreter_config,
)
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.pretrained.files import CLASSIFIER_FILE, fingerprint
from speechbrain_lmac.publishing.papers import PAPERS
from speechbrain_lmac.utils.version import VERSION

LICENSES = {
    "ESC-50": "CC BY-NC 3.0 (ESC-10 part: CC BY)",
    "UrbanSound8K": "CC BY-NC 3.0",
    "synthetic sounds": "made by speechbrain-lmac, free",
}
"""Licenses of data sets whose manifests do not state one."""
TASK = "audio-classification"
REPORTED_METRICS = ("AD", "FF", "Fid-In")
"""Metrics in the metadata of the card."""


def model_card(
    folder: Path,
    results: Path,
    repo_id: str,
    interpreter: Any,
    rows: pd.DataFrame,
    settings: dict[str, Any],
    license: str | None,
) -> ModelCard:
    """Build the model card of an interpreter.

    Arguments
    ---------
    folder : Path
        Repository folder with the files of the interpreter.
    results : Path
        Results folder of ``train.py``.
    repo_id : str
        Name of the repository, ``user/name``.
    interpreter : Interpreter
        Interpreter that is published.
    rows : pandas.DataFrame
        Long-format results of the evaluation.
    settings : dict
        Settings of the training run.
    license : str or None
        License of the decoder, as an id of the Hub.

    Returns
    -------
    huggingface_hub.ModelCard
    """
    method, name = interpreter.hparams.method, repo_id.split("/")[1]
    classifier = interpreter.audio_classifier
    test_clips = manifest.read_unchecked(results / "test.csv")
    test_data = ", ".join(dict.fromkeys(map(_dataset_of, test_clips)))
    data = ModelCardData(
        license=license,
        library_name="speechbrain-lmac",
        pipeline_tag=TASK,
        tags=list(PAPERS[classifier.method_family].tags),
        model_name=name,
        eval_results=list(_eval_results(rows, method, test_data)),
    )
    template = files("speechbrain_lmac.publishing") / "model_card.md.j2"
    return ModelCard.from_template(
        data,
        template_str=template.read_text(encoding="utf-8"),
        repo_id=repo_id,
        method=method,
        masking=settings["masking"].upper(),
        version=VERSION,
        fingerprint=fingerprint(folder),
        decoder_bytes=_size(folder / DECODER_FILE),
        table=markdown_table(rows, MEAN),
        num_test_clips=len(test_clips),
        test_data=test_data,
        training_data=_training_data(manifest.read_unchecked(results / "train.csv")),
        settings=settings,
        **_classifier_content(folder, classifier),
    )


def _classifier_content(folder: Path, classifier: AudioClassifier) -> dict[str, Any]:
    """Return what the card says about the classifier, by the names of the template."""
    names = [f"`{name.replace('`', chr(39))}`" for name in classifier.class_names or ()]
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


def _eval_results(rows: pd.DataFrame, method: str, dataset: str) -> Iterator[EvalResult]:
    """Yield the results of the published method, as means over the mask areas."""
    means: dict[Any, float] = mean_scores(rows, MEAN).to_dict("index").get(method, {})
    for metric in REPORTED_METRICS:
        if pd.notna(means.get(metric)):
            yield EvalResult(
                task_type=TASK,
                dataset_type=dataset.lower().replace(" ", "-"),
                dataset_name=dataset,
                metric_type=metric.lower(),
                metric_name=f"{metric}, mean over the top 5, 10, 20 and 40 % of T-F bins",
                metric_value=round(means[metric], 4),
            )


def _dataset_of(clip: Any) -> str:
    """Return the name of a clip's data set."""
    return "synthetic sounds" if is_synthetic(clip) else clip.dataset or "own recordings"


def _training_data(clips: Iterable[Any]) -> Sequence[dict[str, Any]]:
    """Return the number of clips by data set and license."""
    unique = {(_dataset_of(clip), clip.license, clip.wav, clip.start) for clip in clips}
    counts = Counter((name, license) for name, license, *_ in unique)
    return [
        {"name": name, "clips": count, "license": license or LICENSES.get(name, "not stated")}
        for (name, license), count in sorted(counts.items())
    ]
