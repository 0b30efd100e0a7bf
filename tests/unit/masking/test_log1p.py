"""The masking domain of the published L-MAC: masks multiply ``log(1 + magnitude)``."""

import pytest
import torch

from speechbrain_lmac.masking.domains import build
from speechbrain_lmac.masking.log1p import Log1pStftDomain
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.classifiers.speechbrain_cnn14 import SpeechBrainCNN14
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.cnn14 import noise_clips, published_classifier

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def cnn14(tmp_path_factory):
    """Return a small classifier whose encoder input has a largest sample of 1."""
    settings = published_classifier(tmp_path_factory.mktemp("cnn14"), "recipe", 8, 3).settings
    return SpeechBrainCNN14(**settings, class_names=NAMES)


@pytest.fixture
def clips():
    """Return two clips of half a second, far below full scale."""
    return 0.05 * noise_clips(16000, 0.5)


def random_mask(power, seed=0):
    """Return uniform random masks."""
    return torch.rand(power.shape, generator=torch.Generator().manual_seed(seed))


def test_masked_magnitude_is_its_closed_form():
    """A mask of 0.5 leaves ``sqrt(1 + |X|) - 1``; masks of 0 and 1 silence and the clip."""
    domain = Log1pStftDomain.masked
    power = torch.tensor([9.0, 225.0, 0.0, 1e-12])
    half = domain(None, power, torch.full((4,), 0.5))
    expected = torch.tensor([1.0, 9.0, 0.0, (0.5e-6) ** 2])
    torch.testing.assert_close(half, expected, rtol=1e-5, atol=1e-19)
    torch.testing.assert_close(domain(None, power, torch.ones(4)), power, rtol=1e-5, atol=1e-19)
    assert domain(None, power, torch.zeros(4)).abs().max() == 0


def test_gradient_of_an_empty_mask_is_finite():
    """Also for bins without power."""
    power = torch.tensor([0.0, 1.0], requires_grad=True)
    mask = torch.zeros(2, requires_grad=True)
    Log1pStftDomain.masked(None, power, mask).sum().backward()
    assert power.grad.isfinite().all() and mask.grad.isfinite().all()


def test_parts_do_not_sum_to_the_clip(cnn14, clips):
    """Both parts lack what a gain would leave, unless the mask is binary."""
    domain = Log1pStftDomain(cnn14)
    mask = random_mask(domain.power(clips))
    both = domain.apply_mask(clips, mask) + domain.apply_mask(clips, 1 - mask)
    assert (both - clips).square().sum() > 0.01 * clips.square().sum()
    binary = (mask > 0.5).float()
    both = domain.apply_mask(clips, binary) + domain.apply_mask(clips, 1 - binary)
    torch.testing.assert_close(both, clips, atol=1e-5, rtol=0)


def test_full_and_empty_mask_give_clip_or_silence(cnn14, clips):
    """The sound has the level of the clip, not that of the encoder input."""
    domain = Log1pStftDomain(cnn14)
    ones = torch.ones_like(domain.power(clips))
    torch.testing.assert_close(domain.apply_mask(clips, ones), clips, atol=1e-6, rtol=0)
    assert domain.apply_mask(clips, 0 * ones).abs().max() == 0
    several = domain.apply_mask(clips, torch.stack([ones, 0 * ones]))
    assert several.shape == (2, *clips.shape)


@pytest.mark.parametrize("value", [0.3, 0.7])
def test_sound_is_what_the_classifier_encodes(cnn14, clips, value):
    """Spectrum of the sound = masked magnitude of the encoder input, at the clip's level."""
    classifier = MaskedClassifier(Log1pStftDomain(cnn14))
    encoded = classifier.encode_clips(clips)
    mask = torch.full_like(encoded.power, value)
    level = cnn14.window.level(clips)
    sound = level * classifier.apply_mask(encoded, mask)
    masked = classifier.domain.masked(encoded.encoder_power, mask)
    magnitude, expected = (cnn14.power(cnn14.stft(sound)).sqrt(), masked.sqrt())
    inner = slice(4, 25)  # frames that lie inside the noise
    difference = (magnitude - expected)[:, inner].norm() / expected[:, inner].norm()
    gain = (value * cnn14.power(cnn14.stft(level * clips)).sqrt())[:, inner]
    assert difference < 0.15  # no sound has exactly these magnitudes
    assert (gain - expected[:, inner]).norm() / expected[:, inner].norm() > 3 * difference


def test_left_out_frames_are_in_neither_part(cnn14, clips):
    """Both parts are encoded without the last frames; the mask is 0 there."""
    domain = Log1pStftDomain(cnn14, left_out_frames=6)
    classifier = MaskedClassifier(domain)
    encoded = classifier.encode_clips(clips)
    frames = encoded.power.shape[1]
    valid = classifier.grid(encoded).valid_frames
    assert valid.tolist() == [frame < frames - 6 for frame in range(frames)]
    mask = random_mask(encoded.power)
    for part in (mask, 1 - mask):
        expected = domain.encode(domain.masked(encoded.encoder_power, part)[:, :-6]).vector
        vector = classifier.encode_masked_vector(encoded, part)
        torch.testing.assert_close(vector, expected)
        every = Log1pStftDomain(cnn14)
        whole = MaskedClassifier(every).encode_masked_vector(encoded, part)
        assert (whole - vector).abs().max() > 1e-3
    assert domain.settings == {"left_out_frames": 6} and Log1pStftDomain(cnn14).settings == {}
    assert domain.covered(encoded.power[:, :3]).shape[1] == 1


@pytest.mark.parametrize("frames", [-1, 1000, True])
def test_left_out_frames_are_checked(cnn14, frames):
    """The number is not negative and below that of any clip."""
    with pytest.raises(InputError, match="left_out_frames must be 0 to 999"):
        Log1pStftDomain(cnn14, left_out_frames=frames)


def test_masking_setting_builds_the_domain(clap):
    """Any classifier can be masked as published."""
    domain = build("stft_log1p", clap)
    assert isinstance(domain, Log1pStftDomain) and domain.left_out_frames == 0
