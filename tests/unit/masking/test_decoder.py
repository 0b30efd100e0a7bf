"""Random weights: the plumbing of the decoder, not what a trained one finds."""

import random

import pytest
import torch

from speechbrain_lmac.masking.decoder import (
    DecoderFeatures,
    MaskDecoder,
    bounded,
    logits_to_mask,
)
from speechbrain_lmac.masking.grid import pool_to_grid, upsample_to_grid
from speechbrain_lmac.masking.log_power import normalized_log_power
from speechbrain_lmac.training.feature_dropout import channel_dropout
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import even_grid


@pytest.fixture(params=[8, [16, 12, 8], [4, 8, 8]], ids=str)
def decoder(request):
    torch.manual_seed(0)
    return MaskDecoder((16, 12, 8), query_dim=10, channels=request.param)


def features(batch, frames, bins=20):
    generator = torch.Generator().manual_seed(frames)
    shapes = [(16, frames // 8, 4), (12, frames // 4, 8), (8, frames // 2, 16)]
    hidden = tuple(torch.randn(batch, *shape, generator=generator) for shape in shapes)
    return DecoderFeatures(
        hidden, normalized_log_power(torch.rand(batch, frames, bins, generator=generator))
    )


@pytest.mark.parametrize("frames", [8, 31, 313])
def test_any_number_of_frames(decoder, frames):
    grid = even_grid(frames, torch.linspace(0, 1, 40))
    masks = decoder(features(2, frames, bins=40), torch.randn(3, 1, 10), grid)
    assert masks.shape == (3, 2, frames, 40)
    assert masks.min() >= 0 and masks.max() <= 1


def test_a_pair_does_not_hear_its_batch(decoder):
    heard, text = features(3, 40), torch.randn(2, 1, 10)
    grid = even_grid(40, torch.linspace(0, 1, 20))
    together = decoder(heard, text, grid)
    second = DecoderFeatures(tuple(maps[1:2] for maps in heard.hidden), heard.log_power[1:2])
    alone = decoder(second, text[1:], grid)
    torch.testing.assert_close(together[1:, 1:2], alone, atol=1e-5, rtol=0)


def test_aligned_prompts_are_the_diagonal_of_all_pairs(decoder):
    heard, text = features(3, 40), torch.randn(3, 10)
    grid = even_grid(40, torch.linspace(0, 1, 20))
    every = decoder(heard, text.unsqueeze(1), grid)
    aligned = decoder(heard, text.unsqueeze(0), grid).squeeze(0)
    torch.testing.assert_close(every[range(3), range(3)], aligned, atol=1e-5, rtol=0)


def test_the_prompt_steers_the_mask(decoder):
    grid = even_grid(40, torch.linspace(0, 1, 20))
    masks = decoder(features(1, 40), torch.randn(2, 1, 10), grid)
    assert (masks[0] - masks[1]).abs().max() > 1e-3


def test_config_rebuilds_the_decoder(decoder):
    again = MaskDecoder(**decoder.config)
    again.load_state_dict(decoder.state_dict())
    assert again.config == decoder.config


def test_one_width_is_that_width_at_every_scale():
    decoders = []
    for channels in (8, [8, 8, 8]):
        torch.manual_seed(0)
        decoders.append(MaskDecoder((16, 12, 8), query_dim=10, channels=channels))
    grid, text = even_grid(40, torch.linspace(0, 1, 20)), torch.randn(2, 1, 10)
    one, other = (decoder(features(1, 40), text, grid) for decoder in decoders)
    assert torch.equal(one, other)


@pytest.mark.parametrize("channels", [6, 0, -4, [8, 8], [8, 8, 8, 8], [8, 8, 6], "wide", 8.0, None])
def test_widths_that_no_decoder_has_are_refused(channels):
    with pytest.raises(InputError, match="decoder_channels must be a multiple of 4, or a list"):
        MaskDecoder((16, 12, 8), query_dim=10, channels=channels)


def test_what_is_never_heard_is_shut(decoder):
    grid = even_grid(40, torch.linspace(0, 1, 20))
    bin_mask = (torch.arange(20) < 15).float()
    masks = decoder(features(1, 40), torch.randn(1, 1, 10), grid._replace(bin_mask=bin_mask))
    assert (masks[..., 15:] == 0).all() and masks[..., :15].min() > 0


def test_an_untrained_decoder_opens_the_louder_of_two_cells(decoder):
    """Other things, the encoder's maps, being equal: two clips that differ in one cell."""
    heard, grid = features(1, 40), even_grid(40, torch.linspace(0, 1, 20))
    louder = heard.log_power.clone()
    louder[0, 7, 9] += 1.0
    text = torch.randn(1, 1, 10)
    before = decoder(heard, text, grid)
    after = decoder(heard._replace(log_power=louder), text, grid)
    change = after - before
    assert change[0, 0, 7, 9] > 0
    assert change.abs().flatten().argmax() == 7 * 20 + 9


def test_thinned_maps_are_whole_channels_that_add_up_on_average():
    whole = DecoderFeatures(
        (torch.ones(400, 64, 2, 3), torch.ones(400, 16, 4, 6)), torch.rand(400, 5, 9)
    )
    thinned = channel_dropout(whole, 0.2, [random.Random(place) for place in range(400)])
    assert torch.equal(thinned.log_power, whole.log_power)
    for maps in thinned.hidden:
        assert (maps == maps[:, :, :1, :1]).all(), "a channel is there or not, everywhere"
        torch.testing.assert_close(maps.unique(), torch.tensor([0.0, 1.25]))
        assert maps.mean() == pytest.approx(1.0, abs=0.03)
        assert maps.mean(dim=(1, 2, 3)).std() > 0, "other channels of each clip"


def test_a_clip_is_thinned_alike_in_any_batch():
    whole = features(3, 40)
    together = channel_dropout(whole, 0.5, [random.Random(name) for name in "abc"])
    second = DecoderFeatures(tuple(maps[1:2] for maps in whole.hidden), whole.log_power[1:2])
    alone = channel_dropout(second, 0.5, [random.Random("b")])
    for one, other in zip(alone.hidden, together.hidden):
        assert torch.equal(one, other[1:2])


def test_nothing_is_thinned_by_no_share():
    whole, untouched = features(1, 40), random.Random(0)
    assert channel_dropout(whole, 0.0, [untouched]) is whole
    assert untouched.random() == random.Random(0).random(), "what is drawn later stays the same"


@pytest.mark.parametrize(("temperature", "offset"), [(4.0, 0.0), (0.5, -1.0)])
def test_rescale_divides_and_shifts_all_logits(decoder, temperature, offset):
    torch.nn.init.normal_(decoder.head.weight)
    torch.nn.init.normal_(decoder.head.bias)
    asked = features(2, 40), torch.randn(3, 1, 10), even_grid(40, torch.linspace(0, 1, 20))
    with torch.no_grad():
        before = decoder.logits(*asked)
        decoder.rescale(temperature, offset)
        after = decoder.logits(*asked)
    torch.testing.assert_close(after, before / temperature + offset, atol=1e-4, rtol=1e-5)


def test_logits_are_level_and_what_stands_out():
    """With a head of biases alone: ``a + b level + c (level - its surroundings' mean)``."""
    torch.manual_seed(0)
    decoder = MaskDecoder((16, 12, 8), query_dim=10, channels=8)
    with torch.no_grad():
        decoder.head.weight.zero_()
        decoder.head.bias.copy_(torch.tensor([0.3, 0.5, 0.7]))
    given, grid = features(1, 40), even_grid(40, torch.linspace(0, 1, 20))
    around = upsample_to_grid(
        pool_to_grid(given.log_power, grid, given.hidden[-1].shape[-2:]), grid
    )
    expected = 0.3 + 0.5 * given.log_power + 0.7 * (given.log_power - around)
    found = decoder.logits(given, torch.randn(1, 1, 10), grid)[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_decoder_scales_prompts_to_unit_variance(decoder):
    """Embeddings have unit norm: their numbers would be small beside the encoder's maps."""
    seen = []
    for film in decoder.films:
        film.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    text = torch.nn.functional.normalize(torch.randn(2, 1, 10), dim=-1)
    decoder(features(1, 40), text, even_grid(40, torch.linspace(0, 1, 20)))
    assert len(seen) == 3
    for given in seen:
        torch.testing.assert_close(given.square().mean(dim=-1), torch.ones(2, 1))


def test_logits_are_bounded_in_their_order():
    """``x / (1 + |x| / 8)``, with gradients and without."""
    logits = torch.tensor([-1e6, -8.0, 0.0, 2.0, 8.0, 24.0], requires_grad=True)
    expected = torch.tensor([-8.0, -4.0, 0.0, 1.6, 4.0, 6.0])
    torch.testing.assert_close(bounded(logits), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(bounded(logits.detach()), expected, atol=1e-3, rtol=0)
    (slope,) = torch.autograd.grad(bounded(logits).sum(), logits)
    torch.testing.assert_close(slope[1:5], torch.tensor([0.25, 1.0, 0.64, 0.25]))


def test_masks_are_shut_where_nothing_is_heard():
    grid = even_grid(2, torch.tensor([0.2, 0.7]))
    logits = torch.tensor([[0.0, 8.0], [-8.0, 0.0]])
    expected = torch.tensor([[0.0, 4.0], [-4.0, 0.0]]).sigmoid()
    torch.testing.assert_close(logits_to_mask(logits, grid), expected)
    shut = logits_to_mask(logits, grid._replace(bin_mask=torch.tensor([1.0, 0.0])))
    torch.testing.assert_close(shut, expected * torch.tensor([1.0, 0.0]))
