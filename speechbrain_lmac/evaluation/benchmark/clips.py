"""Clips of a benchmark run, their labels, and the classes that they are scored against."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from speechbrain_lmac.data.datasets import class_names, read_clips, split_by_fold
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, MIXTURE, parse
from speechbrain_lmac.evaluation.predictions import with_predicted_labels
from speechbrain_lmac.evaluation.scoring import ClassPrompts, clip_seed


class BenchmarkClips(NamedTuple):
    """Clips of a run."""

    test: list[Clip]
    """Test clips in a stratified order: any first ones have all classes equally often."""
    valid: list[Clip]
    """Validation clips, for the tuning of baselines."""
    rest: list[Clip]
    """Clips outside the test folds, which may be mixed into test clips."""
    all: list[Clip]


def choose_clips(hparams: Mapping[str, Any], num_clips: Mapping[str, int | None]) -> BenchmarkClips:
    """Choose test and validation clips."""
    folder = hparams["data_folder"]
    if folder is None:
        folder = write_dataset(hparams["synthetic_folder"], seed=0)
    clips = read_clips(folder)
    if hparams["exclude_sources_from"] is not None:
        excluded = {clip.src_file for clip in read_clips(hparams["exclude_sources_from"])}
        clips = [clip for clip in clips if clip.src_file not in excluded]
    folds = {"valid": hparams["valid_folds"], "test": hparams["test_folds"]}
    if hparams["valid_folds"] == []:
        folds.pop("valid")
    splits = split_by_fold(clips, **folds)
    test = stratify(splits["test"], hparams["seed"])[: num_clips["clips"]]
    valid = stratify(splits.get("valid", []), hparams["seed"])[: num_clips["valid_clips"]]
    rest = [clip for clip in clips if clip.fold not in hparams["test_folds"]]
    return BenchmarkClips(test, valid, rest, clips)


def label_clips(hparams: Mapping[str, Any], clips: BenchmarkClips) -> BenchmarkClips:
    """Replace labels by the predictions of a supervised classifier; a CLAP changes nothing.

    Clips that no condition uses are not classified.
    """
    mixes_rest = any(
        parse(name).kind == MIXTURE for name in hparams["conditions"] if name != ABSENT
    )
    used = [*clips.test, *clips.valid, *(clips.rest if mixes_rest else [])]
    unique = list({clip.ID: clip for clip in used}.values())  # valid clips are in the rest
    classifier, seconds = hparams["audio_classifier"], hparams["clip_seconds"]
    by_id = {clip.ID: clip for clip in with_predicted_labels(classifier, unique, seconds)}
    return BenchmarkClips(*([by_id.get(clip.ID, clip) for clip in part] for part in clips))


def stratify(clips: Iterable[Clip], seed: int) -> list[Clip]:
    """Order clips by a seeded draw such that any first ones have all classes equally often."""
    by_label: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: clip_seed(clip.ID, seed)):
        by_label.setdefault(clip.label, []).append(clip)
    turns = [(turn, label) for label in sorted(by_label) for turn in range(len(by_label[label]))]
    return [by_label[label][turn] for turn, label in sorted(turns)]


def embed_classes(hparams: Mapping[str, Any], clips: BenchmarkClips) -> ClassPrompts:
    """Embed the classes that clips are scored against: a classifier's own, or those of the data."""
    classifier, folder = hparams["audio_classifier"], hparams["data_folder"]
    names = classifier.class_names or class_names(
        folder or hparams["synthetic_folder"], clips.all, hparams["classes"]
    )
    return ClassPrompts(names, classifier.class_queries(names, hparams["eval_templates"]))
