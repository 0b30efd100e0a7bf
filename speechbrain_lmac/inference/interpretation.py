"""What an explanation is: a frozen value that can be heard, seen and saved."""

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.audio.io import safe_gain, save_audio
from speechbrain_lmac.inference.long_audio import ActivityAccumulator
from speechbrain_lmac.inference.outputs import (
    FIGURE,
    ORIGINAL,
    SCORES,
    explanation_files,
    names_of,
    residual_of,
    writing_to,
)
from speechbrain_lmac.inference.timeline import ABSENT, THRESHOLD, Timeline, check_threshold
from speechbrain_lmac.utils.device import in_float32
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import write_text

UNSURE = 0.5
"""Probability under which the best of several prompts is called unsure."""
QUIET_PEAK, LOUD_PEAK = 2e-3, 4.0
"""Largest samples outside of which a sound is called very quiet, or very loud."""
SILENCE_DB = -120
"""What is written for the level of digital silence."""
NEAR_SILENT_DB = -30
"""Level against the clip under which an explanation is called nearly silent."""


def audible(presence: torch.Tensor, absent: torch.Tensor) -> torch.Tensor:
    """Gain of each prompt's explanation, ``[prompts]``.

    A mask retains something of any sound. A prompt that is absent is faded out in proportion to its
    presence, in short clips and in every window of long recordings.

    Example
    -------
    >>> audible(torch.tensor([0.9, 0.025, 0.0]), torch.tensor([False, True, False]))
    tensor([1.0000, 0.5000, 1.0000])
    """
    return torch.where(absent, presence / ABSENT, torch.ones_like(presence))


def level_notes(wav: torch.Tensor) -> list[str]:
    """What to know of the level of a sound ``[time]`` that is far from those trained on."""
    peak = (wav - wav.mean()).abs().max().item()
    if QUIET_PEAK <= peak <= LOUD_PEAK:
        return []
    level = 20 * math.log10(max(peak, 1e-12))
    how = "quiet: raise its level" if peak < QUIET_PEAK else "loud: is it of full scale 1?"
    return [f"the sound is very {how} (peak {level:+.0f} dB of full scale)"]


def check_named(folder: str | Path) -> None:
    """Raise InputError if the name of a folder to write to is empty."""
    if not str(folder).strip():
        raise InputError("the folder to write to must have a name, got none. Give one, or '.'")


class PromptScores(NamedTuple):
    """What the CLAP makes of each prompt's sound, ``[prompts]`` all."""

    logit: torch.Tensor
    """Of the prompt."""
    share: torch.Tensor
    """Its probability over the prompts, or over it and ``against``."""
    presence: torch.Tensor
    """Its probability against everyday sounds."""


@dataclass(frozen=True, eq=False)
class Interpretation:
    """Why a CLAP finds a clip similar to each of the prompts.

    Arguments
    ---------
    original : torch.Tensor
        The clip as the CLAP heard it, ``[time]``.
    waveform : torch.Tensor
        What each prompt's mask keeps, ``[prompts, time]``; a prompt that is absent is faded out
        by :func:`audible`.
    mask : torch.Tensor
        ``[prompts, frames, bins]`` in [0, 1].
    similarity : torch.Tensor
        Logits, ``[prompts]``.
    presence : torch.Tensor
        ``[prompts]``: probability of each prompt against 50 everyday sounds, of
        :class:`~speechbrain_lmac.inference.presence.PresenceClassifier`: whether it is there at
        all.
    absent : torch.Tensor
        Whether each prompt is absent, ``[prompts]`` of bool: its presence is below ``ABSENT`` in
        the clip and below ``UNSURE`` in what its mask keeps; in windows of a long recording the
        former alone counts. With ``against`` none is.
    target : int
        Index of the most similar prompt.
    prompts : tuple of str
        As they were given.
    against : str or None
        What each prompt is explained against: why this rather than that.
    sample_rate : int
        Of the sounds, in Hz.
    model : InterpreterNetwork
        What was explained, for :meth:`score`.
    background : PresenceClassifier
        The everyday sounds, for :meth:`score`.
    rival_similarity : float or None
        Logit of ``against``.
    file : str or None
        Path of what was explained, if it was read from a file.
    """

    original: torch.Tensor
    waveform: torch.Tensor
    mask: torch.Tensor
    similarity: torch.Tensor
    presence: torch.Tensor
    absent: torch.Tensor
    target: int
    prompts: tuple
    against: str | None
    sample_rate: int
    model: Any = field(repr=False)
    background: Any = field(repr=False)
    rival_similarity: float | None = None
    file: str | None = None

    def __repr__(self) -> str:
        shares = ", ".join(
            f"{prompt!r}: {share:.2f}"
            for prompt, share in zip(self.prompts, self.presence.tolist())
        )
        seconds = len(self.original) / self.sample_rate
        return f"Interpretation({seconds:.1f} s; presence {shares})"

    @property
    def residual(self) -> torch.Tensor:
        """What each mask removes, ``[prompts, time]``: the clip less the explanation."""
        return self.original - self.waveform

    @property
    def probabilities(self) -> torch.Tensor:
        """Softmax of the similarities over the given prompts, ``[prompts]``; with ``against`` each
        prompt's over the two of them.
        """
        if self.rival_similarity is not None:
            return (self.similarity - self.rival_similarity).sigmoid()
        return self.similarity.softmax(dim=0)

    @cached_property
    def contrast_holds(self) -> torch.Tensor:
        """Whether each explanation favors its prompt over ``against``, ``[prompts]`` of bool; all
        True without ``against``.
        """
        if self.against is None:
            return torch.ones(len(self.prompts), dtype=torch.bool)
        return self.heard_in(self.waveform).share > UNSURE

    @property
    def likely(self) -> torch.Tensor:
        """What says whether each prompt is there, ``[prompts]``: its presence, or with ``against``
        its probability, 0 where the explanation favors ``against``.
        """
        if self.against is None:
            return self.presence
        return self.probabilities * self.contrast_holds

    @cached_property
    @in_float32
    def timeline(self) -> Timeline:
        """Evidence over time, and in regions."""
        samples = len(self.original)
        log = ActivityAccumulator(
            self.model.classifier.domain, self.prompts, samples / self.sample_rate
        )
        log.add(0, self.original, self.mask, self.likely)
        return log.timeline(samples, self.against)

    @cached_property
    @in_float32
    def scores(self) -> dict[str, torch.Tensor]:
        """What the CLAP makes of the kept and the removed *sounds*; two more encodes a prompt.

        The sounds are encoded, not the masked spectrograms: it is sounds that people hear.

        Returns
        -------
        dict
            All ``[prompts]``. ``kept`` and ``removed``: each prompt's logit given its explanation
            and given its residual. ``p``, ``q`` and ``r``: its probability, as in
            :attr:`probabilities`, given the clip, the explanation and the residual. ``presence``,
            ``presence_kept`` and ``presence_removed``: that against everyday sounds.
        """
        kept, removed = self.heard_in(self.waveform), self.heard_in(self.residual)
        return {
            "kept": kept.logit,
            "removed": removed.logit,
            "p": self.probabilities,
            "q": kept.share,
            "r": removed.share,
            "presence": self.presence,
            "presence_kept": kept.presence,
            "presence_removed": removed.presence,
        }

    @in_float32
    @torch.no_grad()
    def heard_in(self, sounds: torch.Tensor) -> "PromptScores":
        """What the CLAP makes of a sound for each prompt, ``[prompts, time]``."""
        classifier = self.model.classifier
        rival = [] if self.against is None else [self.against]
        text = classifier.audio_classifier.queries([*self.prompts, *rival])
        embedding = classifier.audio_classifier(
            classifier.audio_classifier.without_offset(sounds).to(text.device)
        ).vector
        logits = classifier.logits(embedding, text).cpu()
        own = logits[:, : len(self.prompts)].diagonal()
        share = (own - logits[:, -1]).sigmoid() if rival else logits.softmax(dim=1).diagonal()
        asked = text[: len(self.prompts)]
        presence = self.background.probability(embedding, asked).diagonal().cpu()
        return PromptScores(own, share, presence)

    @cached_property
    @in_float32
    def level_db(self) -> torch.Tensor:
        """Level of each explanation against the clip, in dB, ``[prompts]``; minus infinity for
        silence. Energy that the CLAP does not encode, such as a constant offset, does not count.
        """
        energy = self.model.classifier.audio_classifier.encoded_energy
        tiny = torch.finfo(torch.float32).tiny
        return 10 * (energy(self.waveform) / energy(self.original[None]).clamp(min=tiny)).log10()

    @property
    def warnings(self) -> list[str]:
        """What a listener should know before trusting the explanations; none if all is well."""
        found: list[str] = level_notes(self.original)
        for i, prompt in enumerate(self.prompts):
            found.extend(f"“{prompt}”: {said}" for said in self._warnings_of(i))
        unsure = self.probabilities.max() < UNSURE * (len(self.prompts) > 1)
        if unsure and self.against is None:
            best = self.prompts[self.target]
            found.append(
                f"the CLAP is unsure: its best prompt, “{best}”, has {self.probabilities.max():.0%}"
            )
        return found

    def _warnings_of(self, i):
        scores, level = self.scores, self.level_db[i].item()
        before, kept = (scores[name][i].item() for name in ("presence", "presence_kept"))
        if not self.contrast_holds[i]:
            yield (
                f"its explanation favors “{self.against}” ({1 - scores['q'][i].item():.0%}), so it "
                "means nothing and has no regions"
            )
        elif self.against is None and before < ABSENT and not self.absent[i]:
            yield (
                f"other sounds hide it: {before:.0%} in the clip, {kept:.0%} in what is kept, "
                "among everyday sounds"
            )
        elif self.absent[i]:
            yield (
                f"absent ({before:.0%} among everyday sounds); what is kept is what is least "
                "unlike it, faded out"
            )
        elif scores["r"][i] > UNSURE and (self.against is not None):
            yield f"what is removed still decides for it ({scores['r'][i].item():.0%})"
        elif self.against is None and scores["presence_removed"][i] > UNSURE:
            left = scores["presence_removed"][i].item()
            yield f"it is still heard in what is removed ({left:.0%} among everyday sounds)"
        if level < NEAR_SILENT_DB:
            yield f"its explanation is nearly silent ({level:.0f} dB)"

    @in_float32
    def save(self, folder: str | Path, threshold: float = THRESHOLD) -> list[Path]:
        """Write sounds, figure, scores and tables.

        Arguments
        ---------
        folder : str or Path
            Made if absent. Gets ``original.wav``, ``{i}-{prompt}-explanation.wav`` and
            ``-residual.wav`` for each prompt, ``figure.png``, ``scores.json`` and the tables of
            :meth:`~speechbrain_lmac.inference.timeline.Timeline.save_tables`. One gain, in
            ``scores.json``,
            keeps all sounds from clipping. Explanations of other prompts that were there are
            removed, unless they have changed since.
        threshold : float
            Evidence that makes a region.

        Returns
        -------
        list of Path
            The explanations, in the order of the prompts.

        Raises
        ------
        InputError
            If a file of these names is there that this package did not write, that has changed
            since, or that is the sound which is explained; nothing is written then.
        """
        check_named(folder)
        check_threshold(threshold)
        names = names_of(self.prompts)
        with writing_to(folder, names, [self.file], self.file, kept=()) as stage:
            self._write(stage, threshold)
        return explanation_files(Path(folder), self.prompts)

    def _write(self, folder, threshold):
        from speechbrain_lmac.reports.plots import draw_interpretation

        gain = safe_gain(self.original, self.waveform, self.residual)
        explanations = explanation_files(folder, self.prompts)
        sounds = {
            folder / ORIGINAL: self.original,
            **dict(zip(explanations, self.waveform)),
            **dict(zip(map(residual_of, explanations), self.residual)),
        }
        for path, sound in sounds.items():
            save_audio(path, gain * sound, self.sample_rate)
        draw_interpretation(self, folder / FIGURE)
        self.timeline.write_tables(folder, threshold)
        scores = json.dumps(self._scores(gain, threshold), indent=2, allow_nan=False)
        write_text(folder / SCORES, scores + "\n")

    @in_float32
    def _repr_html_(self) -> str:
        """Players and pictures, in a notebook."""
        from speechbrain_lmac.reports.clip import clip_section
        from speechbrain_lmac.reports.page import embedded_report

        height = f"{26 + 26 * len(self.prompts)}rem"
        return embedded_report([clip_section("Clip", self)], "", height)

    def rows(self, threshold: float = THRESHOLD) -> list[dict]:
        """What ``scores.json`` says of each prompt, by plain numbers."""
        scores = {name: values.tolist() for name, values in self.scores.items()}
        found = self.timeline.rows(threshold)
        return [
            {
                "prompt": prompt,
                "similarity": self.similarity[i].item(),
                "similarity_of_explanation": scores["kept"][i],
                "similarity_of_residual": scores["removed"][i],
                "probability": scores["p"][i],
                "probability_of_explanation": scores["q"][i],
                "probability_of_residual": scores["r"][i],
                "presence": scores["presence"][i],
                "absent": self.absent[i].item(),
                "presence_of_explanation": scores["presence_kept"][i],
                "presence_of_residual": scores["presence_removed"][i],
                "level_db": max(SILENCE_DB, self.level_db[i].item()),
                "mask_mean": self.mask[i].mean().item(),
                "evidence": found[i]["evidence"],
                "regions": found[i]["regions"],
            }
            for i, prompt in enumerate(self.prompts)
        ]

    def _scores(self, gain, threshold):
        return {
            "file": self.file,
            "seconds": len(self.original) / self.sample_rate,
            "gain": gain,
            "sample_rate": self.sample_rate,
            "target": self.target,
            "against": self.against,
            "warnings": self.warnings,
            "prompts": self.rows(threshold),
        }
