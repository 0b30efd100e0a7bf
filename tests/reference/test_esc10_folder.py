"""The folder of ESC-10's recordings is read as a data set."""

from speechbrain_lmac.data.datasets import split_by_fold
from tests.conftest import needs_esc10
from tests.helpers.recordings import esc10_clips


@needs_esc10
def test_read_clips_reads_esc10_recordings():
    """Every fold has 80 clips."""
    clips = esc10_clips()
    splits = split_by_fold(clips, train=[1, 2, 3], valid=[4], test=[5])
    assert {name: len(clips) for name, clips in splits.items()} == {
        "train": 240,
        "valid": 80,
        "test": 80,
    }
