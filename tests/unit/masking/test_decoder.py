"""Mask decoders with random weights: shapes, invariances and formulas."""

import pytest
import torch

from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.grid import pool_to_grid, upsample_to_grid
from speechbrain_lmac.masking.log_power import normalized_log_power
from speechbrain_lmac.masking.mask_logits import bounded, logits_to_mask
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import even_grid


@pytest.fixture(params=[8, [16, 12, 8], [4, 8, 8]], ids=str)
def decoder(request):
    torch.manual_seed(0)
    return MaskDecoder((16, 12, 8), query_dim=10, channels=request.param)


@pytest.fixture
def grid():
    """Return a grid of 40 frames and 20 bins."""
    return even_grid(40, torch.linspace(0, 1, 20))


def random_features(batch, frames, bins=20):
    """Return features of clips with three hidden maps."""
    generator = torch.Generator().manual_seed(frames)
    shapes = [(16, frames // 8, 4), (12, frames // 4, 8), (8, frames // 2, 16)]
    hidden = tuple(torch.randn(batch, *shape, generator=generator) for shape in shapes)
    return DecoderFeatures(
        hidden, normalized_log_power(torch.rand(batch, frames, bins, generator=generator))
    )


@pytest.mark.parametrize("frames", [8, 31, 313])
def test_decoder_takes_any_number_of_frames(decoder, frames):
    """Masks are in [0, 1]."""
    grid = even_grid(frames, torch.linspace(0, 1, 40))
    masks = decoder(random_features(2, frames, bins=40), torch.randn(3, 1, 10), grid)
    assert masks.shape == (3, 2, frames, 40)
    assert masks.min() >= 0 and masks.max() <= 1


def test_decoder_ignores_the_batch(decoder, grid):
    """A clip and a query alone have the same mask."""
    features, text = random_features(3, 40), torch.randn(2, 1, 10)
    together = decoder(features, text, grid)
    second = DecoderFeatures(tuple(maps[1:2] for maps in features.hidden), features.log_power[1:2])
    alone = decoder(second, text[1:], grid)
    torch.testing.assert_close(together[1:, 1:2], alone, atol=1e-5, rtol=0)


def test_paired_queries_equal_all_pairs(decoder, grid):
    """One query per clip gives the diagonal of all pairs."""
    features, text = random_features(3, 40), torch.randn(3, 10)
    all_pairs = decoder(features, text.unsqueeze(1), grid)
    paired = decoder(features, text.unsqueeze(0), grid).squeeze(0)
    torch.testing.assert_close(all_pairs[range(3), range(3)], paired, atol=1e-5, rtol=0)


def test_mask_depends_on_the_query(decoder, grid):
    """Two queries have different masks."""
    masks = decoder(random_features(1, 40), torch.randn(2, 1, 10), grid)
    assert (masks[0] - masks[1]).abs().max() > 1e-3


def test_config_rebuilds_the_decoder(decoder):
    """The weights fit."""
    again = MaskDecoder(**decoder.config)
    again.load_state_dict(decoder.state_dict())
    assert again.config == decoder.config


def test_decoder_uses_one_width_at_every_scale(grid):
    """A number equals a list with this number for each scale."""
    decoders = []
    for channels in (8, [8, 8, 8]):
        torch.manual_seed(0)
        decoders.append(MaskDecoder((16, 12, 8), query_dim=10, channels=channels))
    text = torch.randn(2, 1, 10)
    one, other = (decoder(random_features(1, 40), text, grid) for decoder in decoders)
    assert torch.equal(one, other)


@pytest.mark.parametrize("channels", [6, 0, -4, [8, 8], [8, 8, 8, 8], [8, 8, 6], "wide", 8.0, None])
def test_decoder_refuses_invalid_widths(channels):
    """Widths are multiples of 4, one for all scales or one for each."""
    with pytest.raises(InputError, match="decoder_channels must be a multiple of 4, or a list"):
        MaskDecoder((16, 12, 8), query_dim=10, channels=channels)


def test_masks_are_zero_in_invalid_bins(decoder, grid):
    """Bins that do not reach the encoder are closed."""
    bin_mask = (torch.arange(20) < 15).float()
    masks = decoder(random_features(1, 40), torch.randn(1, 1, 10), grid._replace(bin_mask=bin_mask))
    assert (masks[..., 15:] == 0).all() and masks[..., :15].min() > 0


def test_untrained_decoder_prefers_loud_bins(decoder, grid):
    """Two clips differ in one bin; the louder bin has the larger mask."""
    features = random_features(1, 40)
    louder = features.log_power.clone()
    louder[0, 7, 9] += 1.0
    text = torch.randn(1, 1, 10)
    before = decoder(features, text, grid)
    after = decoder(features._replace(log_power=louder), text, grid)
    change = after - before
    assert change[0, 0, 7, 9] > 0
    assert change.abs().flatten().argmax() == 7 * 20 + 9


@pytest.mark.parametrize(("temperature", "offset"), [(4.0, 0.0), (0.5, -1.0)])
def test_rescale_divides_and_shifts_all_logits(decoder, temperature, offset, grid):
    """Each logit is divided by the temperature, then the offset is added."""
    torch.nn.init.normal_(decoder.head.weight)
    torch.nn.init.normal_(decoder.head.bias)
    arguments = random_features(2, 40), torch.randn(3, 1, 10), grid
    with torch.no_grad():
        before = decoder.logits(*arguments)
        decoder.rescale(temperature, offset)
        after = decoder.logits(*arguments)
    torch.testing.assert_close(after, before / temperature + offset, atol=1e-4, rtol=1e-5)


def test_logits_are_linear_in_log_power(grid):
    """With biases alone: ``a + b log_power + c (log_power - mean of the surroundings)``."""
    torch.manual_seed(0)
    decoder = MaskDecoder((16, 12, 8), query_dim=10, channels=8)
    with torch.no_grad():
        decoder.head.weight.zero_()
        decoder.head.bias.copy_(torch.tensor([0.3, 0.5, 0.7]))
    features = random_features(1, 40)
    around = upsample_to_grid(
        pool_to_grid(features.log_power, grid, features.hidden[-1].shape[-2:]), grid
    )
    expected = 0.3 + 0.5 * features.log_power + 0.7 * (features.log_power - around)
    logits = decoder.logits(features, torch.randn(1, 1, 10), grid)[0]
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_decoder_scales_queries_to_unit_variance(decoder, grid):
    """Query vectors have unit norm, so their entries are small relative to the hidden maps."""
    film_inputs = []
    for film in decoder.films:
        film.register_forward_pre_hook(lambda _, inputs: film_inputs.append(inputs[0]))
    text = torch.nn.functional.normalize(torch.randn(2, 1, 10), dim=-1)
    decoder(random_features(1, 40), text, grid)
    assert len(film_inputs) == 3
    for queries in film_inputs:
        torch.testing.assert_close(queries.square().mean(dim=-1), torch.ones(2, 1))


def test_bounded_is_its_formula():
    """``x / (1 + |x| / 8)``, with gradients and without."""
    logits = torch.tensor([-1e6, -8.0, 0.0, 2.0, 8.0, 24.0], requires_grad=True)
    expected = torch.tensor([-8.0, -4.0, 0.0, 1.6, 4.0, 6.0])
    torch.testing.assert_close(bounded(logits), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(bounded(logits.detach()), expected, atol=1e-3, rtol=0)
    (slope,) = torch.autograd.grad(bounded(logits).sum(), logits)
    torch.testing.assert_close(slope[1:5], torch.tensor([0.25, 1.0, 0.64, 0.25]))


def test_logits_to_mask_closes_invalid_bins():
    """Other bins have the sigmoid of the bounded logit."""
    grid = even_grid(2, torch.tensor([0.2, 0.7]))
    logits = torch.tensor([[0.0, 8.0], [-8.0, 0.0]])
    expected = torch.tensor([[0.0, 4.0], [-4.0, 0.0]]).sigmoid()
    torch.testing.assert_close(logits_to_mask(logits, grid), expected)
    closed = logits_to_mask(logits, grid._replace(bin_mask=torch.tensor([1.0, 0.0])))
    torch.testing.assert_close(closed, expected * torch.tensor([1.0, 0.0]))
