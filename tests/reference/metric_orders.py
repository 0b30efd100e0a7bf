"""Validation of the localization metrics on synthetic mixtures with a known order of maps.

``python -m tests.reference.metric_orders`` mixes two synthetic events, prompts each in turn, and
measures an oracle mask, its inverse, and controls. It prints the table, and fails if anything is
out of order.
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
    pointing_game,
    si_sdr_improvement,
    target_energy_fraction,
)
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from speechbrain_lmac.models.clap.mini import MiniCLAP

MIXTURES = 6
SECONDS = 1.0
DRAWS = 12
"""Draws of random masks and of ties: energy lies in few bins, which one draw may miss."""
FRACTION = 0.2
"""Mask area at which maps are compared."""

ORACLE, INVERTED, RANDOM, ONES, ENERGY = (
    "oracle",
    "inverted oracle",
    "random",
    "full-mask",
    "energy",
)
SI_SDRI, ENERGY_FRACTION = "SI-SDRi", "target energy fraction"
POINTING, OF_MIXTURE = "pointing game", "fraction of the mixture"
AT_FRACTION = f"{ENERGY_FRACTION}, top {FRACTION:.0%}"

EXACT_DB, EXACT = 1e-3, 1e-5
"""Tolerance of equalities: the error of an STFT and its inverse, and of sums over bins."""
CHANCE = 0.05
"""Tolerance of equalities up to chance: a difference of means over prompts and draws."""


CONTROLS = {ORACLE: OracleIRM(), RANDOM: RandomMask(), ONES: FullMask(), ENERGY: EnergyMask()}


def masks_of(encoded, inputs):
    """Return the masks to compare: name -> ``[batch, frames, bins]``."""
    # controls need no model
    masks = {name: control(None, encoded, inputs) for name, control in CONTROLS.items()}
    return {**masks, INVERTED: 1 - masks[ORACLE]}


class Mixtures(NamedTuple):
    """Mixtures, each twice: with the prompt of either event."""

    names: tuple
    prompts: tuple
    target: torch.Tensor
    """Waveforms of the prompted sources, ``[batch, time]``."""
    residual: torch.Tensor
    """Waveforms of the other sources, ``[batch, time]``."""


def make_mixtures(count=MIXTURES, seconds=SECONDS):
    """Mix two kinds of events ``count`` times -> Mixtures, a batch of twice as many."""
    kinds = [*KINDS, next(iter(KINDS))]
    rows = []
    for seed, (first, second) in enumerate(list(pairwise(kinds))[:count]):
        mixed, name = mixture(first, second, seed, seconds), f"{first} + {second}"
        rows.append((name, first, mixed.first, mixed.second))
        rows.append((name, second, mixed.second, mixed.first))
    names, prompts, target, residual = zip(*rows)
    return Mixtures(names, prompts, torch.stack(target), torch.stack(residual))


@torch.no_grad()
def measure(domain, batch):
    """Compute every metric of every map: one row per prompt and map.

    Arguments
    ---------
    domain : MaskingDomain
        Masking domain.
    batch : Mixtures
        Mixtures and their prompts.

    Returns
    -------
    pandas.DataFrame
    """
    mixed = batch.target + batch.residual
    powers = domain.power(batch.target), domain.power(batch.residual)
    encoded = MaskedClassifier(domain).encode_clips(mixed)
    text = domain.audio_classifier.class_queries(batch.prompts)
    drawn = []
    for draw in range(DRAWS):
        row_names = [f"{draw}/{row}" for row in zip(batch.names, batch.prompts)]
        seeds = tuple(zlib.crc32(name.encode()) for name in row_names)
        inputs = ExplainerInputs(text, seeds, target_power=powers[0], residual_power=powers[1])
        drawn.append((masks_of(encoded, inputs), seeds))
    frames = []
    for name, masks in drawn[0][0].items():
        ranks = [rank_bins(draw[name], seeds) for draw, seeds in drawn]
        columns = {
            SI_SDRI: si_sdr_improvement(domain.apply_mask(mixed, masks), mixed, batch.target),
            ENERGY_FRACTION: _mean(
                target_energy_fraction(draw[name], *powers) for draw, _ in drawn
            ),
            POINTING: pointing_game(ranks[0], *powers),
            AT_FRACTION: _mean(
                target_energy_fraction(top_k_mask(rank, FRACTION), *powers) for rank in ranks
            ),
            OF_MIXTURE: target_energy_fraction(torch.ones_like(powers[0]), *powers),
        }
        values = {metric: column.tolist() for metric, column in columns.items()}
        about = {"map": name, "mixture": batch.names, "prompt": batch.prompts}
        frames.append(pd.DataFrame({**about, **values}))
    return pd.concat(frames, ignore_index=True)


def _mean(values):
    return torch.stack(list(values)).mean(dim=0)


def run(domains=tuple(DOMAINS), count=MIXTURES):
    """Measure maps of synthetic mixtures.

    Arguments
    ---------
    domains : sequence of str
        Keys of ``DOMAINS``. Default: both.
    count : int
        Number of mixtures. Default: 6.

    Returns
    -------
    pandas.DataFrame
        A row for each domain, map and prompt.
    """
    clap, batch = MiniCLAP(), make_mixtures(count)
    measured = [measure(DOMAINS[domain](clap), batch).assign(domain=domain) for domain in domains]
    return pd.concat(measured, ignore_index=True)


def check(frame):
    """List violations of the expected order.

    Arguments
    ---------
    frame : pandas.DataFrame
        Result of :func:`run`.

    Returns
    -------
    list of str
        One sentence per violation.
    """
    violations = []
    for domain, rows in frame.groupby("domain"):
        violations += [f"{domain}: {text}" for text in [*_order(rows), *_identities(rows)]]
    return violations


def _order(rows):
    """Check that the oracle is best and its inverse worst.

    Means are over both prompts of a mixture. For one prompt alone, the loudest bins may happen to
    belong to the target.
    """
    for metric in (SI_SDRI, ENERGY_FRACTION, AT_FRACTION):
        means = rows.groupby(["mixture", "map"])[metric].agg(lambda pair: pair.mean(skipna=False))
        table = means.unstack()
        others = table.drop(columns=[ORACLE, INVERTED])
        if not (table[ORACLE] > others.max(axis=1)).all():
            yield f"the oracle is not the best map by {metric}"
        if not (table[INVERTED] < others.min(axis=1)).all():
            yield f"the inverted oracle is not the worst map by {metric}"
    maps = dict(list(rows.groupby("map")))
    if not (maps[ORACLE][POINTING] == 1).all():
        yield "the oracle does not point at the source"
    if not (maps[INVERTED][POINTING] == 0).all():
        yield "the inverted oracle points at the source"


def _identities(rows):
    """Check that full masks keep the mixture, and that controls do not separate the sources."""
    maps = dict(list(rows.groupby("map")))
    ones, random = maps[ONES], maps[RANDOM]
    if not (ones[SI_SDRI].abs() <= EXACT_DB).all():
        yield "a full mask changes SI-SDR"
    if not ((ones[ENERGY_FRACTION] - ones[OF_MIXTURE]).abs() <= EXACT).all():
        yield "a full mask does not have the energy fraction of the mixture"
    if not ((maps[ENERGY].groupby("mixture")[ENERGY_FRACTION].mean() - 0.5).abs() <= EXACT).all():
        yield "the energy masks of two prompts do not have half of the energy each"
    for metric in (ENERGY_FRACTION, AT_FRACTION):
        if not abs(random[metric].mean() - ones[metric].mean()) <= CHANCE:
            yield f"a random mask and a full mask differ in {metric}"


def main():
    """Print the means and all violations; exit with status 1 if there are any."""
    frame = run()
    means = frame.groupby(["domain", "map"], sort=False).mean(numeric_only=True)
    table = means.reset_index().to_markdown(index=False, floatfmt=".3f")
    violations = check(frame)
    verdict = "\n".join(violations) or "all metrics follow theory"
    sys.stdout.write(f"{table}\n\n{verdict}\n")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
