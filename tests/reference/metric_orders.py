"""Do the metrics of ground truth say what theory says? On sounds of which all is known.

``python -m tests.reference.metric_orders`` makes mixtures of two synthetic events, prompts each
event in turn, and measures maps that must come out in a known order: an oracle, its inverse, and
controls that know nothing. It prints the table, and fails if anything is out of order.
"""

import sys
import zlib
from itertools import pairwise
from typing import NamedTuple

import pandas as pd
import torch

from speechbrain_lmac.data.synthetic import KINDS, mixture
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.controls import EnergyMask, FullMask, OracleIRM, RandomMask
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.localization import (
    pointing,
    si_sdr_improvement,
    target_energy_fraction,
)
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from speechbrain_lmac.models.clap.mini import MiniCLAP

MIXTURES = 6
SECONDS = 1.0
DRAWS = 12
"""Of random masks, and of the order of ties: energy lies in few cells, which one draw may miss."""
BUDGET = 0.2
"""Share of cells that is kept where maps compare at equal budgets."""

ORACLE, INVERTED, RANDOM, ONES, ENERGY = (
    "oracle",
    "inverted oracle",
    "random",
    "full-mask",
    "energy",
)
SI_SDRI, SHARE, POINTING, STEM = "SI-SDRi", "energy share", "pointing", "stem's share"
AT_BUDGET = f"{SHARE}, top {BUDGET:.0%}"

EXACT_DB, EXACT = 1e-3, 1e-5
"""Where theory says equal: the error of an STFT and its inverse, and of sums of cells."""
CHANCE = 0.05
"""Where theory says equal but for chance: a difference of means over all prompts and draws."""


CONTROLS = {ORACLE: OracleIRM(), RANDOM: RandomMask(), ONES: FullMask(), ENERGY: EnergyMask()}


def masks_of(encoded, inputs):
    """The masks that are tried: name -> ``[batch, frames, bins]``."""
    # controls are no explanations of a model, and are not given one
    masks = {name: control(None, encoded, inputs) for name, control in CONTROLS.items()}
    return {**masks, INVERTED: 1 - masks[ORACLE]}


class Scenes(NamedTuple):
    """Mixtures, each twice: prompted for either event."""

    mixtures: tuple
    """Name of each."""
    prompts: tuple
    """What is prompted."""
    own: torch.Tensor
    """Stems of what is prompted, ``[batch, time]``."""
    rest: torch.Tensor
    """The other stems."""


def scenes(count=MIXTURES, seconds=SECONDS):
    """So many mixtures of two kinds of events -> Scenes, a batch of twice as many."""
    kinds = [*KINDS, next(iter(KINDS))]
    rows = []
    for seed, (first, second) in enumerate(list(pairwise(kinds))[:count]):
        scene, name = mixture(first, second, seed, seconds), f"{first} + {second}"
        rows.append((name, first, scene.first, scene.second))
        rows.append((name, second, scene.second, scene.first))
    mixtures, prompts, own, rest = zip(*rows)
    return Scenes(mixtures, prompts, torch.stack(own), torch.stack(rest))


@torch.no_grad()
def measure(domain, batch):
    """Every metric of every map: a row for each prompt and map.

    Arguments
    ---------
    domain : MaskingDomain
        Of the masks.
    batch : Scenes
        The clips.

    Returns
    -------
    pandas.DataFrame
    """
    mixed = batch.own + batch.rest
    own, rest = domain.power(batch.own), domain.power(batch.rest)
    encoded = MaskedClassifier(domain).encode_clips(mixed)
    text = domain.audio_classifier.class_queries(batch.prompts)
    drawn = []
    for draw in range(DRAWS):
        named = [f"{draw}/{row}" for row in zip(batch.mixtures, batch.prompts)]
        seeds = tuple(zlib.crc32(name.encode()) for name in named)
        inputs = ExplainerInputs(text, seeds, target_power=own, residual_power=rest)
        drawn.append((masks_of(encoded, inputs), seeds))
    frames = []
    for name, masks in drawn[0][0].items():
        ranks = [rank_bins(tried[name], seeds) for tried, seeds in drawn]
        columns = {
            SI_SDRI: si_sdr_improvement(domain.apply_mask(mixed, masks), mixed, batch.own),
            SHARE: _mean(target_energy_fraction(tried[name], own, rest) for tried, _ in drawn),
            POINTING: pointing(ranks[0], own, rest),
            AT_BUDGET: _mean(
                target_energy_fraction(top_k_mask(rank, BUDGET), own, rest) for rank in ranks
            ),
            STEM: target_energy_fraction(torch.ones_like(own), own, rest),
        }
        values = {metric: column.tolist() for metric, column in columns.items()}
        about = {"map": name, "mixture": batch.mixtures, "prompt": batch.prompts}
        frames.append(pd.DataFrame({**about, **values}))
    return pd.concat(frames, ignore_index=True)


def _mean(values):
    return torch.stack(list(values)).mean(dim=0)


def run(planes=tuple(DOMAINS), count=MIXTURES):
    """Measure on synthetic mixtures.

    Arguments
    ---------
    planes : sequence of str
        Keys of ``DOMAINS``, of MiniCLAP.
    count : int
        Mixtures.

    Returns
    -------
    pandas.DataFrame
        A row for each plane, map and prompt.
    """
    clap, batch = MiniCLAP(), scenes(count)
    measured = [measure(DOMAINS[domain](clap), batch).assign(domain=domain) for domain in planes]
    return pd.concat(measured, ignore_index=True)


def check(frame):
    """What is not as theory says.

    Arguments
    ---------
    frame : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    list of str
        A sentence for each violation; empty if all is well.
    """
    found = []
    for domain, rows in frame.groupby("plane"):
        found += [f"{domain}: {what}" for what in [*_order(rows), *_identities(rows)]]
    return found


def _order(rows):
    """The oracle is best and its inverse worst.

    Taken as the mean over both prompts of a mixture, of which a map that does not know the prompt
    has half the energy: for one prompt alone the loudest cells may happen to be the source's.
    """
    for metric in (SI_SDRI, SHARE, AT_BUDGET):
        means = rows.groupby(["mixture", "map"])[metric].agg(lambda pair: pair.mean(skipna=False))
        table = means.unstack()
        others = table.drop(columns=[ORACLE, INVERTED])
        if not (table[ORACLE] > others.max(axis=1)).all():
            yield f"the oracle is not the best map by {metric}"
        if not (table[INVERTED] < others.min(axis=1)).all():
            yield f"the inverted oracle is not the worst map by {metric}"
    maps = dict(list(rows.groupby("map")))
    if not (maps[ORACLE][POINTING] == 1).all():
        yield "the oracle points beside the source"
    if not (maps[INVERTED][POINTING] == 0).all():
        yield "the inverted oracle points at the source"


def _identities(rows):
    """A mask of ones keeps the mixture; what does not know the prompt cannot tell sources apart."""
    maps = dict(list(rows.groupby("map")))
    ones, random = maps[ONES], maps[RANDOM]
    if not (ones[SI_SDRI].abs() <= EXACT_DB).all():
        yield "a mask of ones improves SI-SDR, or spoils it"
    if not ((ones[SHARE] - ones[STEM]).abs() <= EXACT).all():
        yield "a mask of ones does not have the stem's share of energy"
    if not ((maps[ENERGY].groupby("mixture")[SHARE].mean() - 0.5).abs() <= EXACT).all():
        yield "the loudest cells are more than one half each of two sources'"
    for metric in (SHARE, AT_BUDGET):
        if not abs(random[metric].mean() - ones[metric].mean()) <= CHANCE:
            yield f"a random mask and one of ones differ in {metric}"


def main():
    """Print the means and what is out of order; exit status 1 if anything is."""
    frame = run()
    means = frame.groupby(["plane", "map"], sort=False).mean(numeric_only=True)
    table = means.reset_index().to_markdown(index=False, floatfmt=".3f")
    violations = check(frame)
    verdict = "\n".join(violations) or "all metrics are as theory says"
    sys.stdout.write(f"{table}\n\n{verdict}\n")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
