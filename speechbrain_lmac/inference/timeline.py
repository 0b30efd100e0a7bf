"""Activity of prompts over the time of a sound."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.inference.inputs import check_folder_name, check_rule
from speechbrain_lmac.inference.outputs import table_names, timeline_names, writing_to
from speechbrain_lmac.inference.quality import timeline_warnings
from speechbrain_lmac.inference.saving import write_tables, write_timeline
from speechbrain_lmac.inference.scores import with_fill
from speechbrain_lmac.reports.annotations import Region, RegionRule, find_regions
from speechbrain_lmac.utils.counts import counted

STEP_SECONDS = 0.1
"""Length of a step, in seconds."""
THRESHOLD, MERGE_GAP, MIN_DURATION = RegionRule()
"""Defaults of :class:`~speechbrain_lmac.reports.annotations.RegionRule`."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """Activity of each prompt over the time of a sound.

    Arguments
    ---------
    prompts : tuple of str
        Prompts.
    probability : torch.Tensor
        Probability of the prompt in the window around each step, ``[prompts, steps]``: its presence
        against 50 everyday sounds, the classes of ESC-50, or its probability against ``against``.
    masked_in_fraction : torch.Tensor
        Fraction of each step's energy that is masked-in, ``[prompts, steps]``.
    bands : torch.Tensor
        Lowest and highest masked-in frequency of each step, in Hz, ``[prompts, 2, steps]``.
    duration : float
        Duration of the sound, in seconds.
    spectrogram : torch.Tensor
        Mean power in equal parts of the sound, ``[columns, bins]``, on a linear frequency axis.
    sample_rate : int
        Sample rate of the spectrogram, in Hz.
    against : str or None
        Text that each prompt is contrasted with.
    files : tuple of Path
        Files of the explanations, in the order of the prompts; empty if none were written.
    gain : float
        Gain of the files, below 1 if they would have clipped.
    file : str or None
        Path of the sound, if it was read from a file.
    min_presence : float
        Probability below which a prompt is absent. Default: 0.05.
    explainer : str or None
        Name of the method that predicted the masks, such as ``LMAC-ZS-G``.
    taken_for : dict
        Prompt that the classifier does not know -> label that it is taken for. Default: empty.
    """

    prompts: tuple[str, ...]
    probability: torch.Tensor
    masked_in_fraction: torch.Tensor
    bands: torch.Tensor
    duration: float
    spectrogram: torch.Tensor = field(repr=False)
    sample_rate: int
    against: str | None = None
    files: tuple[Path, ...] = ()
    gain: float = 1.0
    file: str | None = None
    min_presence: float = 0.05
    explainer: str | None = None
    taken_for: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        prompts, regions = counted(len(self.prompts), "prompt"), len(self.regions())
        return f"Timeline({self.duration:.1f} s, {prompts}, {counted(regions, 'region')})"

    @property
    def activity(self) -> torch.Tensor:
        """Activity in [0, 1], ``[prompts, steps]``: probability times masked-in fraction.

        The window determines whether the prompt occurs, the mask where in the window.
        """
        return self.probability * self.masked_in_fraction

    @property
    def absent(self) -> torch.Tensor:
        """Whether each prompt is absent from the whole sound, ``[prompts]`` of bool.

        Its presence is then below ``min_presence`` everywhere. With ``against`` none is absent.
        """
        return (self.probability.amax(dim=1) < self.min_presence) & (self.against is None)

    @property
    def warnings(self) -> list[str]:
        """Warnings about prompts that are unknown, or absent from the whole sound."""
        return timeline_warnings(self)

    @property
    def seconds(self) -> torch.Tensor:
        """Start of each step in seconds, ``[steps]``, in double precision."""
        return torch.arange(self.probability.shape[-1], dtype=torch.float64) * STEP_SECONDS

    def with_others(
        self, prompts: tuple[str, ...], index: torch.Tensor, probability: torch.Tensor
    ) -> "Timeline":
        """Return this timeline with other prompts, which have no activity.

        Arguments
        ---------
        prompts : tuple of str
            Prompts of the clip, explained or not.
        index : torch.Tensor
            Indices of the prompts of this timeline, ``[explained]``.
        probability : torch.Tensor
            Probability of each of all prompts, ``[prompts]``.

        Returns
        -------
        Timeline
        """
        if len(index) == len(prompts):
            return self
        count, steps = len(prompts), self.probability.shape[-1]
        everywhere = probability.unsqueeze(1).repeat(1, steps)
        everywhere[index] = self.probability
        fraction = with_fill(self.masked_in_fraction, index, count, 0.0)
        bands = with_fill(self.bands, index, count, 0.0)
        return replace(
            self, prompts=prompts, probability=everywhere, masked_in_fraction=fraction, bands=bands
        )

    def regions(
        self,
        threshold: float = THRESHOLD,
        merge_gap: float = MERGE_GAP,
        min_duration: float = MIN_DURATION,
    ) -> list[Region]:
        """Find the regions of activity, in order of prompt and time.

        Arguments
        ---------
        threshold : float
            Activity from which a region starts, above 0 and at most 1. Default: 0.1.
        merge_gap : float
            Longest gap between regions that are merged, in seconds. Default: 0.3.
        min_duration : float
            Duration below which a region is dropped after merging, in seconds. Default: 0.

        Returns
        -------
        list of Region
        """
        check_rule(RegionRule(threshold, merge_gap, min_duration))
        regions: list[Region] = []
        for prompt, activity, bands in zip(self.prompts, self.activity, self.bands):
            regions += find_regions(prompt, activity, bands, STEP_SECONDS, threshold, merge_gap)
        ended = [region._replace(stop=min(region.stop, self.duration)) for region in regions]
        return [region for region in ended if region.stop - region.start >= min_duration - 1e-6]

    def rows(
        self,
        threshold: float = THRESHOLD,
        merge_gap: float = MERGE_GAP,
        min_duration: float = MIN_DURATION,
    ) -> list[dict[str, Any]]:
        """Return the entries of ``scores.json``, one per prompt.

        Arguments
        ---------
        threshold, merge_gap, min_duration
            As for :meth:`regions`.

        Returns
        -------
        list of dict
            Maximum probability and activity, and the regions.
        """
        regions = self.regions(threshold, merge_gap, min_duration)
        name = "presence" if self.against is None else "probability"
        return [
            {
                "prompt": prompt,
                name: self.probability[i].max().item(),
                "absent": self.absent[i].item(),
                "activity": self.activity[i].max().item(),
                "regions": [
                    {key: value for key, value in region._asdict().items() if key != "prompt"}
                    for region in regions
                    if region.prompt == prompt
                ],
            }
            for i, prompt in enumerate(self.prompts)
        ]

    def save(
        self,
        folder: str | Path,
        threshold: float = THRESHOLD,
        merge_gap: float = MERGE_GAP,
        min_duration: float = MIN_DURATION,
    ) -> None:
        """Write ``figure.png``, ``scores.json`` and the tables.

        Explanations of another sound in the folder are removed.

        Arguments
        ---------
        folder : str or Path
            Output folder, created if it does not exist.
        threshold, merge_gap, min_duration
            As for :meth:`regions`.

        Raises
        ------
        InputError
            If a file exists that this package did not write, or that has changed since. Nothing is
            written then.
        """
        check_folder_name(folder)
        here = Path(folder).resolve()
        keep = [path.name for path in self.files if Path(path).parent.resolve() == here]
        names = timeline_names(self.file)
        with writing_to(folder, names, [self.file], self.file, keep) as stage:
            write_timeline(self, stage, RegionRule(threshold, merge_gap, min_duration))

    def save_tables(
        self,
        folder: str | Path,
        threshold: float = THRESHOLD,
        merge_gap: float = MERGE_GAP,
        min_duration: float = MIN_DURATION,
    ) -> None:
        """Write ``activity.csv``, ``regions.csv`` and a selection table of Raven.

        Arguments
        ---------
        folder, threshold, merge_gap, min_duration
            As for :meth:`save`.

        Raises
        ------
        InputError
            As for :meth:`save`.
        """
        check_folder_name(folder)
        with writing_to(folder, table_names(self.file), [self.file], self.file) as stage:
            write_tables(self, stage, RegionRule(threshold, merge_gap, min_duration))
