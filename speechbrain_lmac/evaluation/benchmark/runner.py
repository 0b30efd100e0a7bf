"""The bench on one plane: tune, plan, do."""

import json

from tqdm import tqdm

from speechbrain_lmac.evaluation.benchmark import conditions, measures, tuning
from speechbrain_lmac.evaluation.benchmark.batches import chunks, load, mean_features
from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, Scene
from speechbrain_lmac.evaluation.benchmark.config import (
    UNTUNED,
    asks_stems,
    chosen_explainers,
    manifest_hash,
    possible,
    row_name,
)
from speechbrain_lmac.evaluation.benchmark.results import Rows
from speechbrain_lmac.evaluation.benchmark.sanity_checks import alterations
from speechbrain_lmac.evaluation.benchmark.tasks import Task, do, piece, planned_passes
from speechbrain_lmac.evaluation.scoring import clip_seed
from speechbrain_lmac.metrics.insertion_deletion import FILLS
from speechbrain_lmac.utils.files import write_text

SILENCE = "silence"
EXPENSIVE_PASSES = 200
"""Encoder passes of an explanation from which on it is not asked again and again."""


class DomainRunner:
    """What is planned and done on one plane; its rows and choices are files of their own.

    Arguments
    ---------
    bench : BenchmarkConfig
        The run.
    subject : SystemUnderTest
        One of its subjects.
    """

    def __init__(self, bench, subject):
        self.bench = bench
        self.subject = subject
        self.classifier = subject.model.classifier
        self.rows = Rows(bench.folder / f"rows_{subject.masking}.jsonl", subject.stamp)
        self.choices = bench.folder / f"tuning_{subject.masking}.json"
        held = self.choices.read_text() if self.choices.is_file() else "[]"
        self.tuned = json.loads(held)

    def planned(self):
        """Encoder passes that are still to be made, at most."""
        return self._planned_tuning() + self._planned(self._works(), self._alterations())

    def run(self, position=0):
        """Do all that is not done.

        Arguments
        ---------
        position : int
            Line of the progress bar.
        """
        self._tune(position)
        works, changed = list(self._works()), self._alterations()
        total = self._planned(works, changed)
        if not total:
            return
        average = self._average()
        with tqdm(
            total=total,
            desc=self.subject.masking,
            unit="pass",
            dynamic_ncols=True,
            position=position,
        ) as bar:
            do(works, self.rows, self.bench.settings, average, bar)
            for alteration in changed:
                do(alteration.altered(self.rows), self.rows, self.bench.settings, average, bar)

    def _planned(self, works, changed):
        return planned_passes([*works, *(a.work for a in changed)], self.rows)

    def _average(self):
        """The mean of the validation clips, or of those tested where there are none; None
        if nobody asks for them.
        """
        asked = chosen_explainers(self.bench.hparams, self.subject).values()
        if not any("mean_features" in explainer.needs for explainer in asked):
            return None
        scenes = self.bench.valid or [Scene(clip.ID, clip) for clip in self.bench.clips.tested]
        seconds, size = self.bench.settings["clip_seconds"], self.bench.settings["batch_size"]
        return mean_features(self.subject.model, scenes, seconds, size)

    def _untuned(self):
        """Explainers that are still to be tuned."""
        if not self.bench.hparams["tune_baselines"]:
            return {}
        done = {row["method"] for row in self.tuned}
        return {
            name: explainer
            for name, explainer in chosen_explainers(self.bench.hparams, self.subject).items()
            if name not in done and len(explainer.variants(self.classifier)) > 1
        }

    def _planned_tuning(self):
        return sum(
            len(self.bench.valid) * (variant.passes(self.classifier) + tuning.PASSES)
            for explainer in self._untuned().values()
            for variant in explainer.variants(self.classifier)
        )

    def _tune(self, position):
        seconds, size = self.bench.settings["clip_seconds"], self.bench.settings["batch_size"]
        batches = []
        for name, explainer in self._untuned().items():
            batches = batches or [
                load(self.subject.model, part, [], self.bench.prompts, seconds, None).asked
                for part in chunks(self.bench.valid, size)
            ]
            self.tuned += tuning.tune(self.subject.model, name, explainer, batches, position)
            write_text(self.choices, json.dumps(self.tuned, indent=1))

    def explainers(self):
        """Row name -> explainer as it was tuned; and those as they come, where that is another."""
        tuned, plain, open_yet = {}, {}, self._untuned()
        for name, explainer in chosen_explainers(self.bench.hparams, self.subject).items():
            rows = [row for row in self.tuned if row["method"] == name]
            best = tuning.chosen(explainer, rows, self.classifier)
            tuned[row_name(name, self.subject)] = best
            if best != explainer or name in open_yet:
                plain[name + UNTUNED] = explainer
        return tuned, plain

    def _works(self):
        for condition in self.bench.conditions:
            if condition == ABSENT:
                yield self._absent()
                continue
            scenes = self.bench.scenes(condition)
            deep = {scene.ID for scene in self._subset(scenes)}
            for subset in (True, False):
                held = [scene for scene in scenes if (scene.ID in deep) == subset]
                tasks = [
                    Task(name, e, self._measures(e, condition, subset))
                    for name, e in self._asked(condition, subset).items()
                ]
                stamp = {"subset": subset, **self._stamp(scenes)}
                prompts = self.bench.prompts
                yield piece(self.subject, prompts, condition.name, held, scenes, tasks, stamp)

    def _asked(self, condition, subset):
        """Explainers of a condition, tuned and untuned; those that are dear on the subset."""
        tuned, plain = self.explainers()
        dear = () if subset else self.bench.hparams["subset_only_explainers"]
        return {
            name: explainer
            for name, explainer in {**tuned, **plain}.items()
            if possible(explainer, condition) and name.removesuffix(UNTUNED) not in dear
        }

    def _measures(self, explainer, condition, subset):
        basic = measures.basic(self.bench.hparams["top_k_fractions"])
        if not subset:
            return basic
        fills = list(FILLS) if condition.kind == conditions.CLEAN else [SILENCE]
        found = [*basic, *measures.deep(fills, self.bench.judge)]
        dear = explainer.passes(self.classifier) > EXPENSIVE_PASSES
        return found if dear else [*found, measures.stable()]

    def _absent(self):
        """The two-class mixtures, each asked for something that it does not hold."""
        scenes = self.bench.scenes(conditions.parse(conditions.TWO_SOURCE))
        labels = sorted({clip.label for clip in self.bench.clips.tested})
        asked_for = [absent_label(scene, labels, self.bench.hparams["seed"]) for scene in scenes]
        scenes = [
            scene._replace(ID=f"{scene.ID}-{ABSENT}", prompt=label)
            for scene, label in zip(scenes, asked_for)
            if label is not None
        ]
        tuned, _ = self.explainers()
        tasks = [
            Task(name, explainer, measures.presence())
            for name, explainer in tuned.items()
            if explainer.passes(self.classifier) <= EXPENSIVE_PASSES
            and name not in self.bench.hparams["subset_only_explainers"]
            and not asks_stems(explainer)
        ]
        stamp = {"subset": False, **self._stamp(scenes)}
        return piece(self.subject, self.bench.prompts, ABSENT, scenes, scenes, tasks, stamp)

    def _alterations(self):
        """What becomes of maps when the model is randomized, or the prompt worded otherwise."""
        clips = self.bench.clips.tested[: self.bench.sizes["randomized"]]
        if not clips:
            return []
        scenes = [Scene(clip.ID, clip, clip.label) for clip in clips]
        tuned, _ = self.explainers()
        asked = {
            name: e
            for name, e in tuned.items()
            if e.passes(self.classifier) <= EXPENSIVE_PASSES
            and (not e.is_mask or name in (self.subject.method, "sobel-edges"))
        }
        stamp = {"subset": True, **self._stamp(scenes)}
        return alterations(
            self.subject, self.bench.prompts, scenes, asked, stamp, self.bench.hparams["seed"]
        )

    def _subset(self, scenes):
        """The scenes of the first clips; of mixtures of two, both sides."""
        count = self.bench.sizes["subset"]
        place = {clip.ID: i for i, clip in enumerate(self.bench.clips.tested)}
        first: dict = {}
        for scene in scenes:
            key = scene.row.ID if scene.row else scene.ID
            first[key] = min(first.get(key, len(place)), place[scene.clip.ID])
        ordered = sorted(scenes, key=lambda s: first[s.row.ID if s.row else s.ID])
        return ordered if count is None else ordered[:count]

    def _stamp(self, scenes):
        return {
            "clap": self.bench.clap_sha256[:16],
            "manifest": manifest_hash(self.bench.clips.tested, self.bench.prompts, scenes)[:16],
        }


def absent_label(scene, labels, seed):
    """A label that a mixture does not hold, drawn by the scene; None if it holds them all."""
    left = [label for label in labels if label not in (scene.clip.label, scene.other_label)]
    return left[clip_seed(scene.ID, seed) % len(left)] if left else None
