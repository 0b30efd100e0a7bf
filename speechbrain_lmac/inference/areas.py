"""Smallest areas of explanations, and their sounds at any area.

Decisions are made on sounds, not on masked spectrograms: the bins of a sound overlap, so a decision
on a hard mask may not survive its inverse STFT.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch

from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.ranking import rank_valid_bins
from speechbrain_lmac.metrics.smallest_areas import area_mask, smallest_areas
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.models.class_set import ClassSet
from speechbrain_lmac.utils.device import in_float32
from speechbrain_lmac.utils.errors import InputError

CHUNK_SIZE = 16
"""Sounds that are encoded at once."""


class PromptAreas(NamedTuple):
    """Smallest areas of the explanation of a prompt, as fractions of the encoded T-F bins."""

    sufficient: float | None
    """Smallest tried area in whose sound the prompt leads its competing classes. None if the prompt
    does not lead in the clip."""
    necessary: float | None
    """Smallest tried area without which the prompt does not lead. None if the prompt does not lead
    in the clip, or also leads in silence."""

    @property
    def summary(self) -> str:
        """Sentence about the areas.

        Example
        -------
        >>> PromptAreas(0.07, 0.15).summary
        '7% of the sound suffices; removing 15% changes the decision'
        """
        if self.sufficient is None:
            return "not the classifier's decision in the clip, so no area suffices"
        removed = (
            "all of it does not change"
            if self.necessary is None
            else (f"{self.necessary:.0%} changes")
        )
        return f"{self.sufficient:.0%} of the sound suffices; removing {removed} the decision"


class PlayableAreas:
    """Smallest areas of an interpretation, and its sounds at any area.

    The best-ranked bins of a mask are masked in at full gain, all others are silent. An area is
    their fraction of the bins that the encoder uses; an area of 1 is the whole clip.
    """

    original: torch.Tensor
    mask: torch.Tensor
    prompts: tuple[str, ...]
    against: str | None
    target: int
    model: InterpreterNetwork

    @cached_property
    @in_float32
    def areas(self) -> tuple[PromptAreas, ...]:
        """Smallest sufficient and necessary area of each prompt, computed on first use.

        The areas of :data:`~speechbrain_lmac.metrics.smallest_areas.AREA_FRACTIONS` are tried in
        ascending order. The competing classes are those of the presence: everyday sounds of another
        meaning for a CLAP, all other classes of a softmax head, and the absence of a label for a
        sigmoid head. With ``against``, that text is the only one.
        """
        return find_areas(self._ranked, self.prompts, self.against)

    @in_float32
    def waveform_at(self, area: float, prompt: int | str | None = None) -> torch.Tensor:
        """Return the sound of the best bins of a mask, in the clip's own phase.

        Arguments
        ---------
        area : float
            Fraction of the encoded bins in [0, 1], such as ``areas[0].sufficient``.
        prompt : int or str
            Index or text of the prompt. Default: the prompt with the highest logit.

        Returns
        -------
        torch.Tensor
            Sound, ``[time]``. That of an absent prompt is not faded out.

        Raises
        ------
        InputError
            If the area is not in [0, 1], or the prompt was not explained.

        Example
        -------
        >>> from speechbrain_lmac import Interpreter
        >>> from speechbrain_lmac.data.synthetic import synthesize
        >>> interpreter = Interpreter.from_hparams(source="mini-stft")
        >>> explanation = interpreter.interpret(synthesize("siren", seed=1, seconds=2.0), "siren")
        >>> (areas,) = explanation.areas
        >>> explanation.waveform_at(areas.sufficient).shape
        torch.Size([64000])
        """
        if not isinstance(area, int | float) or not 0 <= area <= 1:
            raise InputError(f"area must be a number from 0 to 1, got {area!r}")
        return self._ranked.sound(area, self.prompt_index(prompt))

    @in_float32
    def residual_at(self, area: float, prompt: int | str | None = None) -> torch.Tensor:
        """Return the clip without the best bins of a mask: the clip minus :meth:`waveform_at`."""
        return self.original - self.waveform_at(area, prompt)

    @cached_property
    def _ranked(self) -> "RankedMasks":
        return RankedMasks(self.model.classifier, self.original, self.mask)

    def prompt_index(self, prompt: int | str | None = None) -> int:
        """Return the index of a prompt, given as its index or text, or of the highest logit.

        Raises
        ------
        InputError
            If the prompt was not explained.
        """
        if prompt is None:
            return self.target
        numbers = range(len(self.prompts))
        choices: list[int | str] = [*(self.prompts if isinstance(prompt, str) else numbers)]
        if prompt not in choices:
            listed = ", ".join(map(repr, choices))
            raise InputError(f"prompt must be one of {listed}, got {prompt!r}")
        return choices.index(prompt)


class RankedMasks:
    """Clip with the ranked bins of its masks.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier that is explained.
    wav : torch.Tensor
        Clip, ``[time]``, on the CPU.
    masks : torch.Tensor
        Mask of each prompt, ``[prompts, frames, bins]``.
    """

    @torch.no_grad()
    def __init__(self, classifier: MaskedClassifier, wav: torch.Tensor, masks: torch.Tensor):
        self.classifier, self.wav = classifier, wav
        filtered = classifier.audio_classifier.without_offset(wav.unsqueeze(0))
        self.encoded = classifier.encode_clips(filtered.to(classifier.device))
        seeds = [0] * len(masks)  # one order of equal bins for all prompts
        self.ranks = rank_valid_bins(classifier, self.encoded, masks.to(classifier.device), seeds)
        self.num_bins = int(classifier.grid(self.encoded).valid.sum())

    def sound(self, area: float, i: int) -> torch.Tensor:
        """Return the sound ``[time]`` of the best bins of mask ``i``."""
        return self.play(area_mask(self.ranks[i : i + 1], area, self.num_bins)).squeeze(0)

    @torch.no_grad()
    def play(self, masks: torch.Tensor) -> torch.Tensor:
        """Return the masked-in sounds of masks ``[sounds, frames, bins]``, ``[sounds, time]``."""
        encoded = self.encoded
        domain = self.classifier.domain
        return domain.apply_mask(encoded.wavs, masks.unsqueeze(1), encoded.stft).squeeze(1).cpu()


def find_areas(
    ranked: RankedMasks, prompts: Sequence[str], against: str | None
) -> tuple[PromptAreas, ...]:
    """Find the smallest areas of all prompts of a clip.

    Arguments
    ---------
    ranked : RankedMasks
        Clip with its ranked masks.
    prompts : sequence of str
        Prompts.
    against : str or None
        Text that each prompt is contrasted with.

    Returns
    -------
    tuple of PromptAreas
    """
    classifier = ranked.classifier.audio_classifier
    others = [] if against is None else [against]
    queries = classifier.queries([*prompts, *others])
    contrast = queries[-1] if others else None
    classes = [competing_classes(classifier, query, contrast) for query in queries[: len(prompts)]]

    def decide(vectors: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        decisions = [
            classes[i].leads(vector, queries[i], torch.zeros_like(index[0]))
            for vector, i in zip(vectors, index.tolist())
        ]
        return torch.stack(decisions)

    def leads(top: torch.Tensor, removed: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        parts = zip(*(values.split(CHUNK_SIZE) for values in (top, removed, index)))
        return torch.cat([decide(encode(*part), i) for *part, i in parts])

    def encode(top: torch.Tensor, removed: torch.Tensor) -> torch.Tensor:
        sounds = ranked.play(top)
        sounds = torch.where(removed.cpu().unsqueeze(1), ranked.wav - sounds, sounds)
        return classifier(classifier.without_offset(sounds).to(classifier.device)).vector

    every = torch.arange(len(prompts), device=classifier.device)
    leading = decide(ranked.encoded.encoding.vector.expand(len(prompts), -1), every)
    found = smallest_areas(ranked.ranks, ranked.num_bins, leads, leading)
    columns = ([value if value <= 1 else None for value in area.tolist()] for area in found)
    return tuple(PromptAreas(*pair) for pair in zip(*columns))


def competing_classes(
    classifier: AudioClassifier, query: torch.Tensor, against: torch.Tensor | None
) -> ClassSet:
    """Return the classes that a prompt competes with, as in its presence.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier that is explained.
    query : torch.Tensor
        Query vector of the prompt, ``[dim]``.
    against : torch.Tensor or None
        Query vector of the text that the prompt is contrasted with, ``[dim]``.

    Returns
    -------
    ClassSet
        Classes with the prompt as the first one, unless the classifier has classes of its own.
    """
    if against is not None:
        return ClassSet(torch.stack([query, against]), classifier)
    return classifier.competing(classifier.competing_queries(query.unsqueeze(0)))
