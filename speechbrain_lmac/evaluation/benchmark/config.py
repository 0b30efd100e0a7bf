"""Configuration of a benchmark run: settings, clips, prompts, conditions and systems."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from speechbrain_lmac.audio.io import check_clip
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation.benchmark import systems
from speechbrain_lmac.evaluation.benchmark.clips import (
    choose_clips,
    embed_classes,
    label_clips,
)
from speechbrain_lmac.evaluation.benchmark.conditions import (
    ABSENT,
    TWO_SOURCE,
    Condition,
    parse,
)
from speechbrain_lmac.evaluation.benchmark.items import EvaluationItem, make_items
from speechbrain_lmac.evaluation.benchmark.results import FORMAT
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.models.classifiers.yamnet import YAMNet
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256

FREE_SETTINGS = (
    *("interpreters", "batch_size", "gallery", "yamnet_weights", "noise_folders"),
    *("exclude_sources_from", "num_clips", "debug_num_clips", "debug_explainers"),
)
"""Settings that a resumed run may change, because no record depends on their text."""
LISTS = ("maskings", "conditions", "explainers", "subset_only_explainers", "top_k_fractions")
MAPPINGS = ("noise_folders", "explainer_kwargs", "num_clips", "debug_num_clips")
SIZES = {"clips", "valid_clips", "subset", "randomized"}


class BenchmarkConfig:
    """Everything that defines a run. It raises InputError before anything is measured.

    Arguments
    ---------
    hparams : dict
        Settings of ``hparams/evaluate.yaml``.
    device : str
        Device of the models. Default: ``cpu``.
    debug : bool
        Measure a few explainers on a few clips, in the subfolder ``debug``. Default: False.
    """

    def __init__(self, hparams: dict[str, Any], device: str = "cpu", debug: bool = False):
        check_settings(hparams)
        self.folder = Path(hparams["output_folder"])
        self.num_clips = hparams["debug_num_clips" if debug else "num_clips"]
        if debug:
            hparams, self.folder = debug_settings(hparams), self.folder / "debug"
        self.hparams = hparams
        self.has_absent = ABSENT in hparams["conditions"]
        self.conditions = [parse(name) for name in hparams["conditions"] if name != ABSENT]
        weights = hparams["yamnet_weights"]
        self.yamnet = None if weights is None else YAMNet(weights)
        hparams["audio_classifier"].to(device)
        self.clips = choose_clips(hparams, self.num_clips)
        self._check_clips()
        self.clips = label_clips(hparams, self.clips)
        self.prompts = embed_classes(hparams, self.clips)
        self.systems = systems.load_systems(hparams)
        systems.check_one_method(self.systems)
        systems.check_held_out(self.systems, self.clips.test)
        systems.check_queries(self.systems, hparams, self.num_clips)
        self.clip_seconds: float = hparams["clip_seconds"]
        self.batch_size: int = hparams["batch_size"]
        self.classifier_sha256 = hparams["audio_classifier"].reference.sha256

    def _check_clips(self) -> None:
        hparams, clips = self.hparams, self.clips
        if hparams["tune_baselines"] and not clips.valid:
            raise InputError(
                "valid_folds must name a fold if tune_baselines is True, got []. Name one, or give "
                "--tune_baselines False"
            )
        classifier = hparams["audio_classifier"]
        classifier.window.check_seconds(hparams["clip_seconds"], classifier.sample_rate)
        for clip in tqdm([*clips.test, *clips.valid], "checking audio"):
            check_clip(clip.wav, hparams["clip_seconds"], clip.start, clip.stop)

    @property
    def description(self) -> str:
        """CLAP, clips and classes of the run, in one line."""
        folds = self.hparams["test_folds"]
        return (
            f"{type(self.hparams['audio_classifier']).__name__}, {len(self.clips.test)} clips of "
            f"fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}, "
            f"{len(self.prompts.names)} classes"
        )

    @property
    def caveat(self) -> str:
        """Sentence on interpreters whose training data is not all known, or an empty string."""
        unknown = [s.domain for s in self.systems if not s.sources.is_complete]
        if not unknown:
            return ""
        return (
            f"The training data of the interpreter ({', '.join(unknown)}) is not all recorded, so "
            "this run did not check that it excludes these clips."
        )

    @property
    def identity(self) -> dict[str, Any]:
        """Values that a resumed run must share, in addition to its settings.

        Decoders are not among them: records that involve a decoder bear its hash, and those of
        baselines serve all decoders.
        """
        weights = self.yamnet and file_sha256(Path(self.hparams["yamnet_weights"]))
        embeddings = self.prompts.embeddings.cpu().numpy().tobytes()
        data = manifest_hash([*self.clips.test, *self.clips.valid], self.prompts, [])
        return {
            **{f"num_clips.{name}": number for name, number in self.num_clips.items()},
            "results_format": FORMAT,
            "sha256 of audio_classifier": self.classifier_sha256,
            "sha256 of yamnet_weights": weights,
            "sha256 of prompts": hashlib.sha256(embeddings).hexdigest(),
            "sha256 of data": data,
        }

    def items(self, condition: Condition) -> list[EvaluationItem]:
        """List the items of a condition, according to its stored plan."""
        return make_items(
            condition,
            self.clips.test,
            self.clips.rest,
            self.hparams["noise_folders"],
            self.folder / "plans",
            self.hparams["seed"],
        )

    def draw_plans(self) -> None:
        """Draw all mixtures before anything is measured."""
        for condition in self.conditions:
            self.items(condition)


def check_settings(hparams: Mapping[str, Any]) -> None:
    """Raise InputError for invalid settings."""
    for name in (*LISTS, *MAPPINGS):
        kind, example = (list, "[a, b]") if name in LISTS else (dict, "{a: b}")
        if not isinstance(hparams[name], kind):
            raise InputError(f"{name} must be written as {example}, got {hparams[name]!r}")
    for name in ("num_clips", "debug_num_clips"):
        if set(hparams[name]) != SIZES:
            raise InputError(
                f"{name} must have the keys {', '.join(sorted(SIZES))}, got "
                f"{', '.join(map(str, hparams[name]))}"
            )
    named = [parse(name) for name in hparams["conditions"] if name != ABSENT]
    levels = [abs(c.snr_db) for c in named if c.kind == TWO_SOURCE]
    if len(set(levels)) < len(levels):
        raise InputError(
            "conditions must name each two_source level once, got "
            f"{', '.join(hparams['conditions'])}. A level includes its negative"
        )
    unknown = sorted(set(hparams["explainer_kwargs"]) - set(EXPLAINERS))
    if unknown:
        raise InputError(
            f"explainer_kwargs must be from {', '.join(EXPLAINERS)}, got {unknown[0]!r}"
        )
    fractions = hparams["top_k_fractions"]
    if fractions and not set(TOP_K_FRACTIONS) <= set(fractions):
        needed = ", ".join(map(str, TOP_K_FRACTIONS))
        raise InputError(f"top_k_fractions must be [] or include {needed}, got {fractions}")


def debug_settings(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a look at all tables: few explainers, two conditions and no tuning."""
    few = hparams.get("debug_explainers", hparams["explainers"])
    return {
        **hparams,
        "explainers": [name for name in hparams["explainers"] if name in few],
        "conditions": hparams["conditions"][:2],
        "tune_baselines": False,
    }


_digest = cache(lambda wav: file_sha256(Path(wav)))


def manifest_hash(
    clips: Sequence[Clip], prompts: ClassPrompts, items: Sequence[EvaluationItem]
) -> str:
    """Hash what records were measured on: clips, classes and mixtures."""
    rows = [[c.ID, c.label, c.fold, c.start, c.stop, _digest(c.wav)] for c in clips]
    mixtures = [
        [i.ID, i.prompt, i.snr_db, m and [m.other and _digest(m.other), m.offset, m.seed]]
        for i in items
        for m in [i.mixture]
    ]
    text = json.dumps([rows, list(prompts.names), mixtures])
    return hashlib.sha256(text.encode()).hexdigest()
