"""Measurements on the sounds of an interpretation, computed on first use."""

from dataclasses import replace
from functools import cached_property

import torch

from speechbrain_lmac.inference.activity import ActivityAccumulator
from speechbrain_lmac.inference.areas import PlayableAreas
from speechbrain_lmac.inference.presence import LIKELY
from speechbrain_lmac.inference.scores import (
    PromptScores,
    score_filtered,
    score_sounds,
    with_fill,
    with_only,
)
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.utils.device import in_float32


class MeasuredSounds(PlayableAreas):
    """Scores, levels and activity of an interpretation.

    They are those of the explained prompts. Sounds are encoded, and filtered, once for all of them.
    """

    filtered: torch.Tensor
    waveform: torch.Tensor
    probabilities: torch.Tensor
    presence: torch.Tensor
    explained: torch.Tensor
    sample_rate: int
    file: str | None
    explainer: str | None

    @cached_property
    def contrast_holds(self) -> torch.Tensor:
        """Whether each masked-in sound favors its prompt over ``against``, ``[prompts]`` of bool.

        All are True without ``against``.
        """
        if self.against is None:
            return torch.ones(len(self.prompts), dtype=torch.bool)
        return self.score_sounds(self.waveform).probability > LIKELY

    @property
    def detection_probability(self) -> torch.Tensor:
        """Probability that each prompt occurs, ``[prompts]``: its presence.

        With ``against``, it is the probability against that text, and 0 if the contrast does not
        hold.
        """
        if self.against is None:
            return self.presence
        return self.probabilities * self.contrast_holds

    @cached_property
    @in_float32
    def timeline(self) -> Timeline:
        """Activity over time, and its regions. Prompts that are not explained have no activity."""
        samples, index = len(self.original), self._index
        domain = self.model.classifier.domain
        prompts = [self.prompts[i] for i in index]
        activity = ActivityAccumulator(domain, prompts, samples / self.sample_rate)
        mask, probability = None, None
        if len(index):
            mask = with_only(self.mask, index)
            probability = with_only(self.detection_probability, index)
        power = domain.audio_classifier.filtered_power(self.filtered.unsqueeze(0))[0].cpu()
        activity.add(0, self.original, mask, probability, power=power)
        timeline = activity.timeline(samples, self.against, file=self.file)
        timeline = replace(timeline, explainer=self.explainer)
        return timeline.with_others(self.prompts, index, self.detection_probability)

    @cached_property
    @in_float32
    def scores(self) -> dict[str, torch.Tensor]:
        """Scores of the clip, of the masked-in and of the masked-out sounds, ``[prompts]`` each.

        The sounds are encoded, not the masked spectrograms, because sounds are what people hear.

        Returns
        -------
        dict
            ``probability`` and ``presence`` of each prompt in the clip; ``similarity_masked_in``,
            ``probability_masked_in`` and ``presence_masked_in``; ``similarity_masked_out``,
            ``probability_masked_out`` and ``presence_masked_out``. Similarities are logits. Scores
            of the sounds are NaN for prompts that are not explained.
        """
        scores = {"probability": self.probabilities, "presence": self.presence}
        index = self._index
        masked_in = self._filtered[1:]
        filtered = torch.cat([masked_in, self._filtered[:1] - masked_in])
        classifier, count = self.model.classifier, len(self.prompts)
        found = score_filtered(classifier, filtered, self.prompts, self.against, index.repeat(2))
        names = {"similarity": "logit", "probability": "probability", "presence": "presence"}
        for part, version in enumerate(("masked_in", "masked_out")):
            for name, field_name in names.items():
                values = getattr(found, field_name).view(2, -1)[part]
                scores[f"{name}_{version}"] = with_fill(values, index, count, torch.nan)
        return scores

    @property
    def _index(self) -> torch.Tensor:
        """Indices of the explained prompts, ``[explained]``."""
        return self.explained.nonzero().flatten()

    @cached_property
    @in_float32
    def _filtered(self) -> torch.Tensor:
        """Clip and masked-in sounds of explained prompts without offset, ``[1 + explained, time]``.

        The filter is linear, so the masked-out sound is the difference.
        """
        if not len(self._index):
            return self.filtered.unsqueeze(0)
        masked_in = self.model.classifier.audio_classifier.without_offset(
            with_only(self.waveform, self._index)
        )
        return torch.cat([self.filtered.unsqueeze(0), masked_in])

    @in_float32
    def score_sounds(
        self, sounds: torch.Tensor, prompt: int | str | torch.Tensor | None = None
    ) -> PromptScores:
        """Score sounds, each for its own prompt, or all for one prompt.

        Arguments
        ---------
        sounds : torch.Tensor
            Sound for each prompt, ``[prompts, time]``, or any number of sounds for one prompt.
        prompt : int, str or torch.Tensor
            Index or text of the prompt of all sounds, or index of the prompt of each sound,
            ``[sounds]``. Default: there is a sound for each prompt.

        Returns
        -------
        PromptScores
        """
        index = prompt if isinstance(prompt, torch.Tensor) else None
        if isinstance(prompt, int | str):
            index = torch.full((len(sounds),), self.prompt_index(prompt))
        return score_sounds(self.model.classifier, sounds, self.prompts, self.against, index)

    @cached_property
    @in_float32
    def level_db(self) -> torch.Tensor:
        """Level of each masked-in sound relative to the clip in dB, ``[prompts]``.

        It is minus infinity for silence, and NaN for prompts that are not explained. Energy that is
        not encoded, such as a constant offset, does not count.
        """
        energy = self.model.classifier.audio_classifier.filtered_energy(self._filtered)
        tiny = torch.finfo(torch.float32).tiny
        level = 10 * (energy[1:] / energy[:1].clamp(min=tiny)).log10()
        return with_fill(level, self._index, len(self.prompts), torch.nan)
