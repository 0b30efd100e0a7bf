"""The work of a bench run, planned before it starts, and done batch by batch."""

from typing import NamedTuple

from speechbrain_lmac.evaluation.benchmark.batches import chunks, load, partners
from speechbrain_lmac.evaluation.benchmark.conditions import recordings
from speechbrain_lmac.evaluation.benchmark.config import SystemUnderTest
from speechbrain_lmac.evaluation.benchmark.measures import measure
from speechbrain_lmac.evaluation.scoring import ClassPrompts, explain, rows_of
from speechbrain_lmac.explainers.base import Explainer


class Task(NamedTuple):
    """One explainer on some scenes of a condition."""

    method: str
    explainer: Explainer
    measures: list

    def passes(self, classifier):
        """Encoder passes a scene, at most."""
        counts = [this.passes(self.explainer, classifier) for this in self.measures]
        return self.explainer.passes(classifier) + sum(counts)


class WorkUnit(NamedTuple):
    """Scenes of one condition on one plane, and who is asked about them."""

    subject: SystemUnderTest
    prompts: ClassPrompts
    condition: str
    scenes: list
    tasks: list
    others: list
    """A partner of each scene, if a control asks for it."""
    recordings: dict
    """Scene's ID -> what is resampled."""
    stamp: dict
    """Columns that all its rows share."""

    def key(self, task, scene):
        """What the row of a task and a scene is found by."""
        return (self.subject.masking, self.condition, task.method, scene.ID)

    def pending(self, task, rows):
        """Scenes that have no row yet."""
        return [scene for scene in self.scenes if self.key(task, scene) not in rows]


def piece(subject, prompts, condition, scenes, circle, tasks, stamp):
    """Put work together.

    Arguments
    ---------
    subject : SystemUnderTest
        What is explained.
    prompts : ClassPrompts
        What clips are scored against.
    condition : str
        Its name.
    scenes : list of Scene
        Those of this piece.
    circle : list of Scene
        All of the condition, among which partners are found.
    tasks : list of Task
        Who is asked.
    stamp : dict
        Columns that all rows share.

    Returns
    -------
    Work
    """
    others = []
    if any("other_clips" in task.explainer.needs for task in tasks):
        found = dict(zip((scene.ID for scene in circle), partners(circle)))
        others = [found[scene.ID] for scene in scenes]
    linked = dict(zip((scene.ID for scene in circle), recordings(circle)))
    return WorkUnit(subject, prompts, condition, scenes, tasks, others, linked, stamp)


def planned_passes(works, rows):
    """Encoder passes, forward or backward, one clip each, that are still to be made: at most."""
    total = 0
    for work in works:
        classifier = work.subject.model.classifier
        pending = [len(work.pending(task, rows)) for task in work.tasks]
        counts = [task.passes(classifier) for task in work.tasks]
        heard = (1 + bool(work.others)) * max(pending, default=0)
        total += heard + sum(a * b for a, b in zip(pending, counts))
    return total


def do(works, rows, settings, average, bar):
    """Do what is not done yet.

    Arguments
    ---------
    works : iterable of WorkUnit
        Those with rows are passed over.
    rows : Rows
        Written as they come.
    settings : dict
        With ``clip_seconds`` and ``batch_size``.
    average : DecoderFeatures
        Of :func:`~speechbrain_lmac.evaluation.benchmark.batches.mean_features`.
    bar : tqdm
        Of passes.
    """
    for work in works:
        _do(work, rows, settings, average, bar)


def _do(work, rows, settings, average, bar):
    size, model = settings["batch_size"], work.subject.model
    others = chunks(work.others, size) if work.others else iter(())
    for scenes in chunks(work.scenes, size):
        partners_here = next(others, [])
        pending = [t for t in work.tasks if any(work.key(t, s) not in rows for s in scenes)]
        if not pending:
            continue
        batch = load(model, scenes, partners_here, work.prompts, settings["clip_seconds"], average)
        bar.update(len(scenes))
        for task in pending:
            bar.set_postfix_str(f"{work.condition} {task.method[:20]}")
            made = _rows(work, task, batch)
            fresh = [row for row, s in zip(made, scenes) if work.key(task, s) not in rows]
            rows.add(fresh)
            bar.update(len(fresh) * task.passes(model.classifier))


def _rows(work, task, batch):
    """One row for each scene of a batch."""
    model = work.subject.model
    explained = explain(model, task.explainer, batch.asked)
    columns = measure(model, task.explainer, batch, explained, task.measures)
    columns["seconds"] = [explained.seconds] * len(batch.scenes)
    columns["passes"] = [task.explainer.passes(model.classifier)] * len(batch.scenes)
    rows = []
    for scene, row in zip(batch.scenes, rows_of(batch.asked, columns)):
        rows.append(
            {
                "masking": work.subject.masking,
                "condition": work.condition,
                "method": task.method,
                "recording": work.recordings[scene.ID],
                "label": scene.clip.label,
                "snr_db": scene.snr_db if scene.row is not None else None,
                **row,
                **work.stamp,
                "decoder": work.subject.stamp if task.explainer.learned else "",
            }
        )
    return rows
