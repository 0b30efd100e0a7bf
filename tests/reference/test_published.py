"""Published variants of masking and of average drop, and the table of the paper."""

import math

import pandas as pd
import pytest
import torch
from torchaudio.functional import DB_to_amplitude, amplitude_to_DB

from experiments.paper_table import published
from experiments.paper_table.published import (
    AD_AS_PUBLISHED,
    METRICS,
    PAPER_TABLE,
    compare_with_paper,
    format_markdown,
)
from speechbrain_lmac.masking.domains import DecibelMelDomain, MelDomain
from speechbrain_lmac.metrics.faithfulness import average_drop, double_softmax_drop


@pytest.fixture(scope="module")
def decibels(clap):
    """Masking domain on decibels, as published."""
    return DecibelMelDomain(clap)


def random_like(power, seed=0):
    """Return a random mask of the same shape."""
    return torch.rand(power.shape, generator=torch.Generator().manual_seed(seed))


def test_decibel_masking_equals_torchaudio(decibels, wavs):
    """Masked decibels converted by torchaudio."""
    power = decibels.power(wavs)
    mask = random_like(power)
    masked_decibels = mask * amplitude_to_DB(power, 10.0, 1e-10, 0.0)
    expected = DB_to_amplitude(masked_decibels, ref=1.0, power=1.0)
    torch.testing.assert_close(decibels.masked(power, mask), expected, rtol=1e-4, atol=0)


def test_full_mask_is_the_clip_in_every_domain(decibels, domain, wavs):
    """On power and on decibels."""
    for each in (decibels, domain):
        power = each.power(wavs).clamp(min=1e-10)
        torch.testing.assert_close(each.masked(power, torch.ones_like(power)), power)


def test_zero_mask_on_decibels_is_loud(decibels, clap, wavs):
    """0 dB is power 1; on power, 0 is silence."""
    power = decibels.power(wavs)
    nothing = torch.zeros_like(power)
    assert (decibels.masked(power, nothing) == 1).all()
    assert (MelDomain(clap).masked(power, nothing) == 0).all()
    faint = torch.full((1, 4, 64), 1e-8)
    assert (decibels.masked(faint, nothing[:1, :4]) > faint).all()


def test_masking_scales_power_by_the_square(domain, wavs):
    """Half the amplitude is a quarter of the power."""
    power = domain.power(wavs)
    half = torch.full_like(power, 0.5)
    torch.testing.assert_close(domain.masked(power, half), power / 4)
    torch.testing.assert_close(domain.masked(power, half), domain.power(wavs / 2))


def test_paper_table_has_its_leaders():
    """LMAC-ZS leads the metrics that the paper names."""
    assert PAPER_TABLE.shape == (12, len(METRICS))
    for masking, metrics in (("mel", ["AI", "AG", "Fid-In", "SPS"]), ("stft", ["AI", "Fid-In"])):
        block = PAPER_TABLE.loc[masking]
        assert (block[metrics].idxmax() == "lmac").all()
        assert block["AD"].idxmin() == "lmac"


def test_paper_drop_is_below_the_softmax_bound():
    """The AD of the paper fits a second softmax; a plain AD exceeds the bound."""
    bound = 100 * (1 - 1 / math.e)
    generator = torch.Generator().manual_seed(0)
    before, after = (20 * torch.randn(2000, 5, generator=generator) for _ in range(2))
    target = before.argmax(dim=1)
    dropped = double_softmax_drop(before.softmax(dim=1), after.softmax(dim=1), target)
    assert 60 < dropped.max() <= bound + 1e-3
    p, q = (logits.softmax(dim=1).gather(1, target[:, None])[:, 0] for logits in (before, after))
    assert average_drop(p, q).max() > 99
    assert PAPER_TABLE["AD"].max() < bound


def paper_scores(**changes):
    """The figures of the paper as scores of two clips, in long format."""
    wide = PAPER_TABLE.reset_index().assign(**{AD_AS_PUBLISHED: 1.0, **changes})
    scores = wide.melt(["domain", "method"], var_name="metric").assign(fraction=float("nan"))
    return pd.concat([scores.assign(clip=clip) for clip in (1, 2)])


def test_paper_compared_with_itself_is_equal():
    """In the order of the paper."""
    table = compare_with_paper(paper_scores())
    rows = table[table.metric != AD_AS_PUBLISHED]
    assert len(rows) == 12 * len(METRICS)
    assert rows.difference.abs().max() < 1e-9
    order = rows[["domain", "method"]].drop_duplicates()
    assert list(order.itertuples(index=False, name=None)) == list(PAPER_TABLE.index)


def test_differences_are_ours_minus_paper():
    """Means are over clips."""
    rows = [("stft", "scorecam", "Fid-In", value) for value in (1.0, 0.0, 0.5, 0.5)]
    scores = pd.DataFrame(rows, columns=["domain", "method", "metric", "value"])
    (row,) = compare_with_paper(scores.assign(fraction=float("nan"))).itertuples()
    assert (row.ours, row.paper) == (0.5, 0.75)
    assert row.difference == pytest.approx(-0.25)


def test_unmatched_rows_are_left_out():
    """Methods of one side only, metrics without values, and masks of equal area."""
    scores = paper_scores().query("method == 'lmac' and metric in ['AD', @AD_AS_PUBLISHED]")
    unmatched = [scores.assign(method="energy"), scores.assign(fraction=0.05, value=0.0)]
    table = compare_with_paper(pd.concat([scores, *unmatched]))
    assert set(table.method) == {"lmac"}
    assert list(table.metric[:2]) == ["AD", AD_AS_PUBLISHED]
    assert (table.paper[:2] == 17.12).all() and table.ours[0] == 17.12


def test_printed_table_has_notes():
    """Ours, then the paper's in parentheses."""
    text = format_markdown(paper_scores(**{"Fid-In": 0.123}))
    assert "| mel      | lmac " in text and "0.123 (0.68)" in text
    assert text.index("| stft     | scorecam") < text.index("| stft     | lmac")
    for note in published.NOTES:
        assert note in text
