"""Batches of clips: the rows of single clips up to the last digits, whatever a unit holds."""

import json
import os

import pytest
import torch

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.bulk import readers
from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.options import BatchOptions
from speechbrain_lmac.utils.errors import InputError
from tests.unit.bulk.conftest import PROMPTS, read_parts, read_table, write_clip, write_clips


@pytest.fixture
def run(interpreter, tmp_path):
    def explain(output, **options):
        defaults = {"interpreter": interpreter, "progress": False}
        clips = str(tmp_path / "clips")
        explain_dataset(clips, PROMPTS, str(tmp_path / output), **{**defaults, **options})
        return read_table(tmp_path / output)

    return explain


@pytest.fixture
def sounds(tmp_path):
    """Clips of two lengths, a recording of 16 s, a text and an empty file."""
    folder = tmp_path / "clips"
    write_clips(folder, 5)
    write_clip(folder / "longer.wav", "siren", seconds=0.75)
    write_clip(folder / "recording.wav", "rain", seconds=16)
    (folder / "text.wav").write_text("no sound")
    (folder / "empty.wav").touch()


def assert_equal_rows(rows, expected, tolerance=1e-5):
    assert [row["file"] for row in rows] == [row["file"] for row in expected]
    for row, other in zip(rows, expected):
        for name in ("start", "stop", "status", "error", "warnings"):
            assert row[name] == other[name]
        assert row["presence"] == pytest.approx(other["presence"], abs=tolerance)
        assert row["similarity"] == pytest.approx(other["similarity"], abs=1e2 * tolerance)
        assert [hit["prompt"] for hit in row["hits"]] == [hit["prompt"] for hit in other["hits"]]
        for hit, same in zip(row["hits"], other["hits"]):
            for name in ("activity", "masked_in_fraction"):
                assert hit[name] == pytest.approx(same[name], abs=1e2 * tolerance)
            times = [(region["start"], region["stop"]) for region in hit["regions"]]
            assert times == [(region["start"], region["stop"]) for region in same["regions"]]


@pytest.mark.parametrize("number", [0, 2])
def test_batches_equal_single_clips(run, sounds, number):
    """Any number of readers; recordings and broken files are explained alone, in their place."""
    single = run("single", scores=True, embeddings=True)
    batched = run("batched", scores=True, embeddings=True, batch_clips=3, readers=number)
    assert {row["status"] for row in batched} == {"ok", "error"}
    assert sum(len(row["hits"]) for row in batched) >= 5
    assert_equal_rows(batched, single)
    for row, other in zip(batched, single):
        assert row.get("embedding") == pytest.approx(other.get("embedding"), abs=1e-5)
        for hit, same in zip(row["hits"], other["hits"]):
            for name in ("presence_masked_in", "presence_masked_out"):
                assert hit[name] == pytest.approx(same[name], abs=1e-4)


def test_more_prompts_than_masks_at_once(run, sounds, monkeypatch):
    """All prompts of all clips, a few masks at a time."""
    monkeypatch.setattr("speechbrain_lmac.bulk.batch_hits.MAX_MASKS", 2)
    batched = run("batched", explain_above=0.0, batch_clips=4, readers=0)
    assert_equal_rows(batched, run("single", explain_above=0.0))


def test_batches_are_repeatable(run, sounds, tmp_path):
    """The same unit gives the same bytes, with any number of readers."""
    run("first", batch_clips=3, readers=0)
    run("second", batch_clips=3, readers=1)
    assert read_parts(tmp_path / "first") == read_parts(tmp_path / "second")


def test_bfloat16_is_coarser_and_another_job(run, sounds, tmp_path):
    single = run("out")
    coarse = run("bf16", batch_clips=4, readers=0, precision="bf16")
    gaps = [
        abs(a - b)
        for row, other in zip(single, coarse)
        for a, b in zip(row["presence"] or [], other["presence"] or [])
    ]
    assert 1e-5 < max(gaps) < 0.1
    with pytest.raises(InputError, match='precision was "bf16", got "fp32"'):
        run("bf16")
    settings = json.loads((tmp_path / "out" / "job.json").read_text())
    del settings["precision"]  # a job of an earlier release
    (tmp_path / "out" / "job.json").write_text(json.dumps(settings))
    run("out")


def test_failed_batch_is_explained_alone(run, sounds, monkeypatch):
    """A batch that runs out of memory costs no clip."""
    expected = run("single")

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("speechbrain_lmac.bulk.batches.batch_hits", fail)
    assert_equal_rows(run("batched", batch_clips=3, readers=0), expected, tolerance=0)


def test_killed_reader_leaves_the_rest_to_be_explained_alone(tmp_path, monkeypatch):
    paths = write_clips(tmp_path, 6)
    entries = [Entry(f"{i}", str(path), None, None, None) for i, path in enumerate(paths)]
    read = readers._read

    def die(entry, rate):
        return os._exit(9) if entry.id == "3" else read(entry, rate)

    monkeypatch.setattr(readers, "_read", die)
    found = list(readers.read_clips(entries, 32000, 1))
    assert [entry for entry, _ in found] == entries
    assert found[0][1] is not None
    assert [clip for _, clip in found[3:]] == [None] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_clips": 0}, "batch_clips must be at least 1, got 0"),
        ({"readers": -1}, "readers must be at least 0, got -1"),
        ({"precision": "fp16"}, "precision must be fp32 or bf16, got fp16"),
    ],
)
def test_options_out_of_range(run, sounds, options, message):
    with pytest.raises(InputError, match=message):
        run("out", **options)


def test_default_sizes_depend_on_the_device():
    assert BatchOptions().clips_on(torch.device("cpu")) == 1
    assert BatchOptions().clips_on(torch.device("cuda")) == 32
    assert BatchOptions(4).clips_on(torch.device("cuda")) == 4
