"""Smallest areas of explanations, and their sounds at any area.

Decisions are made on sounds, not on masked spectrograms: the bins of a sound overlap, so a decision
on a hard mask may not survive its inverse STFT.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch

from speechbrain_lmac.inference.decisions import PromptDecisions, RankedMasks
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.metrics.smallest_areas import smallest_areas
from speechbrain_lmac.utils.device import in_float32
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.percent import percent


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
        '7 % of the sound suffices; removing 15 % changes the decision'
        """
        if self.sufficient is None:
            return "not the classifier's decision in the clip, so no area suffices"
        removed = (
            "all of it does not change"
            if self.necessary is None
            else (f"{percent(self.necessary)} changes")
        )
        return f"{percent(self.sufficient)} of the sound suffices; removing {removed} the decision"


class PlayableAreas:
    """Smallest areas of an interpretation, and its sounds at any area.

    The best-ranked bins of a mask are masked in at full gain, all others are silent. An area is
    their fraction of the bins that the encoder uses; an area of 1 is the whole clip.
    """

    original: torch.Tensor
    filtered: torch.Tensor
    mask: torch.Tensor
    prompts: tuple[str, ...]
    against: str | None
    explained: torch.Tensor
    target: int
    model: MaskNetwork

    @cached_property
    @in_float32
    def areas(self) -> tuple[PromptAreas, ...]:
        """Smallest sufficient and necessary area of each prompt, computed on first use.

        The areas of :data:`~speechbrain_lmac.metrics.smallest_areas.AREA_FRACTIONS` are tried in
        ascending order. The competing classes are those of the presence: everyday sounds of another
        meaning for a CLAP, all other classes of a softmax head, and the absence of a label for a
        sigmoid head. With ``against``, that text is the only one. A prompt that is not explained
        has no areas.
        """
        return find_areas(self._ranked, self.prompts, self.against, self.explained)

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
            If the area is not in [0, 1], or the prompt is not explained.

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
        i = self.prompt_index(prompt)
        if not self.explained[i]:
            raise InputError(
                f"prompt must be explained, got “{self.prompts[i]}”, whose presence is below "
                "explain_above. Lower it"
            )
        return self._ranked.sound(area, i)

    @in_float32
    def residual_at(self, area: float, prompt: int | str | None = None) -> torch.Tensor:
        """Return the clip without the best bins of a mask: the clip minus :meth:`waveform_at`."""
        return self.original - self.waveform_at(area, prompt)

    @cached_property
    def _ranked(self) -> RankedMasks:
        return RankedMasks(self.model.classifier, self.filtered, self.mask)

    def prompt_index(self, prompt: int | str | None = None) -> int:
        """Return the index of a prompt, given as its index or text, or of the highest logit.

        Raises
        ------
        InputError
            If the prompt is not one of the interpretation.
        """
        if prompt is None:
            return self.target
        numbers = range(len(self.prompts))
        choices: list[int | str] = [*(self.prompts if isinstance(prompt, str) else numbers)]
        if prompt not in choices:
            listed = ", ".join(map(repr, choices))
            raise InputError(f"prompt must be one of {listed}, got {prompt!r}")
        return choices.index(prompt)


@torch.no_grad()
def find_areas(
    ranked: RankedMasks,
    prompts: Sequence[str],
    against: str | None,
    explained: torch.Tensor | None = None,
) -> tuple[PromptAreas, ...]:
    """Find the smallest areas of the prompts of a clip.

    Arguments
    ---------
    ranked : RankedMasks
        Clip with its ranked masks.
    prompts : sequence of str
        Prompts.
    against : str or None
        Text that each prompt is contrasted with.
    explained : torch.Tensor
        Whether each prompt is explained, ``[prompts]`` of bool. Default: all are.

    Returns
    -------
    tuple of PromptAreas
        One for each prompt. Masks of prompts that do not lead in the clip are not ranked.
    """
    decisions = PromptDecisions(ranked, prompts, against)
    candidates = range(len(prompts)) if explained is None else explained.nonzero().flatten()
    vector = ranked.encoded.encoding.vector[0]
    leading = [int(i) for i in candidates if decisions.leads(vector, int(i))]
    areas = [PromptAreas(None, None)] * len(prompts)
    if not leading:
        return tuple(areas)

    def leads(top: torch.Tensor, removed: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        chosen = [leading[i] for i in index.tolist()]
        return decisions.on_parts(top, removed, chosen).to(removed.device)

    ranks = torch.stack([ranked.ranks(i) for i in leading])
    every = torch.ones(len(leading), dtype=torch.bool)
    found = smallest_areas(ranks, ranked.num_bins, leads, every)
    for i, *pair in zip(leading, *(area.tolist() for area in found)):
        areas[i] = PromptAreas(*(value if value <= 1 else None for value in pair))
    return tuple(areas)
