"""Model card of a trained interpreter, with the results of its run."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import EvalResult, ModelCard

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.synthetic_dataset import is_synthetic
from speechbrain_lmac.evaluation.tables import MEAN, markdown_table, mean_scores
from speechbrain_lmac.pretrained.card import TASK, interpreter_card

LICENSES = {
    "ESC-50": "CC BY-NC 3.0 (ESC-10 part: CC BY)",
    "UrbanSound8K": "CC BY-NC 3.0",
    "synthetic sounds": "made by speechbrain-lmac, free",
}
"""Licenses of data sets whose manifests do not state one."""
HUB_IDS = {"ESC-50": "ashraq/esc50", "UrbanSound8K": "danavery/urbansound8K"}
"""Data sets that are recognized by their layout -> their repositories on the Hub."""
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
    samples: Sequence[dict[str, Any]],
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
    samples : sequence of dict
        ``text`` and ``url`` of sounds.

    Returns
    -------
    huggingface_hub.ModelCard
    """
    method = interpreter.hparams.method
    test_clips = manifest.read_unchecked(results / "test.csv")
    test_data = ", ".join(dict.fromkeys(map(_dataset_of, test_clips)))
    training_data = _training_data(manifest.read_unchecked(results / "train.csv"))
    run = {
        "table": markdown_table(rows, MEAN),
        "num_test_clips": len(test_clips),
        "test_data": test_data,
        "training_data": training_data,
        "settings": settings,
        "samples": samples,
    }
    return interpreter_card(
        folder,
        repo_id,
        method,
        settings["masking"].upper(),
        interpreter.audio_classifier,
        license,
        list(_eval_results(rows, method, test_data)),
        run,
        [HUB_IDS[name] for name in HUB_IDS if name in {row["name"] for row in training_data}],
    )


def _eval_results(rows: pd.DataFrame, method: str, dataset: str) -> Iterator[EvalResult]:
    """Yield the results of the published method, as means over the mask areas."""
    means: dict[Any, float] = mean_scores(rows, MEAN).to_dict("index").get(method, {})
    for metric in REPORTED_METRICS:
        if pd.notna(means.get(metric)):
            yield EvalResult(
                task_type=TASK,
                dataset_type=dataset.lower().replace(" ", "-"),
                dataset_name=dataset,
                dataset_split="test",
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
