"""explain_dataset: same rows as interpret_file, resumable, one question per folder."""

import os
import time

import pytest
import torch

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.utils.errors import InputError
from tests.unit.bulk.conftest import PROMPTS, read_parts, read_table, write_clip, write_clips


@pytest.fixture
def run(interpreter, clips, tmp_path):
    def explain(output="out", sources=None, prompts=PROMPTS, **options):
        defaults = {"interpreter": interpreter, "unit_files": 2, "progress": False}
        sources = str(clips) if sources is None else sources
        return explain_dataset(sources, prompts, str(tmp_path / output), **{**defaults, **options})

    return explain


def test_scores_equal_interpret_file(run, interpreter, tmp_path):
    """Presence and similarity are those of interpret_file, bit by bit."""
    result = run()
    assert result.complete and result.failed == 0 and result.files == 7 and result.units == 4
    rows = read_table(tmp_path / "out")
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)
    for row in rows:
        whole = interpreter.interpret_file(row["file"], PROMPTS)
        assert torch.tensor(row["presence"]).equal(whole.presence)
        assert torch.tensor(row["similarity"]).equal(whole.similarity)


def test_hits_equal_interpret_file(run, interpreter, tmp_path):
    """Activity, regions and scores of hits are those of an explanation of all prompts."""
    run(scores=True)
    count = 0
    for row in read_table(tmp_path / "out"):
        whole = interpreter.interpret_file(row["file"], PROMPTS)
        present = [i for i, p in enumerate(row["presence"]) if p >= 0.05]
        assert [hit["prompt"] for hit in row["hits"]] == [PROMPTS[i] for i in present]
        expected = whole.rows()
        for i, hit in zip(present, row["hits"]):
            count += 1
            assert hit["activity"] == pytest.approx(expected[i]["activity"], abs=1e-6)
            for name in ("presence_masked_in", "presence_masked_out"):
                assert hit[name] == pytest.approx(expected[i][name], abs=1e-5)
            spans = [(region["start"], region["stop"]) for region in hit["regions"]]
            assert spans == [(r["start"], r["stop"]) for r in expected[i]["regions"]]
    assert count >= 4


def test_shards_equal_serial(run, tmp_path):
    """Three shards, in any order, write the same bytes as one process."""
    run("whole")
    for shard in ("2/3", "0/3", "1/3"):
        result = run("shards", shard=shard)
    assert result.complete
    assert read_parts(tmp_path / "whole") == read_parts(tmp_path / "shards")


def test_second_run_does_nothing(run, tmp_path):
    """Parts that exist are neither written nor touched again."""
    run()
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out" / "parts").iterdir()}
    time.sleep(0.01)
    run()
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out" / "parts").iterdir()}
    assert before == after


def test_growth_explains_only_new_files(run, clips, tmp_path):
    """Files that are added later become new units; existing parts stay."""
    run()
    before = read_parts(tmp_path / "out")
    write_clips(clips, 3, first=7)
    result = run()
    after = read_parts(tmp_path / "out")
    assert result.files == 10 and len(read_table(tmp_path / "out")) == 10
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompts": PROMPTS[:2]}, "prompts lack this is the sound of dog"),
        ({"explain_above": 0.5}, "explain_above was 0.05, got 0.5"),
        ({"embeddings": True}, "embeddings was false, got true"),
    ],
)
def test_other_job_is_refused(run, tmp_path, change, reason):
    """A folder answers one question; another one is refused and nothing changes."""
    run()
    before = read_parts(tmp_path / "out")
    with pytest.raises(InputError, match=reason):
        run(**change)
    assert read_parts(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"shard": "3/3"}, "shard must be K/N"),
        ({"engine": "dask"}, "engine must be serial or ray"),
        ({"workers": 2}, "workers must be given with --engine ray"),
        ({"gpus_per_worker": 1.0}, "gpus_per_worker must be given with --engine ray"),
        ({"explain_above": 2.0}, r"explain_above must be in \[0, 1\]"),
        ({"stretch_seconds": 1.0}, "stretch_seconds must be 10 to 3600"),
        ({"sources": []}, "sources must be at least one"),
        ({"sources": "no/such/folder"}, "must name sound files, got none"),
        ({"engine": "ray"}, "interpreter must be a name or folder"),
    ],
)
def test_invalid_arguments_are_refused(run, options, reason):
    """Invalid arguments are one sentence."""
    with pytest.raises(InputError, match=reason):
        run(**options)


def test_missing_source_reserves_nothing(run, tmp_path):
    """After a wrong source, the folder takes another question."""
    with pytest.raises(InputError, match="must name sound files"):
        run(sources=str(tmp_path / "nowhere"), prompts=PROMPTS[:1])
    assert run().complete


def test_foreign_folder_is_refused(run, tmp_path):
    """A folder with files of the user is not used."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"must be empty or hold a job, got notes.txt"):
        run()


def test_unit_bytes_do_not_depend_on_history(run, tmp_path):
    """A part depends on its unit alone: a lost one is written again with the same bytes."""
    run()
    before = read_parts(tmp_path / "out")
    (tmp_path / "out" / "parts" / "00000001.parquet").unlink()
    run()
    assert read_parts(tmp_path / "out") == before


def test_classification_only_has_no_hits(run, tmp_path):
    """Without a threshold of explanation, the scores are the same and nothing is decoded."""
    run("explained")
    run("classified", explain_above=None)
    rows, expected = read_table(tmp_path / "classified"), read_table(tmp_path / "explained")
    assert [row["presence"] for row in rows] == [row["presence"] for row in expected]
    assert not any(row["hits"] for row in rows)


def test_stored_embeddings_answer_new_prompts(run, clips, tmp_path):
    """Other prompts get the same rows from stored embeddings; absent sounds are not read."""
    run("first", embeddings=True)
    others = ["this is the sound of rain", "this is the sound of a cat"]
    run("direct", prompts=others)
    absent = [row["file"] for row in read_table(tmp_path / "direct") if not row["hits"]]
    assert 0 < len(absent) < 7
    for path in absent:
        os.remove(path)
    run("stored", sources=[], prompts=others, embeddings_from=str(tmp_path / "first"))
    assert read_table(tmp_path / "stored") == read_table(tmp_path / "direct")


def test_embeddings_of_another_precision_are_refused(run, tmp_path):
    """One table never mixes bfloat16 and single precision."""
    run("first", embeddings=True)
    first = str(tmp_path / "first")
    with pytest.raises(InputError, match="must have the same precision"):
        run("other", sources=[], precision="bf16", embeddings_from=first)


def test_sounds_are_capped_per_prompt(run, tmp_path):
    """Each prompt has at most N sounds, and the same ones for every unit size."""
    run("small", sounds_above=0.05, sounds_per_prompt=1)
    run("large", sounds_above=0.05, sounds_per_prompt=1, unit_files=5)
    found = {
        name: sorted(str(p.relative_to(tmp_path / name)) for p in (tmp_path / name).rglob("*.flac"))
        for name in ("small", "large")
    }
    assert found["small"] == found["large"] and 1 <= len(found["small"]) <= len(PROMPTS)


def test_segments_of_a_list(run, interpreter, tmp_path):
    """A list with start and stop explains segments; times are those of the file."""
    write_clip(tmp_path / "long.wav", "siren", seconds=4)
    (tmp_path / "list.csv").write_text("file,start,stop\nlong.wav,1,2.5\nlong.wav,,\n")
    run(sources=str(tmp_path / "list.csv"))
    segment, whole = sorted(read_table(tmp_path / "out"), key=lambda row: -row["start"])
    assert (segment["start"], segment["stop"]) == (1, 2.5)
    assert (whole["start"], whole["stop"]) == (0, 4)
    assert all(1 <= r["start"] < r["stop"] <= 2.5 for h in segment["hits"] for r in h["regions"])


def test_parts_without_job_are_refused(run, tmp_path):
    """Parts whose question is unknown are not used."""
    run()
    os.remove(tmp_path / "out" / "job.json")
    with pytest.raises(InputError, match="must be empty or hold a job"):
        run()
