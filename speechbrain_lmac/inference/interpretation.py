"""Explanation of a clip: an immutable value that can be played, drawn and saved."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.inference.inputs import as_source, check_folder_name, check_rule
from speechbrain_lmac.inference.measured_sounds import MeasuredSounds
from speechbrain_lmac.inference.outputs import output_names, writing_to
from speechbrain_lmac.inference.quality import interpretation_warnings
from speechbrain_lmac.inference.region_clips import write_region_clips
from speechbrain_lmac.inference.saving import (
    explained_files,
    interpretation_rows,
    write_interpretation,
)
from speechbrain_lmac.inference.timeline import MERGE_GAP, MIN_DURATION, THRESHOLD
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.models.question_words import QuestionWords
from speechbrain_lmac.reports.annotations import RegionRule
from speechbrain_lmac.utils.device import in_float32


@dataclass(frozen=True, eq=False)
class Interpretation(MeasuredSounds):
    """Explanation of a classifier's scores of a clip for each prompt.

    Arguments
    ---------
    original : torch.Tensor
        Clip, ``[time]``.
    filtered : torch.Tensor
        Clip without offset and hum, as it is encoded, ``[time]``.
    waveform : torch.Tensor
        Masked-in sound of each prompt, ``[prompts, time]``. That of an absent prompt is faded out,
        and 0 if the prompt is not explained.
    mask : torch.Tensor
        Mask of each prompt in [0, 1], ``[prompts, frames, bins]``; 0 if it is not explained.
    similarity : torch.Tensor
        Logit of each prompt, ``[prompts]``.
    probabilities : torch.Tensor
        Probability of each prompt, ``[prompts]``. Prompts of a CLAP compete with each other,
        classes of a supervised classifier with all its classes, and each with ``against`` if given.
    presence : torch.Tensor
        Probability that the sound of each prompt occurs, ``[prompts]``. Prompts of a CLAP compete
        with 50 everyday sounds; for a supervised classifier it is the probability of the class.
    absent : torch.Tensor
        Whether each prompt is absent, ``[prompts]`` of bool: its presence is below ``min_presence``
        in the clip and below 0.5 in its masked-in sound. In windows of a recording only the former
        counts. With ``against`` no prompt is absent, and neither is the prediction of a clip.
    explained : torch.Tensor
        Whether each prompt is explained, ``[prompts]`` of bool; see ``explain_above`` of
        :meth:`~speechbrain_lmac.inference.interpreter.Interpreter.interpret_file`.
    target : int
        Index of the prompt with the highest logit.
    prompts : tuple of str
        Prompts.
    against : str or None
        Text that each prompt is contrasted with.
    sample_rate : int
        Sample rate of the sounds, in Hz.
    model : MaskNetwork
        Network that was used, for :meth:`score_sounds`.
    file : str or None
        Path of the sound, if any.
    explainer : str or None
        Name of the method that predicted the masks, such as ``LMAC-ZS-G``.
    """

    original: torch.Tensor
    filtered: torch.Tensor = field(repr=False)
    waveform: torch.Tensor
    mask: torch.Tensor
    similarity: torch.Tensor
    probabilities: torch.Tensor
    presence: torch.Tensor
    absent: torch.Tensor
    explained: torch.Tensor
    target: int
    prompts: tuple[str, ...]
    against: str | None
    sample_rate: int
    model: MaskNetwork = field(repr=False)
    file: str | None = None
    explainer: str | None = None

    def __repr__(self) -> str:
        pairs = zip(self.prompts, self.presence.tolist())
        presence = ", ".join(f"{prompt!r}: {value:.2f}" for prompt, value in pairs)
        seconds = len(self.original) / self.sample_rate
        return f"Interpretation({seconds:.1f} s; {self.words.presence} {presence})"

    @property
    def residual(self) -> torch.Tensor:
        """Masked-out sound of each prompt, ``[prompts, time]``: the clip minus ``waveform``."""
        return self.original - self.waveform

    @property
    def words(self) -> QuestionWords:
        """Words for a prompt in texts for people."""
        return self.model.classifier.audio_classifier.question_words

    @property
    def min_presence(self) -> float:
        """Presence below which the classifier counts a prompt as absent."""
        return self.model.classifier.audio_classifier.min_presence

    @property
    def warnings(self) -> list[str]:
        """Warnings about the clip and the explanations; empty if there are none."""
        return interpretation_warnings(self)

    def rows(
        self,
        threshold: float = THRESHOLD,
        areas: bool = True,
        merge_gap: float = MERGE_GAP,
        min_duration: float = MIN_DURATION,
    ) -> list[dict[str, Any]]:
        """Return the entries of ``scores.json``, one per prompt.

        Arguments
        ---------
        threshold : float
            Activity from which a region starts, above 0 and at most 1. Default: 0.1.
        areas : bool
            Whether to find the smallest areas. Default: True.
        merge_gap, min_duration
            As for :meth:`~speechbrain_lmac.inference.timeline.Timeline.regions`.

        Returns
        -------
        list of dict
        """
        return interpretation_rows(self, RegionRule(threshold, merge_gap, min_duration), areas)

    @in_float32
    def save(
        self,
        folder: str | Path,
        threshold: float = THRESHOLD,
        areas: bool = True,
        figure: bool = True,
        merge_gap: float = MERGE_GAP,
        min_duration: float = MIN_DURATION,
        clips: bool = False,
    ) -> list[Path]:
        """Write sounds, figure, scores and tables.

        The folder gets ``original.wav``, ``{i}-{prompt}-explanation.wav`` and ``-residual.wav``
        for each explained prompt, ``figure.png``, ``scores.json`` and the tables of
        :meth:`~speechbrain_lmac.inference.timeline.Timeline.save_tables`. One gain, in
        ``scores.json``, keeps all sounds from clipping. Earlier sounds of the same prompts and of
        another clip are removed unless they have changed since. Those of other prompts of the same
        file stay.

        Arguments
        ---------
        folder : str or Path
            Output folder, created if it does not exist.
        threshold : float
            Activity from which a region starts, above 0 and at most 1. Default: 0.1.
        areas : bool
            Whether to find the smallest areas, which takes about ten encoder passes per prompt.
            Default: True.
        figure : bool
            Whether to draw ``figure.png``. Default: True.
        merge_gap, min_duration
            As for :meth:`~speechbrain_lmac.inference.timeline.Timeline.regions`.
        clips : bool
            Whether each region is written as a FLAC clip of the original sound, with a margin of
            0.5 s. The file of the sound is read again. Default: False.

        Returns
        -------
        list of Path
            Files of the masked-in sounds of the explained prompts, in their order.

        Raises
        ------
        InputError
            If a file exists that this package did not write, that has changed since, or that is
            the explained sound. Nothing is written then.
        """
        check_folder_name(folder)
        rule = check_rule(RegionRule(threshold, merge_gap, min_duration))
        names, inputs = output_names(self.prompts, self.file), [self.file]
        with writing_to(folder, names, inputs, self.file, (), self.prompts) as stage:
            write_interpretation(self, stage, rule, areas, figure)
            if clips:
                sound = as_source(self.file or self.original, self.sample_rate)
                write_region_clips(sound, self.timeline.regions(*rule), self.prompts, stage)
        return explained_files(self, Path(folder))

    @in_float32
    def _repr_html_(self) -> str:
        """Return players and images for a notebook."""
        from speechbrain_lmac.reports.clip import clip_section
        from speechbrain_lmac.reports.page import embedded_report

        height = f"{26 + 46 * int(self.explained.sum())}rem"
        return embedded_report([clip_section("Clip", self, areas=())], "", height)
