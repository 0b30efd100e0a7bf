"""Segments of long audio, and their overlap-add."""

import pytest
import torch

from speechbrain_lmac.audio.overlap_add import OverlapAdd, segments

STEP = 100


def split(length, block):
    """Random audio and its segments, from blocks of a given length."""
    audio = torch.randn(length, generator=torch.Generator().manual_seed(length))
    return audio, [*segments(audio.split(block), STEP)]


@pytest.mark.parametrize("block", [7, 100, 256, 5000])
@pytest.mark.parametrize("length", [1, 99, 200, 201, 299, 300, 301, 400, 1234])
def test_overlap_add_restores_unchanged_segments(length, block):
    """Unchanged segments join to the original audio."""
    audio, parts = split(length, block)
    overlap_add = OverlapAdd(STEP)
    joined = torch.cat([overlap_add(part, part.wav.expand(3, -1)) for part in parts], dim=-1)
    torch.testing.assert_close(joined, audio.expand(3, -1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("length", [1, 200, 201, 300, 301, 1234])
def test_segments_do_not_depend_on_blocks(length):
    """Segments are parts of the audio, whatever the length of the blocks."""
    audio, parts = split(length, 13)
    for part, same in zip(parts, split(length, 5000)[1], strict=True):
        assert part[0] == same[0] and part[2:] == same[2:]
        assert (part.wav == audio[part.start : part.start + len(part.wav)]).all()
        assert len(part.wav) == min(length, 2 * STEP)
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].start + len(parts[-1].wav) == length


def test_overlap_add_fades_without_steps():
    """If segments have different gains, the result changes no faster than the fade."""
    parts = [*segments([torch.ones(1000)], STEP)]
    overlap_add = OverlapAdd(STEP)
    gains = [1.0 if i % 2 else 0.1 for i in range(len(parts))]
    joined = torch.cat([overlap_add(part, gain * part.wav) for part, gain in zip(parts, gains)])
    assert len(joined) == 1000
    assert joined.diff().abs().max() <= 0.9 * torch.pi / 2 / STEP
    assert joined.min() >= 0.1 and joined.max() <= 1
