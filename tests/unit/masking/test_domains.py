"""Masking domains: identities of both domains, and tones that show where a mask acts."""

import pytest
import torch

from speechbrain_lmac.masking import domains
from speechbrain_lmac.masking.filterbank import band_to_bin_weights, mel_positions
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.utils.errors import InputError


def random_mask(power, seed=0):
    """Return uniform random gains."""
    return torch.rand(power.shape, generator=torch.Generator().manual_seed(seed))


def tone(frequency):
    """Return one second of a sine, ``[1, time]``."""
    return torch.sin(2 * torch.pi * frequency * torch.arange(32000) / 32000).unsqueeze(0)


def test_full_mask_gives_the_clips_embedding(classifier, clap, wavs):
    """Masking does not change the encoder."""
    encoded = classifier.encode_clips(wavs)
    masked = classifier.encode_masked_vector(encoded, torch.ones_like(encoded.power))
    torch.testing.assert_close(masked, clap(wavs).vector, atol=1e-6, rtol=0)


def test_full_mask_gives_the_clip(domain, wavs):
    """An empty mask gives silence."""
    power = domain.power(wavs)
    torch.testing.assert_close(
        domain.apply_mask(wavs, torch.ones_like(power)), wavs, atol=1e-5, rtol=0
    )
    assert domain.apply_mask(wavs, torch.zeros_like(power)).abs().max() == 0


def test_masked_in_and_masked_out_sum_to_the_clip(domain, wavs):
    """``apply_mask`` is linear in the mask."""
    mask = random_mask(domain.power(wavs))
    both = domain.apply_mask(wavs, mask) + domain.apply_mask(wavs, 1 - mask)
    torch.testing.assert_close(both, wavs, atol=1e-5, rtol=0)


def test_apply_mask_takes_several_masks(domain, wavs):
    """Leading dimensions are those of the masks."""
    mask = random_mask(domain.power(wavs)).expand(2, -1, -1, -1)
    assert domain.apply_mask(wavs, mask).shape == (2, *wavs.shape)


def test_mask_passes_its_frequencies_only(domain):
    """A mask below 2 kHz keeps a tone of 500 Hz and removes one of 6 kHz."""
    low, high = tone(500.0), tone(6000.0)
    power = domain.power(low + high)
    below = mel_positions(domain.audio_classifier.filterbank)[round(2000 / 31.25)]
    mask = (domain.positions < below).float().expand_as(power)
    masked_in = domain.apply_mask(low + high, mask)
    inner = slice(2048, -2048)
    assert (masked_in - low)[:, inner].square().mean() < 1e-4 * low.square().mean()


def test_tone_is_at_its_position(domain):
    """The bin of greatest power has the position of its frequency on the mel axis."""
    filterbank = domain.audio_classifier.filterbank
    for frequency in (400.0, 1500.0, 5000.0, 11000.0):
        power = domain.power(tone(frequency))
        loudest = power[0].sum(dim=0).argmax()
        expected = mel_positions(filterbank)[round(frequency / 31.25)]
        assert abs(domain.positions[loudest] - expected) < 1 / filterbank.shape[1]


def test_positions_ascend_from_0_to_1(domain):
    """Equal positions are allowed."""
    assert (domain.positions.diff() >= 0).all()
    assert domain.positions.min() >= 0
    assert domain.positions.max() <= 1


def test_band_to_bin_weights_sum_to_one():
    """Bins outside all filters take the gain of the nearest band."""
    filterbank = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 0.0]])
    weights = band_to_bin_weights(filterbank)
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(5))
    torch.testing.assert_close(weights[:, 0], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(weights[:, 4], torch.tensor([0.0, 1.0]))


def test_unknown_masking_is_named(clap):
    """The error lists the domains."""
    with pytest.raises(InputError, match="mel or stft, got 'cqt'"):
        domains.build("cqt", clap)


def test_decibel_masks_scale_decibels(clap):
    """A gain of 0.5 turns -40 dB into -20 dB; silence counts as -100 dB."""
    domain = domains.DecibelMelDomain(clap)
    power, gains = torch.tensor([1e-4, 100.0, 0.0]), torch.tensor([0.5, 0.5, 0.2])
    torch.testing.assert_close(domain.masked(power, gains), torch.tensor([1e-2, 10.0, 1e-2]))
    torch.testing.assert_close(domain.masked(power, 0 * gains), torch.ones(3))


def test_clip_end_equals_that_of_a_longer_clip(domain, wavs):
    """The longer clip goes on with its mirror image, then silence, under the last frame's mask."""
    assert wavs.shape[1] % 512 == 256, "the center of the last window lies before the end"
    mask = random_mask(domain.power(wavs))
    longer = torch.cat([wavs, wavs[:, -513:-1].flip(1), torch.zeros(len(wavs), 256)], dim=1)
    longer_mask = torch.cat([mask, mask[:, -1:].expand(-1, 2, -1)], dim=1)
    expected = domain.apply_mask(longer, longer_mask)[:, : wavs.shape[1]]
    torch.testing.assert_close(domain.apply_mask(wavs, mask), expected, atol=1e-5, rtol=0)


def test_apply_mask_uses_a_given_spectrum(domain, wavs):
    """Half of the spectrum gives half of the sound."""
    spectrum = domain.audio_classifier.spectrogram(wavs)
    mask = random_mask(domain.power(wavs))
    full, half = (domain.apply_mask(wavs, mask, factor * spectrum) for factor in (1, 0.5))
    torch.testing.assert_close(full, domain.apply_mask(wavs, mask))
    inner = slice(0, -1024)  # the closing frame is computed from the clip
    torch.testing.assert_close(half[:, inner], full[:, inner] / 2, atol=1e-6, rtol=0)


def test_bin_mask_follows_the_filterbank(clap):
    """Bins and bands with a weight reach the encoder."""
    bank = clap.filterbank
    stft, mel = (domains.build(name, clap) for name in ("stft", "mel"))
    assert isinstance(stft, domains.StftDomain) and isinstance(mel, domains.MelDomain)
    assert isinstance(domains.build("mel_db", clap), domains.DecibelMelDomain)
    assert stft.audio_classifier is clap is mel.audio_classifier
    assert stft.bin_mask.tolist() == (bank > 0).any(dim=1).tolist()
    assert 0 < stft.bin_mask.sum() < len(bank)
    assert mel.bin_mask.tolist() == (bank > 0).any(dim=0).tolist()
    assert torch.equal(stft.positions, mel_positions(bank))
    torch.testing.assert_close(mel.positions, (torch.arange(64) + 0.5) / 64)


def test_bin_mask_counts_small_weights():
    """Weights far below 1 count; an empty band does not."""
    clap = MiniCLAP()
    clap.filterbank = 0.01 * clap.filterbank
    clap.filterbank[:, 3] = 0
    stft, mel = (domains.build(name, clap).bin_mask for name in ("stft", "mel"))
    assert len(stft) == 513 and len(mel) == 64
    assert mel.tolist() == [band != 3 for band in range(64)]
    assert stft.tolist() == (clap.filterbank > 0).any(dim=1).tolist()


def test_positions_interpolate_over_empty_bands():
    """Centroids of the first and third band are at bins 1 and 3; bin 2 is the second band's."""
    filterbank = torch.zeros(5, 3)
    filterbank[1, 0] = filterbank[3, 2] = 1
    expected = torch.tensor([0.5, 0.5, 1.5, 2.5, 2.5]) / 3
    torch.testing.assert_close(mel_positions(filterbank), expected)
