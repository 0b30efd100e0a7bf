"""Clips of a training run: which train, which validate and which test."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any

import speechbrain as sb
from tqdm import tqdm

from speechbrain_lmac.audio.io import check_clip
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import check_sources, read_clips, split_by_fold
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.evaluation.benchmark.clips import stratify
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.utils.errors import InputError

NUMBERS: dict[str, tuple[type | UnionType, float, float]] = {
    **dict.fromkeys(
        ("batch_size", "prompts_per_clip", "encoded_prompts_per_clip"), (int, 1, math.inf)
    ),
    **dict.fromkeys(("valid_interval", "chunk_size"), (int, 1, math.inf)),
    "number_of_epochs": (int, 1, math.inf),
    "lr": (int | float, 1e-12, math.inf),
    "clip_seconds": (int | float, 0.01, math.inf),
    "mix_probability": (int | float, 0, 1),
    "contrast_probability": (int | float, 0, 1),
    "feature_dropout": (int | float, 0, 0.99),
    "other_class_probability": (int | float, 0, 1),
    "noise_snr_db": (int | float, -60, 60),
}
"""Type, minimum and maximum of numeric settings."""

Splits = dict[str, list[Clip]]
DEBUG_BATCHES, DEBUG_CLIPS = 2, 4
"""Training batches, and validation and test clips, of ``--debug``."""


def check_numbers(hparams: Mapping[str, Any]) -> None:
    """Raise InputError if a numeric setting has no valid value."""
    for name, (kind, minimum, maximum) in NUMBERS.items():
        value = hparams[name]
        valid = isinstance(value, kind) and not isinstance(value, bool)
        if not valid or not minimum <= value <= maximum:
            noun = "a whole number" if kind is int else "a number"
            bounds = f"from {minimum:g}" + ("" if maximum == math.inf else f" to {maximum:g}")
            raise InputError(f"{name} must be {noun} {bounds}, got {value!r}")
    if not isinstance(hparams["roll_clips"], bool):
        raise InputError(f"roll_clips must be True or False, got {hparams['roll_clips']!r}")
    if hparams["encoded_prompts_per_clip"] > hparams["prompts_per_clip"]:
        raise InputError(
            "encoded_prompts_per_clip must be at most prompts_per_clip, got "
            f"{hparams['encoded_prompts_per_clip']} and {hparams['prompts_per_clip']}"
        )


def data_folder_of(hparams: Mapping[str, Any]) -> str:
    """Folder or manifest of the data; the synthetic data set is written if there is none."""
    if hparams["data_folder"] is not None:
        return hparams["data_folder"]
    folder = hparams["synthetic_folder"]
    sb.utils.distributed.run_on_main(write_dataset, args=[folder], kwargs={"seed": 0})
    return folder


def load_splits(
    hparams: Mapping[str, Any], audio_classifier: AudioClassifier, debug: bool = False
) -> tuple[Splits, Splits]:
    """Read the data, split it, and check that every sound can be used.

    Arguments
    ---------
    hparams : dict
        Settings of the run.
    audio_classifier : AudioClassifier
        Classifier that encodes the clips.
    debug : bool
        Use a few clips of each split only. Default: False.

    Returns
    -------
    dict, dict
        Clips of each split ``train``, ``valid`` and ``test``: all, and those of the data folder
        alone.

    Raises
    ------
    InputError
        If a setting or a sound is invalid, or a split would be empty.
    """
    check_numbers(hparams)
    of_data, extra = split_data(hparams, read_clips(data_folder_of(hparams)))
    names = ("train", "valid", "test")
    splits = {name: [*of_data.get(name, []), *extra.get(name, [])] for name in names}
    check_sources(splits)
    if debug:
        splits = shorten(splits, hparams["batch_size"])
    if len(splits["train"]) < hparams["batch_size"]:
        raise InputError(
            f"batch_size must be at most the number of training clips, {len(splits['train'])}, got "
            f"{hparams['batch_size']}. Give a smaller --batch_size or more --train_folds"
        )
    audio_classifier.window.check_seconds(hparams["clip_seconds"], audio_classifier.sample_rate)
    excerpts = {(c.wav, c.start, c.stop) for clips in splits.values() for c in clips}
    for wav, start, stop in tqdm(sorted(excerpts), "checking sounds"):
        check_clip(wav, hparams["clip_seconds"], start, stop)
    noises = hparams["noise"].files
    for wav in tqdm(noises, "checking noise", disable=not noises):
        check_clip(wav, hparams["clip_seconds"])
    return splits, of_data


def shorten(splits: Splits, batch_size: int) -> Splits:
    """Splits of a smoke test: two batches train, and a few clips validate and test."""
    sizes = {"train": DEBUG_BATCHES * batch_size}
    return {
        name: stratify(clips, seed=0)[: sizes.get(name, DEBUG_CLIPS)]
        for name, clips in splits.items()
    }


def split_data(hparams: Mapping[str, Any], clips: list[Clip]) -> tuple[Splits, Splits]:
    """Assign clips to splits.

    Arguments
    ---------
    hparams : dict
        Settings ``train_folds``, ``valid_folds``, ``test_folds``, ``train_manifest`` and
        ``extra_train_manifest``.
    clips : list of Clip
        Clips of the data folder.

    Returns
    -------
    dict, dict
        Clips of each split: those of the data folder, and those of the manifests.

    Raises
    ------
    InputError
        If no clip validates, or two clips have the same ID.
    """
    folds = {name: hparams[f"{name}_folds"] for name in ("train", "valid", "test")}
    train_manifest, extra_manifest = hparams["train_manifest"], hparams["extra_train_manifest"]
    if train_manifest is not None:  # the folds test, and validate if there are some
        del folds["train"]
        if folds["valid"] == []:
            del folds["valid"]
    of_data = split_by_fold(clips, **folds)
    extra: Splits = {"train": [], "valid": []}
    if train_manifest is not None:
        extra = read_manifest_splits(train_manifest)
    if "valid" in of_data:
        extra["valid"] = []
    elif not extra["valid"]:
        raise InputError(
            "valid_folds must name a fold if train_manifest has no validation clips, got none"
        )
    if extra_manifest is not None:
        _add(extra, read_manifest_splits(extra_manifest), of_data)
    return of_data, extra


def _add(extra: Splits, more: Splits, of_data: Splits) -> None:
    """Add the splits of the extra manifest; InputError if an ID occurs twice."""
    known = {c.ID for splits in (of_data, extra) for clips in splits.values() for c in clips}
    for name, clips in more.items():
        if twice := known & {clip.ID for clip in clips}:
            raise InputError(
                f"the IDs of extra_train_manifest must differ from those of the data, got "
                f"{min(twice)} twice. Rename it"
            )
        extra[name] = [*extra[name], *clips]


def read_manifest_splits(path: str | Path) -> Splits:
    """Training and validation clips of a manifest; clips without a split train."""
    clips = manifest.read(path)
    return {
        "train": [clip for clip in clips if clip.split in ("", "train")],
        "valid": [clip for clip in clips if clip.split == "valid"],
    }
