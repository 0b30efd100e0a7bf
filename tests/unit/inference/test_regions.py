"""Regions of activity: merging, shortest duration, and the files of both."""

import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speechbrain_lmac.audio.start_times import start_time
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.reports.annotations import Region, update_csv
from speechbrain_lmac.utils.shared_tables import update_table


def make_timeline(*activity):
    """Return a Timeline of prompts by their activity; steps have 0.1 s."""
    values = torch.stack([torch.as_tensor(row, dtype=torch.float32) for row in activity])
    prompts = tuple(("dog", "rain")[: len(values)])
    bands = torch.tensor([100.0, 900.0]).view(1, 2, 1).expand(len(values), 2, values.shape[1])
    duration, ones = values.shape[1] / 10, torch.ones_like(values)
    return Timeline(prompts, values, ones, bands, duration, torch.ones(4, 4), 32000)


def spans(regions):
    """Return the start and end of regions."""
    return [(region.start, region.stop) for region in regions]


ACTIVITY = [0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, [(0.1, 0.3), (0.8, 0.9), (1.6, 2.0)]),
        ({"merge_gap": 0.5}, [(0.1, 0.9), (1.6, 2.0)]),
        ({"min_duration": 0.2}, [(0.1, 0.3), (1.6, 2.0)]),
        ({"merge_gap": 0.5, "min_duration": 0.5}, [(0.1, 0.9)]),
        ({"merge_gap": 1.0}, [(0.1, 2.0)]),
        ({"min_duration": 0.41}, []),
    ],
)
def test_regions_are_merged_then_dropped(rule, expected):
    """Regions closer than the gap are merged, and merged regions that are short are dropped."""
    assert spans(make_timeline(ACTIVITY).regions(**rule)) == expected


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    activity=arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 1, width=32)),
    seconds=st.floats(0, 3),
    gap=st.floats(0, 1),
)
def test_short_regions_alone_are_dropped(activity, seconds, gap):
    """The minimum duration drops merged regions that are shorter, and no other."""
    merged = make_timeline(activity).regions(0.5, gap)
    expected = [region for region in merged if region.stop - region.start >= seconds - 1e-6]
    assert make_timeline(activity).regions(0.5, gap, seconds) == expected


def test_tables_follow_the_region_rule(tmp_path):
    """The saved tables hold the merged regions that are long enough."""
    make_timeline(ACTIVITY).save_tables(tmp_path, merge_gap=0.5, min_duration=0.5)
    with open(tmp_path / "regions.csv") as file:
        (row,) = csv.DictReader(file)
    assert (row["start"], row["stop"]) == ("0.1", "0.9")
    assert len((tmp_path / "original.Table.1.selections.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("20240501_043000.WAV", "2024-05-01T04:30:00"),
        ("card/S4A01_20240501_043000.wav", "2024-05-01T04:30:00"),
        ("20240501_043000T.WAV", "2024-05-01T04:30:00"),
        ("5CC1A2B0.WAV", "2019-04-25T12:06:08"),
        ("20240501_043000/dawn.wav", None),
        ("20240501_253000.wav", None),
        ("120240501_0430001.wav", None),
        ("20240501.WAV", None),
        ("deadbeef.WAV", None),
        ("FFFFFFFF.WAV", None),
    ],
)
def test_names_state_start_times(name, expected):
    """Names of recorders state a time; other numbers do not."""
    time = start_time(name)
    assert (time and time.isoformat()) == expected


def test_regions_of_all_files_have_begin_times(tmp_path):
    """The begin time is the start of the recording plus that of the region, or empty."""
    region = Region("dog", 61.5, 70.0, 100.0, 900.0, 0.9)
    files = {"/a/20240501_235900.WAV": [region], "/a/dawn.wav": [region]}
    update_csv(tmp_path / "regions.csv", files)
    with open(tmp_path / "regions.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["begin_time"] for row in rows] == ["2024-05-02 00:00:01.500", ""]


def test_tables_of_earlier_columns_are_extended(tmp_path):
    """Rows of a table with fewer columns stay, with empty cells."""
    path = tmp_path / "table.csv"
    update_table(path, ("prompt",), {"a.wav": [["dog"]], "b.wav": [["rain"]]})
    update_table(path, ("prompt", "score"), {"b.wav": [["rain", 0.5]]})
    with open(path) as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    assert rows == [["a.wav", "dog", ""], ["b.wav", "rain", "0.5"]]
