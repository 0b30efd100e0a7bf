"""Work units of a benchmark run: who explains which items, and the loop that measures them."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tqdm import tqdm

from speechbrain_lmac.evaluation.benchmark.batches import (
    ItemBatch,
    chunks,
    find_partners,
    load_batch,
)
from speechbrain_lmac.evaluation.benchmark.items import EvaluationItem, recording_groups
from speechbrain_lmac.evaluation.benchmark.measures import Measure, take_measures
from speechbrain_lmac.evaluation.benchmark.results import Key, RecordFile
from speechbrain_lmac.evaluation.benchmark.systems import SystemUnderTest
from speechbrain_lmac.evaluation.long_format import Record, to_records
from speechbrain_lmac.evaluation.scoring import ClassPrompts, explain
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.utils.errors import InputError


class Task(NamedTuple):
    """One explainer and its measures."""

    method: str
    """Name of the explainer in the results."""
    explainer: Explainer
    measures: list[Measure]


class WorkUnit(NamedTuple):
    """Items of one condition in one masking domain, and the tasks to run on them."""

    system: SystemUnderTest
    prompts: ClassPrompts
    condition: str
    items: Sequence[EvaluationItem]
    tasks: Sequence[Task]
    partners: Sequence[EvaluationItem]
    """A partner of each item, if a control needs one."""
    recordings: dict[str, str]
    """Item ID -> group of recordings, which statistics resample as a whole."""
    facts: Record
    """Fields that all records share."""

    def key(self, task: Task, item: EvaluationItem) -> Key:
        """Return the identity of the record of a task and an item."""
        return (self.system.domain, self.condition, task.method, item.ID)

    def num_pending(self, records: RecordFile) -> int:
        """Count the records that are missing."""
        return sum(self.key(t, item) not in records for t in self.tasks for item in self.items)


def make_unit(
    system: SystemUnderTest,
    prompts: ClassPrompts,
    condition: str,
    items: Sequence[EvaluationItem],
    all_items: Sequence[EvaluationItem],
    tasks: Sequence[Task],
    facts: Record,
) -> WorkUnit:
    """Build a work unit."""
    partners: list[EvaluationItem] = []
    if any("other_clips" in task.explainer.needs for task in tasks):
        by_id = dict(zip((item.ID for item in all_items), find_partners(all_items)))
        partners = [by_id[item.ID] for item in items]
    groups = dict(zip((item.ID for item in all_items), recording_groups(all_items)))
    return WorkUnit(system, prompts, condition, items, tasks, partners, groups, facts)


def run_unit(
    unit: WorkUnit,
    records: RecordFile,
    clip_seconds: float,
    batch_size: int,
    average: DecoderFeatures | None,
    bar: "tqdm[Any]",
) -> None:
    """Measure the missing records of a work unit, batch by batch."""
    model = unit.system.model
    partner_parts = chunks(unit.partners, batch_size) if unit.partners else iter(())
    for items in chunks(unit.items, batch_size):
        partners = next(partner_parts, [])
        pending = [t for t in unit.tasks if any(unit.key(t, i) not in records for i in items)]
        if not pending:
            continue
        batch = load_batch(model, items, partners, unit.prompts, clip_seconds, average)
        for task in pending:
            bar.set_postfix_str(f"{unit.condition} {task.method[:20]}")
            measured = zip(items, _measure(unit, task, batch))
            missing = [record for item, record in measured if unit.key(task, item) not in records]
            records.add(missing)
            bar.update(len(missing))


def _measure(unit: WorkUnit, task: Task, batch: ItemBatch) -> list[Record]:
    """Run one task on a batch and return one record per item."""
    model = unit.system.model
    attributions = explain(model, task.explainer, batch.batch)
    scores = take_measures(model, task.explainer, batch, attributions, task.measures)
    given = batch.batch
    records = to_records(given.ids, given.target_names, scores)
    return [
        {
            "domain": unit.system.domain,
            "condition": unit.condition,
            "method": task.method,
            "recording": unit.recordings[item.ID],
            "label": item.clip.label,
            "snr_db": item.snr_db if item.mixture is not None else None,
            **unit.facts,
            "decoder": unit.system.decoder_id if task.explainer.learned else "",
            **record,
        }
        for item, record in zip(batch.items, records)
    ]


def check_same_sounds(units: Iterable[WorkUnit], records: RecordFile) -> None:
    """Raise InputError if records of a condition are of other clips or mixtures than its unit."""
    given = {(unit.system.domain, unit.condition): unit.facts["manifest"] for unit in units}
    for record in records.records:
        expected = given.get((record["domain"], record["condition"]))
        if expected not in (None, record["manifest"]):
            raise InputError(
                f"{records.path} must hold results of the given sounds, but those of "
                f"{record['condition']} are of others. Give another --output_folder"
            )


def count_pending(units: Iterable[WorkUnit], records: RecordFile) -> int:
    """Count the missing records of work units."""
    return sum(unit.num_pending(records) for unit in units)
