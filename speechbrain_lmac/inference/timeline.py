"""What a CLAP finds along a sound: evidence over time."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from speechbrain_lmac.inference.outputs import (
    EVIDENCE,
    FIGURE,
    RAVEN_TABLE,
    REGIONS,
    SCORES,
    TABLES,
    writing_to,
)
from speechbrain_lmac.reports.annotations import Region, find_regions, write_csv, write_raven
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import write_table, write_text

STEP_SECONDS = 0.1
ABSENT = 0.05
"""Probability against everyday sounds under which a prompt is called absent."""
THRESHOLD = 0.1
"""Evidence that makes a region."""
GAP_SECONDS = 0.3
"""Between two stretches that are one region."""


def check_threshold(threshold: float) -> float:
    """Return a detection threshold if it is above 0 and at most 1, else raise InputError."""
    if not 0 < threshold <= 1:
        raise InputError(f"threshold must be above 0 and at most 1, got {threshold!r}")
    return threshold


@dataclass(frozen=True, eq=False)
class Timeline:
    """Evidence for each prompt along a sound.

    Arguments
    ---------
    prompts : tuple of str
        As they were given.
    probability : torch.Tensor
        ``[prompts, steps]``: of the prompt, given the window around the step, against 50 everyday
        sounds, the class names of ESC-50; or against the one prompt that it is explained against.
    kept : torch.Tensor
        ``[prompts, steps]``: share of the step's energy that the mask keeps.
    bands : torch.Tensor
        ``[prompts, 2, steps]``: lowest and highest frequency of what is kept, in Hz.
    duration : float
        Of the sound, in seconds.
    picture : torch.Tensor
        ``[columns, bins]``: mean power of the sound by linear frequency, evenly over its length.
    sample_rate : int
        Twice the frequency of the last bin, in Hz.
    against : str or None
        What each prompt is explained against.
    files : tuple of Path
        Explanations, in the order of the prompts; none if they were not written.
    gain : float
        Under which they were written: less than 1 where they would have clipped.
    file : str or None
        Path of the sound, if it was read from a file.
    """

    prompts: tuple
    probability: torch.Tensor
    kept: torch.Tensor
    bands: torch.Tensor
    duration: float
    picture: torch.Tensor = field(repr=False)
    sample_rate: int
    against: str | None = None
    files: tuple = ()
    gain: float = 1.0
    file: str | None = None

    def __repr__(self) -> str:
        found = len(self.regions())
        return f"Timeline({self.duration:.1f} s, {len(self.prompts)} prompts, {found} regions)"

    @property
    def evidence(self) -> torch.Tensor:
        """``[prompts, steps]``, 0 to 1: probability times share kept. Both are needed: a window
        tells whether, the mask tells where in it.
        """
        return self.probability * self.kept

    @property
    def absent(self) -> torch.Tensor:
        """Whether each prompt is absent all along, ``[prompts]`` of bool: a probability below
        ``ABSENT`` everywhere. With ``against`` nothing is called absent.
        """
        return (self.probability.amax(dim=1) < ABSENT) & (self.against is None)

    @property
    def warnings(self) -> list[str]:
        """What a listener should know: prompts that the CLAP hardly hears anywhere."""
        return [
            f"“{prompt}”: absent everywhere; its explanation is nearly silent"
            for prompt, absent in zip(self.prompts, self.absent.tolist())
            if absent
        ]

    @property
    def seconds(self) -> torch.Tensor:
        """When each step begins, ``[steps]``, in double precision: regions begin at these times."""
        return torch.arange(self.kept.shape[-1], dtype=torch.float64) * STEP_SECONDS

    def regions(
        self, threshold: float = THRESHOLD, gap_seconds: float = GAP_SECONDS
    ) -> list[Region]:
        """Stretches in which a prompt's evidence reaches a threshold, by prompt and time."""
        found = []
        for prompt, evidence, bands in zip(self.prompts, self.evidence, self.bands):
            settings = (STEP_SECONDS, check_threshold(threshold), gap_seconds)
            found.extend(find_regions(prompt, evidence, bands, *settings))
        return [region._replace(stop=min(region.stop, self.duration)) for region in found]

    def rows(self, threshold: float = THRESHOLD) -> list[dict]:
        """What ``scores.json`` says of each prompt, by plain numbers: the greatest evidence and
        probability, and the regions.
        """
        regions = self.regions(threshold)
        name = "presence" if self.against is None else "probability"
        return [
            {
                "prompt": prompt,
                name: self.probability[i].max().item(),
                "absent": self.absent[i].item(),
                "evidence": self.evidence[i].max().item(),
                "regions": [
                    {key: value for key, value in region._asdict().items() if key != "prompt"}
                    for region in regions
                    if region.prompt == prompt
                ],
            }
            for i, prompt in enumerate(self.prompts)
        ]

    def save(self, folder: str | Path, threshold: float = THRESHOLD) -> None:
        """Write ``figure.png``, ``scores.json`` and the tables.

        Explanations of another sound that were there are removed. InputError, and nothing is
        written, if a file is there that this package did not write or that has changed since.
        """
        names = [FIGURE, *TABLES, SCORES]
        kept = [path.name for path in self.files if _is_in(path, folder)]
        with writing_to(folder, names, [self.file], self.file, kept) as stage:
            self.write(stage, threshold)

    def write(self, folder: Path, threshold: float = THRESHOLD) -> None:
        """As :meth:`save`, in a folder that holds nothing else."""
        from speechbrain_lmac.reports.plots import draw_timeline

        self.write_tables(folder, threshold)
        draw_timeline(self, folder / FIGURE, threshold)
        scores = {
            "file": self.file,
            "seconds": self.duration,
            "gain": self.gain,
            "sample_rate": self.sample_rate,
            "against": self.against,
            "warnings": self.warnings,
            "prompts": self.rows(threshold),
        }
        write_text(folder / SCORES, json.dumps(scores, indent=2, allow_nan=False) + "\n")

    def save_tables(self, folder: str | Path, threshold: float = THRESHOLD) -> None:
        """Write ``evidence.csv``, ``regions.csv`` and ``regions.selections.txt`` (Raven).

        InputError as of :meth:`save`.
        """
        with writing_to(folder, TABLES, [self.file], self.file) as stage:
            self.write_tables(stage, threshold)

    def write_tables(self, folder: Path, threshold: float = THRESHOLD) -> None:
        """As :meth:`save_tables`, in a folder that holds nothing else."""
        regions = self.regions(threshold)
        write_csv(folder / REGIONS, regions)
        write_raven(folder / RAVEN_TABLE, regions)
        evidence = [
            [round(when, 3), *(round(value, 4) for value in row)]
            for when, row in zip(self.seconds.tolist(), self.evidence.T.tolist())
        ]
        write_table(folder / EVIDENCE, [["seconds", *self.prompts], *evidence])


def _is_in(path, folder):
    return Path(path).parent.resolve() == Path(folder).resolve()
