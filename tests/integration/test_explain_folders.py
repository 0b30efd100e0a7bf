"""explain on folders: the common table of scores, and resuming."""

import csv
import json
import shutil
from pathlib import Path
from unicodedata import normalize

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.cli import explain
from speechbrain_lmac.cli.explain_tables import SCORE_FIELDS, FileTables
from speechbrain_lmac.cli.files import SoundFile, folders_for
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.ownership import LEDGER
from tests.helpers.interruptions import interrupt_after
from tests.helpers.killing import is_auxiliary, read_tree

PROMPTS = ["--prompt", "siren", "--prompt", "a dog"]


@pytest.fixture
def loaded(interpreter, monkeypatch):
    """The command uses one interpreter, which is loaded once."""
    monkeypatch.setattr(explain, "load_interpreter", lambda *options: interpreter)


@pytest.fixture
def recordings(tmp_path):
    """A folder with two sounds of one name in two subfolders, and one above them."""
    folder = tmp_path / "recordings"
    for name, kind in (("a/b", "siren"), ("c/b", "rain"), ("top", "siren")):
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, synthesize(kind, seed=2, seconds=1.0).numpy(), SAMPLE_RATE)
    return folder


def explain_folder(recordings, *options, status=0):
    """Explain a folder of recordings with two prompts; return the output folder."""
    out = recordings.parent / "why"
    figures = [] if "--figures" in options else ["--figures", "none"]
    command = ["explain", str(recordings), *PROMPTS, "--no-areas", *figures]
    assert main([*command, "--output", str(out), *options]) == status
    return out


@pytest.fixture
def explained(monkeypatch):
    """Names of the files that are explained, in order."""
    explain_file, names = explain.explain, []

    def count(interpreter, file, *options):
        names.append(Path(file).relative_to(Path(file).parents[1]).as_posix())
        return explain_file(interpreter, file, *options)

    monkeypatch.setattr(explain, "explain", count)
    return names


def results(folder):
    """Return path -> content of the files below a folder, without auxiliary files."""
    return {name: content for name, content in read_tree(folder).items() if not is_auxiliary(name)}


def test_output_mirrors_the_folders(recordings, loaded, monkeypatch):
    """Folders and patterns keep their subfolders; an order or a new file changes nothing."""
    out = explain_folder(recordings)
    expected = {"a/b", "c/b", "top"}
    assert explained_folders(out) == expected
    explain_folder(recordings, str(recordings / "c" / "b.wav"))  # found by the folder first
    monkeypatch.chdir(recordings)
    command = ["explain", *PROMPTS, "--no-areas", "--figures", "none", "--output", str(out)]
    assert main([*command, "*/b.wav"]) == main([*command, "./c/../**/b.wav"]) == 0
    assert explained_folders(out) == expected
    for name in expected:
        scores = json.loads((out / name / "scores.json").read_text())
        assert scores["file"] == str(recordings / f"{name}.wav")


def test_folders_of_failures_are_removed(recordings, loaded):
    """A subfolder in which no file is explained is not left behind; one of the user stays."""
    for name in ("d/e/f", "g/h"):
        path = recordings / f"{name}.wav"
        path.parent.mkdir(parents=True)
        path.write_text("no sound")
    out = recordings.parent / "why"
    (out / "g").mkdir(parents=True)
    explain_folder(recordings, status=1)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["a", "c", "g", "top"]
    assert not list((out / "g").iterdir())


NAMES = st.sampled_from(["a", "A", "a-2", "b", "...", "é", "e\u0301"])


@given(st.lists(st.tuples(st.lists(NAMES, max_size=2), NAMES), max_size=12, unique_by=str))
def test_folders_of_files_never_collide(paths):
    """Any files have different folders in their subfolders, in any case or Unicode form."""
    files = [SoundFile("/".join(["in", *sub, f"{n}.wav"]), "/".join(sub)) for sub, n in paths]
    root = Path("/nowhere/out")
    folders = folders_for(files, root)
    assert len({normalize("NFC", str(folder)).casefold() for folder in folders}) == len(files)
    for file, folder in zip(files, folders):
        assert folder.parent == root / file.subfolder and root in folder.resolve().parents


def explained_folders(out):
    """Return the names of the folders with an explanation."""
    return {path.parent.relative_to(out).as_posix() for path in out.rglob("scores.json")}


def read_table(out):
    """Return the rows of the table of scores."""
    with open(out / "scores.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cells(value):
    """Return a value of scores.json as text of a table."""
    return "" if value is None else str(value)


def test_scores_of_all_files_are_in_one_table(recordings, loaded):
    """Each file has a row per prompt, equal to scores.json, also if all prompts are absent."""
    soundfile.write(
        recordings / "long.wav", synthesize("siren", seed=2, seconds=15.5).numpy(), SAMPLE_RATE
    )
    out = explain_folder(recordings)
    rows = read_table(out)
    expected = []
    for path in out.rglob("scores.json"):
        scores = json.loads(path.read_text())
        for row in scores["prompts"]:
            row = {"explained": True, "seconds": scores["seconds"], **row}
            values = {name: cells(row.get(name)) for name in SCORE_FIELDS}
            expected.append({"file": scores["file"], "prompt": row["prompt"], **values})
    assert len(rows) == 8 and sorted(rows, key=str) == sorted(expected, key=str)
    rain = [row for row in rows if row["file"].endswith("c/b.wav")]
    assert [row["explained"] for row in rain] == ["False", "False"]
    assert all(float(row["presence"]) < 0.05 and row["mask_mean"] == "" for row in rain)


def test_table_is_whole_after_an_interruption(recordings, loaded, monkeypatch):
    """The table has all prompts of the files that are complete, and no others."""
    complete = interrupt_after(monkeypatch, explain, "explain", 2)
    with pytest.raises(SystemExit):
        explain_folder(recordings)
    rows = read_table(recordings.parent / "why")
    assert [row["file"] for row in rows] == [file for _, file, *_ in complete for _ in range(2)]


def test_skip_existing_completes_a_run(recordings, loaded, explained, capsys):
    """Only missing explanations are made; all files are those of a run in one go."""
    out = recordings.parent / "why"
    records = [json.loads(line) for line in json_lines(recordings, capsys)]
    expected = results(out)
    shutil.rmtree(out / folder_of(records, "c/b.wav"))
    (out / "scores.csv").unlink()
    explained.clear()
    capsys.readouterr()
    resumed = [json.loads(line) for line in json_lines(recordings, capsys, "--skip-existing")]
    assert explained == ["c/b.wav"] and results(out) == expected
    assert [record.pop("skipped") for record in resumed] == [True, False, True]
    assert resumed == [{k: v for k, v in record.items() if k != "skipped"} for record in records]


def json_lines(recordings, capsys, *options):
    """Explain a folder; return the lines of JSON."""
    capsys.readouterr()
    explain_folder(recordings, "--json", *options)
    return capsys.readouterr().out.splitlines()


def folder_of(records, name):
    """Return the name of the output folder of a file."""
    (folder,) = [record["folder"] for record in records if record["file"].endswith(name)]
    return folder


def test_skip_existing_trusts_whole_folders_only(recordings, loaded, explained):
    """A folder without one of its files is explained again, and files of the user stay."""
    out = explain_folder(recordings)
    expected = results(out)
    folder = out / "top"
    (folder / "notes.txt").write_text("mine")
    names = sorted(path.name for path in folder.iterdir() if not is_auxiliary(path.name))
    for name in set(names) - {"notes.txt"}:
        (folder / name).unlink()
        explained.clear()
        explain_folder(recordings, "--skip-existing")
        assert explained == ["recordings/top.wav"], name
        assert results(out) == {**expected, "top/notes.txt": b"mine"}
    (folder / LEDGER).unlink()  # without a ledger, all files are the user's
    with pytest.raises(SystemExit):
        explain_folder(recordings, "--skip-existing")
    assert results(out) == {**expected, "top/notes.txt": b"mine"}


@pytest.mark.parametrize(
    "options", [["--threshold", "0.2"], ["--prompt", "rain"], ["--against", "wind"]]
)
def test_skip_existing_asks_the_same_question(recordings, loaded, explained, options):
    """Other settings, prompts or sounds are explained again, as without earlier results."""
    out = explain_folder(recordings)
    explained.clear()
    explain_folder(recordings, *options, "--skip-existing")
    assert len(explained) == 3
    explain_folder(recordings, *options, "--skip-existing")
    assert len(explained) == 3
    shutil.copy(recordings / "c" / "b.wav", recordings / "top.wav")
    explain_folder(recordings, *options, "--skip-existing")
    assert explained[3:] == ["recordings/top.wav"]
    resumed = results(out)
    shutil.rmtree(out)
    explain_folder(recordings, *options)
    assert results(out) == resumed


def test_skip_existing_refuses_edited_files(recordings, loaded, explained, capsys):
    """A result that the user has edited is neither skipped nor replaced."""
    out = explain_folder(recordings)
    (out / "top" / "regions.csv").write_text("my notes")
    explained.clear()
    with pytest.raises(SystemExit):
        explain_folder(recordings, "--skip-existing")
    assert "has changed since" in " ".join(capsys.readouterr().err.split())
    assert (out / "top" / "regions.csv").read_text() == "my notes" and not explained


def test_skip_existing_adds_figures(recordings, loaded, explained):
    """An explanation without a figure is made again if it needs one, and not the reverse."""
    out = explain_folder(recordings)
    explained.clear()
    explain_folder(recordings, "--skip-existing", "--figures", "1")
    assert len(explained) == 1 and len(list(out.rglob("figure.png"))) == 1
    explain_folder(recordings, "--skip-existing")
    assert len(explained) == 1 and len(list(out.rglob("figure.png"))) == 1


def record(file, presence):
    """Return a record of one prompt."""
    row = dict.fromkeys([*SCORE_FIELDS, "sufficient_area", "necessary_area"])
    row |= {"prompt": "x", "presence": presence, "regions": []}
    return {"file": file, "seconds": 5.0, "prompts": [row]}


@settings(max_examples=10, deadline=None)
@given(numbers=st.lists(st.integers(0, 99), max_size=150), split=st.integers(0, 150))
def test_tables_hold_the_last_row_of_a_file(tmp_path_factory, numbers, split):
    """Rows of an earlier run or of an earlier record are replaced; no row is lost."""
    root = tmp_path_factory.mktemp("tables")
    for part in numbers[:split], numbers[split:]:
        with FileTables(root) as tables:
            for number in part:
                tables.add(record(f"/{number}.wav", number / 100))
    rows = read_table(root) if numbers else []
    assert sorted((row["file"], row["presence"]) for row in rows) == sorted(
        (f"/{number}.wav", str(number / 100)) for number in set(numbers)
    )
