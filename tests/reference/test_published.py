"""The published variants and what they are known to do wrong."""

import math

import pandas as pd
import pytest
import torch
from torchaudio.functional import DB_to_amplitude, amplitude_to_DB

from experiments.paper_table import published
from experiments.paper_table.published import (
    AD_AS_PUBLISHED,
    METRICS,
    PAPER,
    beside_paper,
    markdown,
)
from speechbrain_lmac.masking.domains import DecibelMelDomain, MelDomain
from speechbrain_lmac.masking.masked_classifier import MaskedSimilarity
from speechbrain_lmac.metrics.faithfulness import average_drop, double_softmax_drop


@pytest.fixture(scope="module")
def decibels(clap):
    return DecibelMelDomain(clap)


def random_like(power, seed=0):
    return torch.rand(power.shape, generator=torch.Generator().manual_seed(seed))


def test_decibels_are_torchaudios(decibels, wavs):
    power = decibels.power(wavs)
    mask = random_like(power)
    masked_decibels = mask * amplitude_to_DB(power, 10.0, 1e-10, 0.0)
    expected = DB_to_amplitude(masked_decibels, ref=1.0, power=1.0)
    torch.testing.assert_close(decibels.masked(power, mask), expected, rtol=1e-4, atol=0)


def test_a_mask_of_ones_is_the_clip_on_every_plane(decibels, domain, wavs):
    for each in (decibels, domain):
        power = each.power(wavs).clamp(min=1e-10)
        torch.testing.assert_close(each.masked(power, torch.ones_like(power)), power)


def test_on_decibels_nothing_is_loud_and_on_power_it_is_silence(decibels, clap, wavs):
    power = decibels.power(wavs)
    nothing = torch.zeros_like(power)
    assert (decibels.masked(power, nothing) == 1).all()
    assert (MelDomain(clap).masked(power, nothing) == 0).all()
    faint = torch.full((1, 4, 64), 1e-8)
    assert (decibels.masked(faint, nothing[:1, :4]) > faint).all()


def test_power_is_scaled_by_the_masks_square(domain, wavs):
    power = domain.power(wavs)
    half = torch.full_like(power, 0.5)
    torch.testing.assert_close(domain.masked(power, half), power / 4)
    torch.testing.assert_close(domain.masked(power, half), domain.power(wavs / 2))


def test_lmac_zs_leads_the_posters_table_where_its_authors_say_so():
    assert PAPER.shape == (12, len(METRICS))
    for masking, metrics in (("mel", ["AI", "AG", "Fid-In", "SPS"]), ("stft", ["AI", "Fid-In"])):
        block = PAPER.loc[masking]
        assert (block[metrics].idxmax() == "lmac").all()
        assert block["AD"].idxmin() == "lmac"


def test_the_posters_drop_keeps_below_the_bound_of_a_second_softmax_and_ours_need_not():
    bound = 100 * (1 - 1 / math.e)
    generator = torch.Generator().manual_seed(0)
    before, after = (20 * torch.randn(2000, 5, generator=generator) for _ in range(2))
    target = before.argmax(dim=1)
    dropped = double_softmax_drop(MaskedSimilarity(before, after, after), target)
    assert 60 < dropped.max() <= bound + 1e-3
    p, q = (logits.softmax(dim=1).gather(1, target[:, None])[:, 0] for logits in (before, after))
    assert average_drop(p, q).max() > 99
    assert PAPER["AD"].max() < bound


def frame(**changes):
    rows = PAPER.reset_index().assign(**{AD_AS_PUBLISHED: 1.0})
    return pd.concat([rows.assign(clip=clip, **changes) for clip in (1, 2)])


def test_the_poster_beside_itself_differs_nowhere():
    table = beside_paper(frame())
    own = table[table.metric != AD_AS_PUBLISHED]
    assert len(own) == 12 * len(METRICS)
    assert own.difference.abs().max() < 1e-9
    order = own[["masking", "method"]].drop_duplicates()
    assert list(order.itertuples(index=False, name=None)) == list(PAPER.index)


def test_means_are_over_clips_and_differences_are_ours_less_the_posters():
    rows = [("stft", "scorecam", fidelity) for fidelity in (1.0, 0.0, 0.5, 0.5)]
    table = beside_paper(pd.DataFrame(rows, columns=["masking", "method", "Fid-In"]))
    (row,) = table.itertuples()
    assert (row.ours, row.poster) == (0.5, 0.75)
    assert row.difference == pytest.approx(-0.25)


def test_what_the_poster_has_not_is_left_out_and_what_was_not_measured_too():
    ours = frame().query("method == 'lmac'")[["masking", "method", "AD", AD_AS_PUBLISHED]]
    more = pd.concat([ours, ours.assign(method="energy")])
    table = beside_paper(more)
    assert set(table.method) == {"lmac"}
    assert list(table.metric[:2]) == ["AD", AD_AS_PUBLISHED]
    assert (table.poster[:2] == 17.12).all()


def test_the_printed_table_says_what_its_columns_are():
    text = markdown(frame(**{"Fid-In": 0.123}))
    assert "| mel       | lmac " in text and "0.123 (0.68)" in text
    assert text.index("| stft      | scorecam") < text.index("| stft      | lmac")
    for note in published.NOTES:
        assert note in text
