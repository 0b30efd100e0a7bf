"""Sanity checks: how maps change with a randomized model, or with a paraphrased prompt."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from speechbrain_lmac.data.prompts import paraphrases
from speechbrain_lmac.evaluation.benchmark.items import EvaluationItem
from speechbrain_lmac.evaluation.benchmark.measures import similarity_measure
from speechbrain_lmac.evaluation.benchmark.results import RecordFile
from speechbrain_lmac.evaluation.benchmark.systems import SystemUnderTest
from speechbrain_lmac.evaluation.benchmark.tasks import Task, WorkUnit, make_unit
from speechbrain_lmac.evaluation.long_format import Record
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.metrics.randomization import stages
from speechbrain_lmac.models.base import AudioClassifier

RANDOMIZED = "randomized"
PARAPHRASE = "paraphrase"
MAX_PASSES = 10
"""Explainers with more encoder passes are not run on paraphrases."""


class SanityCheck(NamedTuple):
    """A changed model or prompt whose maps are compared with the original maps."""

    unit: WorkUnit
    """Work unit with the original model."""
    changed_model: Callable[[], InterpreterNetwork]
    """Builds the changed model."""

    def changed_units(self, records: RecordFile) -> Iterator[WorkUnit]:
        """Yield the unit with the changed model, which is built only if a record is missing."""
        if self.unit.num_pending(records):
            model = self.changed_model().eval()
            system = self.unit.system._replace(model=model)
            yield self.unit._replace(system=system)


def sanity_checks(
    system: SystemUnderTest,
    prompts: ClassPrompts,
    items: Sequence[EvaluationItem],
    explainers: Mapping[str, Explainer],
    facts: Record,
    seed: int,
) -> list[SanityCheck]:
    """List all sanity checks in order, for items that are prompted with their own label."""
    measures = [similarity_measure(system.model, prompts)]
    tasks = [Task(name, explainer, measures) for name, explainer in explainers.items()]
    classifier = system.model.classifier
    fast = [task for task in tasks if task.explainer.passes(classifier) <= MAX_PASSES]
    checks = []
    for stage in stages(system.model, seed):
        if stage.name == "decoder" and system.method is None:
            continue
        changed = prompts._replace(embeddings=stage.text(prompts.embeddings))
        name = f"{RANDOMIZED} {stage.name}"
        unit = make_unit(system, changed, name, items, items, tasks, facts)
        checks.append(SanityCheck(unit, stage.model))
    for number, changed in enumerate(
        paraphrase_prompts(classifier.audio_classifier, prompts, items)
    ):
        name = f"{PARAPHRASE} {number + 1}"
        unit = make_unit(system, changed, name, items, items, fast, facts)
        checks.append(SanityCheck(unit, lambda: system.model))
    return checks


def paraphrase_prompts(
    audio_classifier: AudioClassifier, prompts: ClassPrompts, items: Sequence[EvaluationItem]
) -> list[ClassPrompts]:
    """Replace the embeddings of prompted classes by those of each paraphrase in turn.

    Returns nothing for a supervised classifier, or if a prompted class has no paraphrases.
    """
    if audio_classifier.class_names is not None:
        return []
    labels = sorted({item.prompt for item in items})
    known = paraphrases()
    if not all(label in known for label in labels):
        return []
    changed = []
    for number in range(min(len(known[label]) for label in labels)):
        embeddings = prompts.embeddings.clone()
        for label in labels:
            vector = audio_classifier.queries([known[label][number]])[0]
            embeddings[prompts.names.index(label)] = vector
        changed.append(ClassPrompts(prompts.names, embeddings))
    return changed
