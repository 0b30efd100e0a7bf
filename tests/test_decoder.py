"""Random weights: the plumbing of the decoder, not what a trained one finds."""

import pytest
import torch

from speechbrain_lmac.decoder import MaskDecoder
from tests.conftest import even_grid


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return MaskDecoder((16, 12, 8), text_dim=10, channels=8)


def hidden(batch, frames):
    generator = torch.Generator().manual_seed(frames)
    shapes = [(16, frames // 8, 4), (12, frames // 4, 8), (8, frames // 2, 16)]
    return tuple(torch.randn(batch, *shape, generator=generator) for shape in shapes)


@pytest.mark.parametrize("frames", [8, 31, 313])
def test_any_number_of_frames(decoder, frames):
    masks = decoder(
        hidden(2, frames), torch.randn(3, 1, 10), even_grid(frames, torch.linspace(0, 1, 40))
    )
    assert masks.shape == (3, 2, frames, 40)
    assert masks.min() >= 0 and masks.max() <= 1


def test_a_pair_does_not_hear_its_batch(decoder):
    maps, text = hidden(3, 40), torch.randn(2, 1, 10)
    grid = even_grid(40, torch.linspace(0, 1, 20))
    together = decoder(maps, text, grid)
    alone = decoder(tuple(m[1:2] for m in maps), text[1:], grid)
    torch.testing.assert_close(together[1:, 1:2], alone, atol=1e-5, rtol=0)


def test_aligned_prompts_are_the_diagonal_of_all_pairs(decoder):
    maps, text = hidden(3, 40), torch.randn(3, 10)
    grid = even_grid(40, torch.linspace(0, 1, 20))
    every = decoder(maps, text.unsqueeze(1), grid)
    aligned = decoder(maps, text.unsqueeze(0), grid).squeeze(0)
    torch.testing.assert_close(every[range(3), range(3)], aligned, atol=1e-5, rtol=0)


def test_the_prompt_steers_the_mask(decoder):
    masks = decoder(hidden(1, 40), torch.randn(2, 1, 10), even_grid(40, torch.linspace(0, 1, 20)))
    assert (masks[0] - masks[1]).abs().max() > 1e-3


def test_config_rebuilds_the_decoder(decoder):
    again = MaskDecoder(**decoder.config)
    again.load_state_dict(decoder.state_dict())
    assert again.config == decoder.config
