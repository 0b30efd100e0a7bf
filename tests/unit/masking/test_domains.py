"""Identities that hold on both planes, and tones that show where a mask acts."""

import pytest
import torch

from speechbrain_lmac.masking import domains
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.utils.errors import InputError


def random_mask(power, seed=0):
    return torch.rand(power.shape, generator=torch.Generator().manual_seed(seed))


def test_ones_give_the_encoders_own_embedding(classifier, clap, wavs):
    encoded = classifier.encode_clips(wavs)
    masked = classifier.encode_masked_vector(encoded, torch.ones_like(encoded.power))
    torch.testing.assert_close(masked, clap(wavs).vector, atol=1e-6, rtol=0)


def test_ones_give_the_clip_and_zeros_silence(domain, wavs):
    power = domain.power(wavs)
    torch.testing.assert_close(
        domain.apply_mask(wavs, torch.ones_like(power)), wavs, atol=1e-5, rtol=0
    )
    assert domain.apply_mask(wavs, torch.zeros_like(power)).abs().max() == 0


def test_kept_and_removed_add_up_to_the_clip(domain, wavs):
    mask = random_mask(domain.power(wavs))
    both = domain.apply_mask(wavs, mask) + domain.apply_mask(wavs, 1 - mask)
    torch.testing.assert_close(both, wavs, atol=1e-5, rtol=0)


def test_listening_takes_many_masks_of_a_clip(domain, wavs):
    mask = random_mask(domain.power(wavs)).expand(2, -1, -1, -1)
    assert domain.apply_mask(wavs, mask).shape == (2, *wavs.shape)


def test_a_mask_passes_its_own_tone_only(domain):
    """Keep below 2 kHz of 500 Hz + 6 kHz: the low tone stays whole, the high one goes."""
    time = torch.arange(32000) / 32000
    low, high = (torch.sin(2 * torch.pi * f * time).unsqueeze(0) for f in (500.0, 6000.0))
    power = domain.power(low + high)
    below = domains.mel_positions(domain.audio_classifier.filterbank)[round(2000 / 31.25)]
    mask = (domain.positions < below).float().expand_as(power)
    heard = domain.apply_mask(low + high, mask)
    inner = slice(2048, -2048)
    assert (heard - low)[:, inner].square().mean() < 1e-4 * low.square().mean()


def test_a_tone_is_where_its_position_says(domain):
    """The band or bin of greatest power has the position that its frequency has on the mel axis."""
    time = torch.arange(32000) / 32000
    for frequency in (400.0, 1500.0, 5000.0, 11000.0):
        power = domain.power(torch.sin(2 * torch.pi * frequency * time).unsqueeze(0))
        loudest = power[0].sum(dim=0).argmax()
        expected = domains.mel_positions(domain.audio_classifier.filterbank)[
            round(frequency / 31.25)
        ]
        assert (
            abs(domain.positions[loudest] - expected)
            < 1 / domain.audio_classifier.filterbank.shape[1]
        )


def test_positions_rise(domain):
    assert (domain.positions.diff() >= 0).all()
    assert domain.positions.min() >= 0
    assert domain.positions.max() <= 1


def test_gains_of_a_filterbank_with_gaps_still_sum_to_one():
    filterbank = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 0.0]])
    weights = domains.band_to_bin_weights(filterbank)
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(5))
    torch.testing.assert_close(weights[:, 0], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(weights[:, 4], torch.tensor([0.0, 1.0]))


def test_unknown_masking_is_named(clap):
    with pytest.raises(InputError, match="mel or stft, got 'cqt'"):
        domains.build("cqt", clap)


def test_decibel_masks_scale_decibels(clap):
    """-40 dB under a gain of a half are -20 dB, and what is silent counts as -100 dB."""
    domain = domains.DecibelMelDomain(clap)
    power, gains = torch.tensor([1e-4, 100.0, 0.0]), torch.tensor([0.5, 0.5, 0.2])
    torch.testing.assert_close(domain.masked(power, gains), torch.tensor([1e-2, 10.0, 1e-2]))
    torch.testing.assert_close(domain.masked(power, 0 * gains), torch.ones(3))


def test_the_end_sounds_as_if_the_clip_went_on(domain, wavs):
    """By half a window of its mirror image, then silence, under the last frame's mask."""
    assert wavs.shape[1] % 512 == 256, "the last window's center lies before the end"
    mask = random_mask(domain.power(wavs))
    longer = torch.cat([wavs, wavs[:, -513:-1].flip(1), torch.zeros(len(wavs), 256)], dim=1)
    on = torch.cat([mask, mask[:, -1:].expand(-1, 2, -1)], dim=1)
    expected = domain.apply_mask(longer, on)[:, : wavs.shape[1]]
    torch.testing.assert_close(domain.apply_mask(wavs, mask), expected, atol=1e-5, rtol=0)


def test_a_spectrum_at_hand_is_what_is_heard(domain, wavs):
    spectrum = domain.audio_classifier.spectrogram(wavs)
    mask = random_mask(domain.power(wavs))
    found, half = (domain.apply_mask(wavs, mask, part * spectrum) for part in (1, 0.5))
    torch.testing.assert_close(found, domain.apply_mask(wavs, mask))
    inner = slice(0, -1024)  # the very end is closed by the clip itself
    torch.testing.assert_close(half[:, inner], found[:, inner] / 2, atol=1e-6, rtol=0)


def test_cells_are_fed_where_the_filterbank_is(clap):
    bank = clap.filterbank
    stft, mel = (domains.build(name, clap) for name in ("stft", "mel"))
    assert isinstance(stft, domains.StftDomain) and isinstance(mel, domains.MelDomain)
    assert isinstance(domains.build("mel_db", clap), domains.DecibelMelDomain)
    assert stft.audio_classifier is clap is mel.audio_classifier
    assert stft.bin_mask.tolist() == (bank > 0).any(
        dim=1
    ).tolist() and 0 < stft.bin_mask.sum() < len(bank)
    assert mel.bin_mask.tolist() == (bank > 0).any(dim=0).tolist()
    assert torch.equal(stft.positions, domains.mel_positions(bank))
    torch.testing.assert_close(mel.positions, (torch.arange(64) + 0.5) / 64)


def test_faint_filters_feed_their_cells():
    """Weights far below 1 are heard; a band without any, and a bin, are not fed."""
    clap = MiniCLAP()
    clap.filterbank = 0.01 * clap.filterbank
    clap.filterbank[:, 3] = 0
    bin_mask = [domains.build(name, clap).bin_mask for name in ("stft", "mel")]
    assert [len(cells) for cells in bin_mask] == [513, 64]
    assert bin_mask[1].tolist() == [band != 3 for band in range(64)]
    assert bin_mask[0].tolist() == (clap.filterbank > 0).any(dim=1).tolist()


def test_positions_pass_over_empty_bands():
    """Centroids of the first and the third band lie at bins 1 and 3, so bin 2 is the second's."""
    filterbank = torch.zeros(5, 3)
    filterbank[1, 0] = filterbank[3, 2] = 1
    expected = torch.tensor([0.5, 0.5, 1.5, 2.5, 2.5]) / 3
    torch.testing.assert_close(domains.mel_positions(filterbank), expected)
