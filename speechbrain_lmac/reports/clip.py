"""Section of a listening report on a short clip: players, masks and scores of each prompt."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from speechbrain_lmac.models.question_words import QuestionWords
from speechbrain_lmac.reports.annotations import DEFAULT_RULE, RegionRule
from speechbrain_lmac.reports.areas import SHOWN_AREAS, AreaSlider, area_slider
from speechbrain_lmac.reports.curves import Box, Curve, activity_curve, boxes_of
from speechbrain_lmac.reports.findings import Finding, notes_of, other_notes
from speechbrain_lmac.reports.players import Axis, ClipRenderer, Player
from speechbrain_lmac.utils.percent import percent

ScoreRow = tuple[Any, ...]
"""Name, whether the value is a probability, and one value for each sound."""


class PromptCard(NamedTuple):
    """The explanation of a prompt."""

    prompt: str
    areas: AreaSlider | None
    """Sounds of the smallest areas; None if the prompt does not lead, or none is shown."""
    players: tuple[Player, ...]
    mask: str
    """Data URI of the mask's image."""
    level_db: float
    """Level of the masked-in sound relative to the clip."""
    absent: bool
    scores: tuple[ScoreRow, ...]
    """Rows for the clip, the masked-in and the masked-out sound."""
    value: float
    """Presence of the prompt in the clip, or its probability against another text."""
    curve: Curve
    """Activity over time."""
    boxes: tuple[Box, ...]
    """Regions in the spectrogram."""
    notes: tuple[str, ...]
    """Warnings about the prompt."""


class ClipSection(NamedTuple):
    """A clip and the explanation of each prompt."""

    name: str
    seconds: float
    against: str | None
    original: Player
    cards: tuple[PromptCard, ...]
    warnings: tuple[str, ...]
    axis: Axis
    words: QuestionWords
    """Words for a prompt."""
    findings: tuple[Finding, ...]
    """Presence of each prompt, also of those without a card."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings that no card has."""
        return other_notes(self.warnings, [card.prompt for card in self.cards])

    @property
    def template(self) -> str:
        """File name of the section's template."""
        return "clip.html.j2"


def clip_section(
    name: str,
    interpretation: Any,
    areas: tuple[float, ...] | None = SHOWN_AREAS,
    rule: RegionRule = DEFAULT_RULE,
) -> ClipSection:
    """Render the section of a clip.

    Scores are those of the interpretation, as in its files. The sounds of the report are compressed
    afterwards.

    Arguments
    ---------
    name : str
        Heading of the section.
    interpretation : Interpretation
        Explanations of the clip.
    areas : tuple of float or None
        Areas whose sounds are shown in addition to the smallest areas. None: no areas are shown.
        Default: ``SHOWN_AREAS``.
    rule : RegionRule
        Rule that makes the regions. Default: ``DEFAULT_RULE``.

    Returns
    -------
    ClipSection
    """
    classifier = interpretation.model.classifier
    renderer = ClipRenderer(classifier.audio_classifier, interpretation.original)
    original = renderer.player("Clip", interpretation.original, name)
    cards = tuple(_cards(renderer, interpretation, areas, rule))
    seconds = len(interpretation.original) / interpretation.sample_rate
    notes = (*_not_explained(interpretation), *interpretation.warnings)
    findings = tuple(_findings(interpretation))
    shown = (original, cards, notes, renderer.axis, interpretation.words, findings)
    return ClipSection(name, seconds, interpretation.against, *shown)


def _findings(interpretation: Any) -> Iterator[Finding]:
    """Yield the presence of each prompt."""
    card = 0
    for i, prompt in enumerate(interpretation.prompts):
        explained = bool(interpretation.explained[i])
        card += explained
        absent = bool(interpretation.absent[i])
        yield Finding(prompt, _value(interpretation, i), absent, card if explained else None)


def _value(interpretation: Any, i: int) -> float:
    """Return the presence of prompt ``i``, or its probability against another text."""
    against = interpretation.against
    values = interpretation.presence if against is None else interpretation.probabilities
    return values[i].item()


def _cards(
    renderer: ClipRenderer,
    interpretation: Any,
    areas: tuple[float, ...] | None,
    rule: RegionRule,
) -> Iterator[PromptCard]:
    """Yield the cards of the explained prompts."""
    explained = interpretation.explained.nonzero().flatten()
    if not len(explained):
        return
    domain, timeline = interpretation.model.classifier.domain, interpretation.timeline
    masks = interpretation.mask[explained].to(domain.audio_classifier.filterbank.device)
    gains, regions = domain.gains(masks), timeline.regions(*rule)
    for gain, i in zip(gains, explained.tolist()):
        prompt = interpretation.prompts[i]
        yield PromptCard(
            prompt,
            None if areas is None else area_slider(renderer, interpretation, i, areas),
            _pair(renderer, interpretation, i),
            renderer.mask_image(gain),
            interpretation.level_db[i].item(),
            interpretation.absent[i].item(),
            tuple(_score_rows(interpretation, i)),
            _value(interpretation, i),
            activity_curve(timeline, i, regions, rule.threshold),
            tuple(boxes_of(regions, prompt, timeline.sample_rate / 2, timeline.duration)),
            notes_of(interpretation.warnings, prompt),
        )


def _not_explained(interpretation: Any) -> Iterator[str]:
    """Yield a note on each prompt that is not explained."""
    for i in (~interpretation.explained).nonzero().flatten().tolist():
        presence = percent(interpretation.presence[i].item())
        yield (
            f"“{interpretation.prompts[i]}” is not explained "
            f"({interpretation.words.presence} {presence})"
        )


def _pair(renderer: ClipRenderer, interpretation: Any, i: int) -> tuple[Player, ...]:
    """Render the masked-in and the masked-out sound of prompt ``i``."""
    sounds = {"masked-in": interpretation.waveform[i], "masked-out": interpretation.residual[i]}
    prompt = interpretation.prompts[i]
    return tuple(
        renderer.player(kind.capitalize(), wav, f"{kind} for “{prompt}”")
        for kind, wav in sounds.items()
    )


def _score_rows(interpretation: Any, i: int) -> Iterator[ScoreRow]:
    """Yield the rows of the table of scores of prompt ``i``."""
    names, words = {"similarity": "similarity (logit)"}, interpretation.words
    if interpretation.against is not None:
        names["probability"] = f"probability rather than “{interpretation.against}”"
    elif len(interpretation.prompts) > 1 and words.probability_among is not None:
        names["probability"] = words.probability_among  # that of a single prompt is 1
    only = words.probability_among is None  # a class has one probability
    names["presence"] = words.presence_among if only else words.presence
    for field, name in names.items():
        versions = [f"{field}_masked_in", f"{field}_masked_out"]
        values = [interpretation.scores[version][i].item() for version in versions]
        clip = getattr(interpretation, {"probability": "probabilities"}.get(field, field))[i].item()
        yield (name, field != "similarity", clip, *values)
