"""Windows of a long sound, and the sound again."""

import pytest
import torch

from speechbrain_lmac.audio.overlap_add import OverlapAdd, segments

STEP = 100


def cut(length, block):
    sound = torch.randn(length, generator=torch.Generator().manual_seed(length))
    return sound, [*segments(sound.split(block), STEP)]


@pytest.mark.parametrize("block", [7, 100, 256, 5000])
@pytest.mark.parametrize("length", [1, 99, 200, 201, 299, 300, 301, 400, 1234])
def test_windows_left_alone_are_the_sound(length, block):
    sound, parts = cut(length, block)
    overlap_add = OverlapAdd(STEP)
    joined = torch.cat([overlap_add(part, part.wav.expand(3, -1)) for part in parts], dim=-1)
    torch.testing.assert_close(joined, sound.expand(3, -1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("length", [1, 200, 201, 300, 301, 1234])
def test_windows_are_stretches_of_the_sound_whatever_the_blocks(length):
    sound, parts = cut(length, 13)
    for part, same in zip(parts, cut(length, 5000)[1], strict=True):
        assert (part.start, part.num_settled, part.is_last) == (
            same.start,
            same.num_settled,
            same.is_last,
        )
        assert (part.wav == sound[part.start : part.start + len(part.wav)]).all()
        assert len(part.wav) == min(length, 2 * STEP)
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].start + len(parts[-1].wav) == length


def test_one_window_fades_into_the_next_without_a_step():
    """Window by window another gain: what is joined changes by no more than the fade does."""
    sound, parts = torch.ones(1000), [*segments([torch.ones(1000)], STEP)]
    overlap_add = OverlapAdd(STEP)
    gains = [1.0 if i % 2 else 0.1 for i in range(len(parts))]
    joined = torch.cat([overlap_add(part, gain * part.wav) for part, gain in zip(parts, gains)])
    assert len(joined) == len(sound)
    assert joined.diff().abs().max() <= 0.9 * torch.pi / 2 / STEP
    assert joined.min() >= 0.1 and joined.max() <= 1
