"""Section of a listening report on a short clip: players, masks and scores of each prompt."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.models.question_words import QuestionWords
from speechbrain_lmac.reports.areas import SHOWN_AREAS, AreaSlider, area_slider
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

    @property
    def template(self) -> str:
        """File name of the section's template."""
        return "clip.html.j2"


def clip_section(
    name: str, interpretation: Any, areas: tuple[float, ...] | None = SHOWN_AREAS
) -> ClipSection:
    """Render the section of a clip.

    Scores are computed from the sounds of the report, as a browser decodes them.

    Arguments
    ---------
    name : str
        Heading of the section.
    interpretation : Interpretation
        Explanations of the clip.
    areas : tuple of float or None
        Areas whose sounds are shown in addition to the smallest areas. None: no areas are shown.
        Default: ``SHOWN_AREAS``.

    Returns
    -------
    ClipSection
    """
    classifier = interpretation.model.classifier
    renderer = ClipRenderer(classifier.audio_classifier, interpretation.original)
    original, decoded = renderer.player("Clip", interpretation.original, name)
    cards = tuple(_cards(renderer, interpretation, decoded, areas))
    seconds = len(interpretation.original) / interpretation.sample_rate
    notes = (*_not_explained(interpretation), *interpretation.warnings)
    against = interpretation.against
    shown = (original, cards, notes, renderer.axis, interpretation.words)
    return ClipSection(name, seconds, against, *shown)


def _cards(
    renderer: ClipRenderer,
    interpretation: Any,
    decoded: torch.Tensor,
    areas: tuple[float, ...] | None,
) -> Iterator[PromptCard]:
    """Yield the cards of the explained prompts; ``decoded`` is the clip that a browser plays."""
    explained = interpretation.explained.nonzero().flatten()
    if not len(explained):
        return
    domain = interpretation.model.classifier.domain
    pairs = [_render_pair(renderer, interpretation, i) for i in explained.tolist()]
    masked_in, masked_out = torch.stack([sounds for _, sounds in pairs], dim=1)
    versions = (decoded.expand_as(masked_in), masked_in, masked_out)
    scores = [interpretation.score_sounds(sounds, explained) for sounds in versions]
    masks = interpretation.mask[explained].to(domain.audio_classifier.filterbank.device)
    gains = domain.gains(masks)
    for place, i in enumerate(explained.tolist()):
        yield PromptCard(
            interpretation.prompts[i],
            None if areas is None else area_slider(renderer, interpretation, i, areas),
            pairs[place][0],
            renderer.mask_image(gains[place]),
            interpretation.level_db[i].item(),
            interpretation.absent[i].item(),
            tuple(_score_rows(interpretation, place, *scores)),
        )


def _not_explained(interpretation: Any) -> Iterator[str]:
    """Yield a note on each prompt that is not explained."""
    for i in (~interpretation.explained).nonzero().flatten().tolist():
        presence = percent(interpretation.presence[i].item())
        yield (
            f"“{interpretation.prompts[i]}” is not explained "
            f"({interpretation.words.presence} {presence})"
        )


def _render_pair(
    renderer: ClipRenderer, interpretation: Any, i: int
) -> tuple[tuple[Player, ...], torch.Tensor]:
    """Render the masked-in and the masked-out sound of prompt ``i``, ``[2, time]``."""
    sounds = {"masked-in": interpretation.waveform[i], "masked-out": interpretation.residual[i]}
    players, decoded = zip(
        *(
            renderer.player(kind.capitalize(), wav, f"{kind} for “{interpretation.prompts[i]}”")
            for kind, wav in sounds.items()
        )
    )
    return players, torch.stack(decoded)


def _score_rows(interpretation: Any, i: int, *scores: Any) -> Iterator[ScoreRow]:
    """Yield the rows of the table of scores of the explained prompt ``i``."""
    names, words = {"logit": "similarity (logit)"}, interpretation.words
    if interpretation.against is not None:
        names["probability"] = f"probability rather than “{interpretation.against}”"
    elif len(interpretation.prompts) > 1 and words.probability_among is not None:
        names["probability"] = words.probability_among  # that of a single prompt is 1
    names["presence"] = words.presence_among
    for field, name in names.items():
        values = (getattr(version, field)[i].item() for version in scores)
        yield (name, field != "logit", *values)
