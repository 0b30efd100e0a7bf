"""Benchmark of one masking domain: tune baselines, list the work, measure what is missing."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tqdm import tqdm

from speechbrain_lmac.evaluation.benchmark import conditions, measures, tuning
from speechbrain_lmac.evaluation.benchmark.batches import chunks, load_batch, mean_features
from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, Condition
from speechbrain_lmac.evaluation.benchmark.config import BenchmarkConfig, manifest_hash
from speechbrain_lmac.evaluation.benchmark.items import EvaluationItem
from speechbrain_lmac.evaluation.benchmark.measures import Measure
from speechbrain_lmac.evaluation.benchmark.results import RecordFile
from speechbrain_lmac.evaluation.benchmark.sanity_checks import SanityCheck, sanity_checks
from speechbrain_lmac.evaluation.benchmark.systems import (
    DEFAULT,
    SystemUnderTest,
    choose_explainers,
    is_applicable,
    needs_sources,
    row_name,
)
from speechbrain_lmac.evaluation.benchmark.tasks import (
    Task,
    WorkUnit,
    check_same_sounds,
    count_pending,
    make_unit,
    run_unit,
)
from speechbrain_lmac.evaluation.long_format import Record
from speechbrain_lmac.evaluation.scoring import EvaluationBatch, clip_seed
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.metrics.fills import FILLS
from speechbrain_lmac.utils.files import write_text

EXPENSIVE_PASSES = 200
"""Explainers with more encoder passes per clip are not run again for stability and checks."""


class DomainRunner:
    """Runs the benchmark in one masking domain. Records and tuning results have their own files.

    Arguments
    ---------
    config : BenchmarkConfig
        Configuration of the run.
    system : SystemUnderTest
        System of the masking domain.
    """

    def __init__(self, config: BenchmarkConfig, system: SystemUnderTest):
        self.config = config
        self.system = system
        self.classifier = system.model.classifier
        path = config.folder / f"results_{system.domain}.jsonl"
        self.records = RecordFile(path, system.decoder_id)
        self.tuning_path = config.folder / f"tuning_{system.domain}.json"
        text = self.tuning_path.read_text() if self.tuning_path.is_file() else "[]"
        self.tuning_rows: list[dict[str, Any]] = json.loads(text)

    def is_done(self) -> bool:
        """Return whether nothing is left to tune or to measure.

        Raises InputError if the folder holds results of other clips or mixtures.
        """
        checks = [check.unit for check in self._sanity_checks()]
        units = [*self._units(), *checks]
        check_same_sounds(units, self.records)
        return not self._untuned() and not count_pending(units, self.records)

    def run(self, position: int = 0) -> None:
        """Tune and measure everything that is missing.

        Arguments
        ---------
        position : int
            Line of the progress bar. Default: 0.
        """
        self._tune(position)
        units, checks = list(self._units()), self._sanity_checks()
        total = count_pending([*units, *(check.unit for check in checks)], self.records)
        if not total:
            return
        size = self.config.clip_seconds, self.config.batch_size
        average = self._mean_features()
        with tqdm(
            total=total,
            desc=self.system.domain,
            unit="record",
            dynamic_ncols=True,
            position=position,
        ) as bar:
            for unit in units:
                run_unit(unit, self.records, *size, average, bar)
            for check in checks:
                for unit in check.changed_units(self.records):
                    run_unit(unit, self.records, *size, average, bar)

    def _mean_features(self) -> DecoderFeatures | None:
        """Average the decoder features over validation clips, or over test clips without them."""
        explainers = choose_explainers(self.config.hparams, self.system).values()
        if not any("mean_features" in explainer.needs for explainer in explainers):
            return None
        clips = self.config.clips.valid or self.config.clips.test
        items = [EvaluationItem(clip.ID, clip) for clip in clips]
        size = self.config.clip_seconds, self.config.batch_size
        return mean_features(self.system.model, items, *size)

    def _untuned(self) -> dict[str, Explainer]:
        """Return the explainers that are yet to be tuned."""
        if not self.config.hparams["tune_baselines"]:
            return {}
        done = {row["method"] for row in self.tuning_rows}
        return {
            name: explainer
            for name, explainer in choose_explainers(self.config.hparams, self.system).items()
            if name not in done and len(explainer.variants(self.classifier)) > 1
        }

    def _tune(self, position: int) -> None:
        config, model = self.config, self.system.model
        batches: list[EvaluationBatch] = []
        items = [EvaluationItem(clip.ID, clip) for clip in config.clips.valid]
        for name, explainer in self._untuned().items():
            batches = batches or [
                load_batch(model, part, [], config.prompts, config.clip_seconds, None).batch
                for part in chunks(items, config.batch_size)
            ]
            self.tuning_rows += tuning.tune(model, name, explainer, batches, position)
            write_text(self.tuning_path, json.dumps(self.tuning_rows, indent=1))

    def explainers(self) -> tuple[dict[str, Explainer], dict[str, Explainer]]:
        """Return tuned explainers by row name, and default ones where tuning changed them."""
        tuned, default, untuned = {}, {}, self._untuned()
        for name, explainer in choose_explainers(self.config.hparams, self.system).items():
            rows = [row for row in self.tuning_rows if row["method"] == name]
            best = tuning.chosen_variant(explainer, rows, self.classifier)
            tuned[row_name(name, self.system)] = best
            if best != explainer or name in untuned:
                default[name + DEFAULT] = explainer
        return tuned, default

    def _units(self) -> Iterator[WorkUnit]:
        """Yield the units of all conditions, the subset with more measures first."""
        for condition in self.config.conditions:
            items = self.config.items(condition)
            subset_ids = {item.ID for item in self._subset(items)}
            for subset in (True, False):
                part = [item for item in items if (item.ID in subset_ids) == subset]
                tasks = [
                    Task(name, explainer, self._measures(explainer, condition, subset))
                    for name, explainer in self._explainers_of(condition, subset).items()
                ]
                facts, prompts = self._facts(items, subset), self.config.prompts
                yield make_unit(self.system, prompts, condition.name, part, items, tasks, facts)
        if self.config.has_absent:
            yield self._absent_unit()

    def _explainers_of(self, condition: Condition, subset: bool) -> dict[str, Explainer]:
        """Return the tuned and default explainers of a condition; expensive ones on the subset."""
        tuned, default = self.explainers()
        skipped = () if subset else self.config.hparams["subset_only_explainers"]
        return {
            name: explainer
            for name, explainer in {**tuned, **default}.items()
            if is_applicable(explainer, condition) and name.removesuffix(DEFAULT) not in skipped
        }

    def _measures(self, explainer: Explainer, condition: Condition, subset: bool) -> list[Measure]:
        basic = measures.basic_measures(self.config.hparams["top_k_fractions"])
        if not subset:
            return basic
        fills = list(FILLS) if condition.kind == conditions.CLEAN else ["silence"]
        chosen = [*basic, *measures.subset_measures(fills, self.config.yamnet)]
        expensive = explainer.passes(self.classifier) > EXPENSIVE_PASSES
        return chosen if expensive else [*chosen, measures.measure_stability]

    def _absent_unit(self) -> WorkUnit:
        """Return two-source mixtures, each prompted with a class that it does not contain."""
        items = self.config.items(conditions.parse(conditions.TWO_SOURCE))
        labels = sorted({clip.label for clip in self.config.clips.test})
        absent = [absent_label(item, labels, self.config.hparams["seed"]) for item in items]
        items = [
            item._replace(ID=f"{item.ID}-{ABSENT}", prompt=label)
            for item, label in zip(items, absent)
            if label is not None
        ]
        tuned, _ = self.explainers()
        tasks = [
            Task(name, explainer, [measures.measure_amount])
            for name, explainer in tuned.items()
            if explainer.passes(self.classifier) <= EXPENSIVE_PASSES
            and name not in self.config.hparams["subset_only_explainers"]
            and not needs_sources(explainer)
        ]
        facts, prompts = self._facts(items, False), self.config.prompts
        return make_unit(self.system, prompts, ABSENT, items, items, tasks, facts)

    def _sanity_checks(self) -> list[SanityCheck]:
        clips = self.config.clips.test[: self.config.num_clips["randomized"]]
        if not clips:
            return []
        items = [EvaluationItem(clip.ID, clip, clip.label) for clip in clips]
        tuned, _ = self.explainers()
        explainers = {
            name: explainer
            for name, explainer in tuned.items()
            if explainer.passes(self.classifier) <= EXPENSIVE_PASSES
            and (not explainer.is_mask or name in (self.system.method, "sobel-edges"))
        }
        facts, seed = self._facts(items, True), self.config.hparams["seed"]
        return sanity_checks(self.system, self.config.prompts, items, explainers, facts, seed)

    def _subset(self, items: Sequence[EvaluationItem]) -> Sequence[EvaluationItem]:
        """Return the items of the first clips; of two-source mixtures, both prompts."""
        count = self.config.num_clips["subset"]
        place = {clip.ID: i for i, clip in enumerate(self.config.clips.test)}
        first: dict[str, int] = {}
        for item in items:
            key = item.mixture.ID if item.mixture else item.ID
            first[key] = min(first.get(key, len(place)), place[item.clip.ID])
        ordered = sorted(items, key=lambda i: first[i.mixture.ID if i.mixture else i.ID])
        return ordered if count is None else ordered[:count]

    def _facts(self, items: Sequence[EvaluationItem], subset: bool) -> Record:
        manifest = manifest_hash(self.config.clips.test, self.config.prompts, items)
        digest = self.config.classifier_sha256
        return {"subset": subset, "classifier": digest[:16], "manifest": manifest[:16]}


def absent_label(item: EvaluationItem, labels: Sequence[str], seed: int) -> str | None:
    """Draw a label that a mixture does not contain; None if it contains them all."""
    absent = [label for label in labels if label not in (item.clip.label, item.other_label)]
    return absent[clip_seed(item.ID, seed) % len(absent)] if absent else None
