"""Clips shorter and longer than the input of an encoder; ramps show where each sample goes."""

import pytest
import torch

from speechbrain_lmac.models.input_window import (
    FixedLengthInput,
    PeakNormalizedInput,
    VariableLengthInput,
)

HOP = 4
LENGTH = 40
FRAMES = 1 + LENGTH // HOP
"""Hop, samples and frames of the encoder input."""


@pytest.fixture(params=[True, False], ids=["whole repeats", "repeated to the end"])
def window(request):
    return FixedLengthInput(LENGTH, HOP, request.param)


def ramp(samples):
    """Return a clip whose samples are 1, 2, 3 and so on."""
    return torch.arange(1.0, samples + 1).unsqueeze(0)


@pytest.mark.parametrize("samples", [1, 3, 12, 15, 20, 39, 40, 41, 92])
def test_align_mask_follows_the_samples(window, samples):
    """A mask that contains the time of its frame has the time of the encoder's samples."""
    frames = 1 + samples // HOP
    mask = (torch.arange(frames) * HOP).float().unsqueeze(1)
    aligned = window.align_mask(mask, samples).squeeze(1)
    assert len(aligned) == FRAMES
    encoder_input = window.fit_wav(ramp(samples))[0]
    for frame, time in enumerate(aligned[:-1]):
        sample = encoder_input[frame * HOP].item()
        if sample == 0:  # silence after the last repetition
            assert time == mask[-1]
        else:
            is_late = sample - 1 > mask[-1].item() + HOP / 2  # after the center of the last frame
            assert abs(time - (sample - 1)) <= HOP / 2 or (is_late and time == mask[-1])


@pytest.mark.parametrize("samples", [12, 15, 20, 39, 40, 41, 92])
def test_frame_positions_lead_to_the_frames(window, samples):
    """The encoder input at the position of a frame is the sample of this frame."""
    frames = 1 + samples // HOP
    encoder_input = window.fit_wav(ramp(samples))[0]
    for positions in window.frame_positions(frames, samples):
        for frame, position in enumerate(positions):
            if position.isnan():
                continue
            sample = (position * FRAMES - 0.5) * HOP
            assert abs(sample - sample.round()) < 1e-4
            sample = sample.round()
            assert 0 <= sample <= LENGTH
            if 0 < sample < LENGTH and 0 < frame * HOP < samples:
                assert encoder_input[int(sample)] == frame * HOP + 1


def test_all_frames_of_short_clips_are_valid(window):
    """Each frame has at least one position."""
    for samples in (1, 5, 12, 39, 40):
        assert not window.frame_positions(1 + samples // HOP, samples).isnan().all(dim=0).any()


def test_middle_of_long_clips_is_valid(window):
    """The valid frames are in the middle and fill the encoder input."""
    positions = window.frame_positions(1 + 92 // HOP, 92)[0]
    (valid,) = (~positions.isnan()).nonzero(as_tuple=True)
    assert len(valid) == FRAMES
    assert abs((valid[0] + valid[-1]) / 2 * HOP - 92 / 2) <= HOP
    assert window.fit_wav(ramp(92))[0, 0] == valid[0] * HOP + 1


def test_fit_wav_repeats_short_clips():
    """Whole repetitions and silence (LAION), or repetitions to the end (Microsoft)."""
    whole, to_the_end = (
        FixedLengthInput(10, 2, flag).fit_wav(ramp(4))[0].tolist() for flag in (True, False)
    )
    assert whole == [1, 2, 3, 4, 1, 2, 3, 4, 0, 0]
    assert to_the_end == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]


def test_clip_of_the_input_length_is_unchanged(window):
    """Mask and positions are those of a variable-length input."""
    mask = torch.rand(FRAMES, 3)
    assert window.align_mask(mask, LENGTH) is mask
    positions = VariableLengthInput().frame_positions(len(mask), LENGTH)
    torch.testing.assert_close(window.frame_positions(len(mask), LENGTH), positions)


@pytest.mark.parametrize("samples", [1, 12, 39, 40, 41, 92])
def test_span_is_the_encoded_part(window, samples):
    """The encoder input contains exactly the samples of the span."""
    first, end = window.span(samples)
    encoded = set(window.fit_wav(ramp(samples))[0].tolist()) - {0}
    assert encoded == set(range(first + 1, end + 1))
    assert VariableLengthInput().span(samples) == (0, samples)


@pytest.mark.parametrize("samples", [5, 11, 30])
def test_window_may_not_be_a_multiple_of_the_hop(samples):
    """11 samples with a hop of 4 have three frames."""
    window = FixedLengthInput(11, 4, False)
    frames = 1 + samples // 4
    assert window.align_mask(torch.zeros(frames, 2), samples).shape == (3, 2)
    positions = window.frame_positions(frames, samples)
    starts = (positions[~positions.isnan()] * 3 - 0.5) * 4
    expected = {5: [0, 4, 5, 9, 10], 11: [0, 4, 8], 30: [0, 4, 8]}[samples]
    torch.testing.assert_close(starts, torch.tensor(expected, dtype=torch.float), atol=1e-4, rtol=0)


def test_align_mask_stays_on_the_device():
    """The aligned mask is on the device of the mask."""
    mask = torch.zeros(8, 2, device="meta")
    assert FixedLengthInput(11, 4, False).align_mask(mask, 30).device.type == "meta"


def test_peak_normalization_has_a_level():
    """The level is the factor to the encoder input, also of silent and negative clips."""
    wavs = torch.tensor([[0.5, -0.8], [0.0, 0.0], [-0.1, -0.2], [1.0, 0.3]])
    window = PeakNormalizedInput()
    expected = torch.tensor([[1.0, -1.6], [0.0, 0.0], [-0.1, -0.2], [1.0, 0.3]])
    torch.testing.assert_close(window.fit_wav(wavs), expected)
    torch.testing.assert_close(window.level(wavs) * wavs, expected)
    assert torch.equal(window.fit_wav(wavs)[3], wavs[3])
    assert torch.equal(VariableLengthInput().level(wavs), torch.ones(4, 1))
