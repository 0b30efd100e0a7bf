"""What a bench run has in common on all planes: clips, prompts, conditions, settings."""

import hashlib
from pathlib import Path

from speechbrain_lmac.evaluation.benchmark import conditions
from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, Scene
from speechbrain_lmac.evaluation.benchmark.config import (
    check_settings,
    check_sounds,
    check_unheard,
    choose_clips,
    manifest_hash,
    name_prompts,
    subjects,
)
from speechbrain_lmac.models.base import check_clip_seconds
from speechbrain_lmac.models.classifiers.yamnet import YAMNet
from speechbrain_lmac.utils.download import digest
from speechbrain_lmac.utils.errors import InputError

IDENTITY = (
    *("seed", "maskings", "classes", "eval_templates", "clip_seconds", "conditions"),
    *(
        "explainers",
        "explainer_kwargs",
        "top_k_fractions",
        "subset_only_explainers",
        "tune_baselines",
        "test_folds",
        "valid_folds",
    ),
)
"""Settings that a run may not change on the way."""


class BenchmarkConfig:
    """A run, before any of it is done.

    Arguments
    ---------
    hparams : dict
        Of ``hparams/evaluate.yaml``.
    device : str
        Where it runs.
    """

    def __init__(self, hparams, device="cpu"):
        check_settings(hparams)
        self.hparams = hparams
        self.sizes = hparams["debug_num_clips" if hparams["debug"] else "num_clips"]
        self.folder = Path(hparams["output_folder"])
        self.conditions = [
            name if name == ABSENT else conditions.parse(name) for name in hparams["conditions"]
        ]
        self.judge = (
            None if hparams["yamnet_weights"] is None else YAMNet(hparams["yamnet_weights"])
        )
        hparams["clap"].to(device)
        self.clips = choose_clips(hparams, self.sizes)
        if hparams["tune_baselines"] and not self.clips.valid:
            raise InputError("baselines are tuned on valid_folds: name some, or give --tune False")
        check_sounds(self.clips, hparams["clip_seconds"])
        self.prompts = name_prompts(hparams, self.clips)
        self.subjects = subjects(hparams)
        methods = {subject.method for subject in self.subjects if subject.method}
        if len(methods) > 1:
            raise InputError(
                f"interpreters of different methods, {' and '.join(sorted(methods))}: only one is "
                "set against all others, so measure each plane in a run of its own"
            )
        check_unheard(self.subjects, self.clips.tested)
        check_clip_seconds(hparams["clap"], hparams["clip_seconds"])
        self.settings = {name: hparams[name] for name in ("clip_seconds", "batch_size")}
        self.clap_sha256 = hparams["clap"].reference.sha256

    @property
    def what(self):
        """Which CLAP, clips and names these are, in a line."""
        return (
            f"{self.hparams['clap'].reference.name} CLAP, {len(self.clips.tested)} clips of folds "
            f"{self.hparams['test_folds']}, {len(self.prompts.names)} names{self._warning}"
        )

    @property
    def _warning(self):
        unknown = [s.masking for s in self.subjects if s.sources is None]
        said = f"; what the {', '.join(unknown)} interpreter learnt from is not known"
        return said if unknown else ""

    @property
    def identity(self):
        """What makes this run that run. Decoders do not: rows of each bear its hash, and those of
        baselines serve all.
        """
        held = {name: self.hparams[name] for name in IDENTITY}
        held["num_clips"] = self.sizes
        held["clap"] = self.clap_sha256
        held["yamnet_weights"] = self.judge and digest(Path(self.hparams["yamnet_weights"]))
        held["prompts"] = hashlib.sha256(self.prompts.text.cpu().numpy().tobytes()).hexdigest()
        held["data"] = manifest_hash([*self.clips.tested, *self.clips.valid], self.prompts, [])
        return held

    @property
    def valid(self):
        """Validation clips, as scenes."""
        return [Scene(clip.ID, clip) for clip in self.clips.valid]

    def scenes(self, condition):
        """What is explained under a condition, by its plan."""
        return conditions.scenes(
            condition,
            self.clips.tested,
            self.clips.others,
            self.hparams["noise_folders"],
            self.folder / "plans",
            self.hparams["seed"],
        )

    def draw_plans(self):
        """Draw what lies over which clip, all of it, before anything is measured."""
        for condition in self.conditions:
            if condition != ABSENT:
                self.scenes(condition)
