"""Clips shorter and longer than what an encoder hears: frames are found by marking them."""

import pytest
import torch

from speechbrain_lmac.models.input_window import FixedLengthInput, VariableLengthInput

HOP = 4
HEARD = 40


@pytest.fixture(params=[True, False], ids=["whole repeats", "repeated to the end"])
def window(request):
    return FixedLengthInput(HEARD, HOP, request.param)


def ramp(samples):
    return torch.arange(1.0, samples + 1).unsqueeze(0)


@pytest.mark.parametrize("samples", [1, 3, 12, 15, 20, 39, 40, 41, 92])
def test_a_frame_of_the_mask_goes_where_its_samples_go(window, samples):
    """A mask that holds the time of its frame lies under the samples of that time."""
    frames = 1 + samples // HOP
    mask = (torch.arange(frames) * HOP).float().unsqueeze(1)
    carried = window.align_mask(mask, samples).squeeze(1)
    assert len(carried) == 1 + HEARD // HOP
    sound = window.fit_wav(ramp(samples))[0]
    for frame, time in enumerate(carried[:-1]):
        here = sound[frame * HOP].item()
        if here == 0:  # silence after the last repetition
            assert time == mask[-1]
        else:
            beyond = here - 1 > mask[-1].item() + HOP / 2  # no frame has its center so late
            assert abs(time - (here - 1)) <= HOP / 2 or (beyond and time == mask[-1])


@pytest.mark.parametrize("samples", [12, 15, 20, 39, 40, 41, 92])
def test_places_lead_back_to_the_clips_own_frames(window, samples):
    """Where a frame is said to be heard, the sound that is heard is the frame's own."""
    frames = 1 + samples // HOP
    sound = window.fit_wav(ramp(samples))[0]
    heard_frames = 1 + HEARD // HOP
    for places in window.frame_positions(frames, samples):
        for frame, place in enumerate(places):
            if place.isnan():
                continue
            at = (place * heard_frames - 0.5) * HOP
            assert abs(at - at.round()) < 1e-4
            at = at.round()
            assert 0 <= at <= HEARD
            if 0 < at < HEARD and 0 < frame * HOP < samples:
                assert sound[int(at)] == frame * HOP + 1


def test_every_frame_of_a_short_clip_is_heard(window):
    for samples in (1, 5, 12, 39, 40):
        assert not window.frame_positions(1 + samples // HOP, samples).isnan().all(dim=0).any()


def test_the_middle_of_a_long_clip_is_heard(window):
    places = window.frame_positions(1 + 92 // HOP, 92)[0]
    (heard,) = (~places.isnan()).nonzero(as_tuple=True)
    assert len(heard) == 1 + HEARD // HOP
    assert abs((heard[0] + heard[-1]) / 2 * HOP - 92 / 2) <= HOP
    assert window.fit_wav(ramp(92))[0, 0] == heard[0] * HOP + 1


def test_repetitions_end_as_each_author_ends_them():
    whole, to_the_end = (
        FixedLengthInput(10, 2, flag).fit_wav(ramp(4))[0].tolist() for flag in (True, False)
    )
    assert whole == [1, 2, 3, 4, 1, 2, 3, 4, 0, 0]
    assert to_the_end == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]


def test_a_clip_of_the_right_length_is_left_alone(window):
    mask = torch.rand(1 + HEARD // HOP, 3)
    assert window.align_mask(mask, HEARD) is mask
    places = VariableLengthInput().frame_positions(len(mask), HEARD)
    torch.testing.assert_close(window.frame_positions(len(mask), HEARD), places)


@pytest.mark.parametrize("samples", [1, 12, 39, 40, 41, 92])
def test_extent_is_what_is_heard_of_the_clip(window, samples):
    """The samples from its first to its last are all that the encoder's input holds, each once."""
    first, end = window.span(samples)
    heard = set(window.fit_wav(ramp(samples))[0].tolist()) - {0}
    assert heard == set(range(first + 1, end + 1))
    assert VariableLengthInput().span(samples) == (0, samples)


@pytest.mark.parametrize("samples", [5, 11, 30])
def test_frames_of_a_window_that_no_hop_divides(samples):
    """Of 11 samples in hops of 4: three frames, as of a clip of that length."""
    window = FixedLengthInput(11, 4, False)
    frames = 1 + samples // 4
    assert window.align_mask(torch.zeros(frames, 2), samples).shape == (3, 2)
    places = window.frame_positions(frames, samples)
    heard = (places[~places.isnan()] * 3 - 0.5) * 4
    starts = {5: [0, 4, 5, 9, 10], 11: [0, 4, 8], 30: [0, 4, 8]}[samples]
    torch.testing.assert_close(heard, torch.tensor(starts, dtype=torch.float), atol=1e-4, rtol=0)


def test_frames_are_carried_on_the_masks_device():
    mask = torch.zeros(8, 2, device="meta")
    assert FixedLengthInput(11, 4, False).align_mask(mask, 30).device.type == "meta"
