"""What a CLAP finds along a long sound: evidence over time."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch

from speechbrain_lmac.regions import Region, find_regions, write_csv, write_raven

STEP_SECONDS = 0.1
ABSENT = 0.05
"""Probability against everyday sounds under which a prompt is called absent."""
THRESHOLD = 0.1
"""Evidence that makes a region."""
GAP_SECONDS = 0.3
"""Between two stretches that are one region."""
EDGES = (0.05, 0.95)
"""Shares of the energy kept below the band of a step, and up to its upper edge."""


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
    files : tuple of Path
        Explanations, in the order of the prompts.
    """

    prompts: tuple
    probability: torch.Tensor
    kept: torch.Tensor
    bands: torch.Tensor
    files: tuple = ()

    def __repr__(self) -> str:
        seconds, found = self.kept.shape[-1] * STEP_SECONDS, len(self.regions())
        return f"Timeline({seconds:.1f} s, {len(self.prompts)} prompts, {found} regions)"

    @property
    def evidence(self) -> torch.Tensor:
        """``[prompts, steps]``, 0 to 1: probability times share kept. Both are needed: a window
        tells whether, the mask tells where in it.
        """
        return self.probability * self.kept

    @property
    def warnings(self) -> list[str]:
        """What a listener should know: prompts that the CLAP hardly hears anywhere."""
        return [
            f"“{prompt}”: the CLAP hardly hears it anywhere; its explanation is nearly silent"
            for prompt, share in zip(self.prompts, self.probability)
            if share.max() < ABSENT
        ]

    @property
    def seconds(self) -> torch.Tensor:
        """When each step begins, ``[steps]``."""
        return torch.arange(self.kept.shape[-1]) * STEP_SECONDS

    def regions(
        self, threshold: float = THRESHOLD, gap_seconds: float = GAP_SECONDS
    ) -> list[Region]:
        """Stretches in which a prompt's evidence reaches a threshold, by prompt and time."""
        found = []
        for prompt, evidence, bands in zip(self.prompts, self.evidence, self.bands):
            settings = (STEP_SECONDS, threshold, gap_seconds)
            found.extend(find_regions(prompt, evidence, bands, *settings))
        return found

    def save(
        self,
        folder: str | Path,
        threshold: float = THRESHOLD,
        gap_seconds: float = GAP_SECONDS,
    ) -> None:
        """Write ``evidence.csv``, ``regions.csv`` and ``regions.selections.txt`` (Raven)."""
        folder, regions = Path(folder), self.regions(threshold, gap_seconds)
        write_csv(folder / "regions.csv", regions)
        write_raven(folder / "regions.selections.txt", regions)
        with open(folder / "evidence.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["seconds", *self.prompts])
            for when, row in zip(self.seconds.tolist(), self.evidence.T.tolist()):
                writer.writerow([round(when, 3), *(round(value, 4) for value in row)])


def measure(masks, power, hertz):
    """What masks keep of each frame, and in which band.

    Arguments
    ---------
    masks : torch.Tensor
        ``[prompts, frames, bins]`` in [0, 1].
    power : torch.Tensor
        ``[frames, bins]``.
    hertz : torch.Tensor
        ``[bins]``: frequency of each.

    Returns
    -------
    torch.Tensor
        ``[prompts, 4, frames]``: energy kept, energy of the frame, and the lowest and the highest
        frequency of what is kept, in Hz.

    Example
    -------
    >>> mask = torch.tensor([[[0.0, 1.0, 0.5, 0.0]]])
    >>> measure(mask, torch.ones(1, 4), torch.tensor([100.0, 200.0, 300.0, 400.0])).flatten()
    tensor([  1.2500,   4.0000, 200.0000, 300.0000])
    """
    kept = masks.square() * power
    energy = kept.sum(dim=-1)
    below = kept.cumsum(dim=-1) / energy.clamp(min=torch.finfo(kept.dtype).tiny).unsqueeze(-1)
    edges = [hertz[(below < share).sum(dim=-1).clamp(max=len(hertz) - 1)] for share in EDGES]
    whole = power.sum(dim=-1).expand_as(energy)
    return torch.stack([energy, whole, *edges], dim=1)
