"""The commands explain-many and hits, and tools that read their tables."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.utils.errors import InputError
from tests.unit.bulk.conftest import PROMPTS, read_table, write_clips


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Output folder of a job that a configuration file describes."""
    folder = tmp_path_factory.mktemp("job")
    write_clips(folder / "clips", 4)
    (folder / "job.yaml").write_text(
        f"sources: {folder / 'clips'}\noutput: {folder / 'unused'}\nunit-files: 3\nprompt:\n"
        + "".join(f"- {prompt}\n" for prompt in PROMPTS)
    )
    command = ["explain-many", "--config", str(folder / "job.yaml")]
    assert main([*command, "--output", str(folder / "out")]) == 0
    return folder


def printed(capsys, *words):
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_config_gives_defaults(job, capsys):
    """Options of the file count unless the command line gives them."""
    assert not (job / "unused").exists()
    assert [len(read_table(job / "out"))] == [4]
    text = printed(capsys, "explain-many", "status", job / "out")
    assert "files done    4 of 4" in text and "units done    2 of 2" in text


def test_warning_is_one_line(job, tmp_path):
    """A warning of the command has no source line."""
    words = ["explain-many", job / "clips", "--prompt", "rain", "--precision", "bf16"]
    program = (
        "import sys, torch\n"
        "from speechbrain_lmac.__main__ import main\n"
        "torch.cpu.get_capabilities = dict\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, *words, "--output", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\nwarning: this CPU emulates bfloat16" in "\n" + done.stderr
    assert "warn_if_emulated" not in done.stderr


def test_hits_as_csv(job, capsys):
    """Each hit is a row of the stretch and the prompt."""
    text = printed(capsys, "hits", job / "out", "--prompt", PROMPTS[1], "--above", "0.3")
    rows = list(csv.DictReader(io.StringIO(text)))
    expected = [row for row in read_table(job / "out") if row["presence"][1] >= 0.3]
    assert [row["file"] for row in rows] == [row["file"] for row in expected] != []
    assert all(row["prompt"] == PROMPTS[1] for row in rows)


def test_hits_as_raven_table(job, capsys, tmp_path):
    """Selections name their file and their time in it."""
    printed(capsys, "hits", job / "out", "--raven", "--above", "0.05", "--to", tmp_path / "a.txt")
    with open(tmp_path / "a.txt", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    regions = [r for row in read_table(job / "out") for h in row["hits"] for r in h["regions"]]
    assert len(rows) == len(regions) > 0
    assert [row["Selection"] for row in rows] == [str(i + 1) for i in range(len(rows))]
    assert all(row["Begin Path"].endswith(".wav") for row in rows)
    assert all(row["Begin File"] == Path(row["Begin Path"]).name for row in rows)


def test_hits_replace_their_own_table_only(job, capsys, tmp_path):
    """The same command again replaces its table. A file of the user, or an edited one, stays."""
    path = tmp_path / "rain.csv"
    words = ["hits", job / "out", "--above", "0.05", "--to", path]
    for _ in range(2):
        printed(capsys, *words)
    edited = path.read_text() + "a note\n"
    path.write_text(edited)
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    assert stopped.value.code == 2
    assert "has changed since: it is left alone" in capsys.readouterr().err
    assert path.read_text() == edited


def test_duckdb_and_pandas_read_parts(job):
    """The documented query gives the hits of the parts."""
    import pandas as pd

    hits = [hit for row in read_table(job / "out") for hit in row["hits"]]
    frame = pd.read_parquet(job / "out" / "parts")
    assert sum(map(len, frame["hits"])) == len(hits)
    duckdb = pytest.importorskip("duckdb")
    parts = f"(SELECT file, start, unnest(hits) AS hit FROM '{job}/out/parts/*.parquet')"
    query = f"SELECT hit.prompt, len(hit.regions) FROM {parts} WHERE hit.presence >= 0.05"
    assert len(duckdb.sql(query).fetchall()) == len(hits)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["explain-many", "x", "--prompt", "rain"], "--output must be given"),
        (["explain-many", "status"], "status must be followed by one output folder, got 0"),
        (["explain-many", "status", "a", "b"], "one output folder, got 2"),
        (["explain-many", "x", "--output", "out"], "--prompt or --prompts-file must be given"),
        (["explain-many", "--config", "no.yaml"], "no.yaml cannot be read"),
        (["explain-many", "status", "nowhere"], "must hold a job"),
        (["hits", "nowhere"], "must hold a job"),
        (["hits", "x", "--csv", "--raven"], "must be given one at a time"),
    ],
)
def test_invalid_words_are_refused(words, reason, capsys):
    """An invalid command is one sentence and status 2."""
    try:
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
        assert reason in capsys.readouterr().err
    except InputError as error:
        assert reason in str(error)
