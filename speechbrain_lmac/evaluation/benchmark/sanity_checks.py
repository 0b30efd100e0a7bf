"""What becomes of maps when the model is randomized, or the prompt put into other words."""

from collections.abc import Callable
from typing import NamedTuple

from speechbrain_lmac.data.prompts import paraphrases
from speechbrain_lmac.evaluation.benchmark.measures import likeness
from speechbrain_lmac.evaluation.benchmark.tasks import Task, WorkUnit, piece
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.metrics.randomization import stages

RANDOMISED = "randomized"
PARAPHRASE = "paraphrase"
CHEAP = 10
"""Encoder passes of an explanation up to which it is asked in other words as well."""


class Alteration(NamedTuple):
    """Maps of a changed model or prompt, to be held against the unchanged one's."""

    work: WorkUnit
    """As it is planned, with the unchanged model."""
    model: Callable
    """Makes the changed model."""

    def altered(self, rows):
        """The work with the changed model, which is only built if something is to be done."""
        if any(self.work.pending(task, rows) for task in self.work.tasks):
            subject = self.work.subject._replace(model=self.model().eval())
            yield self.work._replace(subject=subject)


def alterations(subject, prompts, scenes, explainers, stamp, seed):
    """All alterations, in order.

    Arguments
    ---------
    subject : SystemUnderTest
        What is explained.
    prompts : ClassPrompts
        What clips are scored against.
    scenes : list of Scene
        Each asked for the name of what it holds, whatever the changed model decides.
    explainers : dict
        Row name -> explainer.
    stamp : dict
        Columns that all rows share.
    seed : int
        Of the random weights.

    Returns
    -------
    list of Alteration
    """
    measure = [likeness(subject.model, prompts)]
    tasks = [Task(name, explainer, measure) for name, explainer in explainers.items()]
    cheap = [t for t in tasks if t.explainer.passes(subject.model.classifier) <= CHEAP]
    found = []
    for stage in stages(subject.model, seed):
        if stage.name == "decoder" and subject.method is None:
            continue
        changed = prompts._replace(text=stage.text(prompts.text))
        name = f"{RANDOMISED} {stage.name}"
        work = piece(subject, changed, name, scenes, scenes, tasks, stamp)
        found.append(Alteration(work, stage.model))
    for number, changed in enumerate(
        reworded(subject.model.classifier.audio_classifier, prompts, scenes)
    ):
        name = f"{PARAPHRASE} {number + 1}"
        work = piece(subject, changed, name, scenes, scenes, cheap, stamp)
        found.append(Alteration(work, lambda: subject.model))
    return found


def reworded(clap, prompts, scenes):
    """Prompts in which the names that scenes ask for are paraphrased, one paraphrase at a time.

    Returns
    -------
    list of Prompts
        Empty if a name has no paraphrases.
    """
    labels = sorted({scene.prompt for scene in scenes})
    known = paraphrases()
    if not all(label in known for label in labels):
        return []
    found = []
    for number in range(min(len(known[label]) for label in labels)):
        text = prompts.text.clone()
        for label in labels:
            text[prompts.names.index(label)] = clap.queries([known[label][number]])[0]
        found.append(ClassPrompts(prompts.names, text))
    return found
