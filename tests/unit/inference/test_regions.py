"""Regions of activity: merging, shortest duration, and the files of both."""

import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speechbrain_lmac.audio.start_times import start_time
from speechbrain_lmac.cli.explain_tables import SCORE_FIELDS, FileTables
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.reports.annotations import Region, update_csv
from speechbrain_lmac.utils.errors import InputError
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


def test_audacity_labels_are_in_order_of_time(tmp_path):
    """A label per line, with start, end and prompt, separated by tabs."""
    rain = [1 - value for value in ACTIVITY]
    make_timeline(ACTIVITY, rain).save_tables(tmp_path, min_duration=0.3)
    lines = (tmp_path / "regions.audacity.txt").read_text().splitlines()
    labels = [("0.0", "1.6", "rain"), ("1.6", "2.0", "dog")]
    assert [tuple(line.split("\t")) for line in lines] == labels


def make_record(file, *starts):
    """Return the record of a file of 60 s with regions of 2 s."""
    row = dict.fromkeys([*SCORE_FIELDS, "sufficient_area", "necessary_area"])
    band = {"low_hz": 100.0, "high_hz": 900.0, "activity": 0.5}
    regions = [{"start": start, "stop": start + 2.0, **band} for start in starts]
    return {
        "file": file,
        "seconds": 60.0,
        "prompts": [{**row, "prompt": "dog", "regions": regions}],
    }


def test_one_selection_table_covers_all_files(tmp_path):
    """Begin times count from the first file, offsets from the own one, also over several runs."""
    for records in (
        [make_record("/x/b.wav"), make_record("/x/c.wav", 9.0, 3.0)],
        [make_record("/x/a.wav", 1.0)],
    ):
        with FileTables(tmp_path) as tables:
            for record in records:
                tables.add(record)
    with open(tmp_path / "regions.selections.txt", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    expected = [("a.wav", 1.0, 1.0), ("c.wav", 123.0, 3.0), ("c.wav", 129.0, 9.0)]
    columns = ("Begin File", "Begin Time (s)", "File Offset (s)")
    assert [(row[columns[0]], *(float(row[c]) for c in columns[1:])) for row in rows] == expected
    assert [row["Selection"] for row in rows] == ["1", "2", "3"]
    assert [row["Begin Path"] for row in rows] == ["/x/a.wav", "/x/c.wav", "/x/c.wav"]
    assert [float(row["End Time (s)"]) for row in rows] == [3.0, 125.0, 131.0]


def test_selection_table_of_the_user_stays(tmp_path):
    """A selection table with corrections is refused, and stays."""
    with FileTables(tmp_path) as tables:
        tables.add(make_record("/x/a.wav", 1.0))
    path = tmp_path / "regions.selections.txt"
    path.write_text("corrected")
    with pytest.raises(InputError, match="has changed since"), FileTables(tmp_path) as tables:
        tables.add(make_record("/x/a.wav", 1.0))
    assert path.read_text() == "corrected"
