"""Explanations never replace, remove or mix files of the user. Own files are replaced."""

import json
import os
import threading

import pytest
import soundfile
import torch

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.cli import explain
from speechbrain_lmac.cli.files import SoundFile, take_folder
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.reports.annotations import Region, update_csv
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from tests.fault_tolerance.conftest import refuse
from tests.helpers.runs import contents

MINE = "the user's"
"""Content of a file of the user."""
RAVEN_TABLE, LABELS = "original.Table.1.selections.txt", "regions.audacity.txt"
SAVED_FILES = ("figure.png", "scores.json", "regions.csv", "activity.csv", RAVEN_TABLE, LABELS)
SAVED_SOUNDS = ("original.wav", "0-siren-explanation.wav", "0-siren-residual.wav")


def make_timeline(value=0.9, steps=20):
    """Return a Timeline of constant activity."""
    return Timeline(
        prompts=("dog",),
        probability=torch.full((1, steps), value),
        masked_in_fraction=torch.ones(1, steps),
        bands=torch.ones(1, 2, steps),
        duration=steps / 10,
        spectrogram=torch.ones(4, 4),
        sample_rate=32000,
    )


@pytest.mark.parametrize("name", SAVED_FILES)
def test_save_keeps_file_of_user(tmp_path, name):
    """An existing file with the name of an output is refused."""
    (tmp_path / name).write_text(MINE)
    with pytest.raises(InputError, match=r"was not written by .*: it is left alone"):
        make_timeline().save(tmp_path)
    assert contents(tmp_path) == {name: MINE.encode()}


@pytest.mark.parametrize("name", ["scores.json", "activity.csv"])
def test_save_keeps_edited_file(tmp_path, name):
    """A file of an earlier save that was edited since is refused, and nothing changes."""
    make_timeline().save(tmp_path)
    (tmp_path / name).write_text(MINE)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="or has changed since"):
        make_timeline(0.8).save(tmp_path)
    assert contents(tmp_path) == before


def test_save_replaces_own_files(tmp_path):
    """A second save gives the files of a save into a new folder."""
    (tmp_path / "mine.txt").write_text(MINE)
    make_timeline(0.8).save(tmp_path)
    make_timeline(0.9).save(tmp_path)
    saved = contents(tmp_path)
    assert json.loads(saved["scores.json"])["prompts"][0]["activity"] == pytest.approx(0.9)
    make_timeline(0.9).save(tmp_path / "new")
    new = contents(tmp_path / "new")
    assert new | {"mine.txt": MINE.encode()} == saved


def test_ledger_from_elsewhere_removes_nothing(tmp_path):
    """A ledger that lists files outside the folder does not remove them."""
    folder, mine = tmp_path / "why", tmp_path / "mine"
    (folder / "below").mkdir(parents=True)
    for path in (mine, folder / "below" / "mine"):
        path.write_text(MINE)
    make_timeline(0.8).save(folder)
    ledger = json.loads((folder / ".speechbrain-lmac.json").read_text())
    for name in ("../mine", str(mine), "below/../../mine", "below/mine"):
        ledger["files"][name] = [file_sha256(mine)]
    (folder / ".speechbrain-lmac.json").write_text(json.dumps(ledger))
    make_timeline(0.9).save(folder)
    assert mine.read_text() == (folder / "below" / "mine").read_text() == MINE


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_save_keeps_links_and_folders(tmp_path, kind):
    """A link or a folder with the name of an output is refused."""
    (tmp_path / "mine").write_text(MINE)
    path = tmp_path / "figure.png"
    path.symlink_to(tmp_path / "mine") if kind == "link" else path.mkdir()
    with pytest.raises(InputError, match="left alone"):
        make_timeline().save(tmp_path)
    assert (tmp_path / "mine").read_text() == MINE and path.is_symlink() == (kind == "link")


def test_save_refuses_to_replace_input(tmp_path):
    """An output is the explained file, under another name and by a hard link."""
    make_timeline().save(tmp_path)
    path = tmp_path / "figure.png"
    os.link(path, tmp_path / "other name")
    again = Timeline(**{**vars(make_timeline()), "file": str(tmp_path / "other name")})
    with pytest.raises(InputError, match="must not be the input"):
        again.save(tmp_path)


@pytest.mark.parametrize("name", [*SAVED_FILES, *SAVED_SOUNDS])
def test_explain_keeps_file_of_user(recording, no_interpreter, name):
    """A file of the user in the folder of the explanation is refused before any work."""
    name = name.replace("original.Table", "rec.Table")
    folder = recording.parents[1] / "why" / "rec"
    folder.mkdir(parents=True)
    (folder / name).write_text(MINE)
    refuse("explain", recording, "--prompt", "siren", "--output", folder.parent)
    assert contents(folder) == {name: MINE.encode()}


@pytest.mark.parametrize("name", ["regions.csv", "rec"])
def test_explain_keeps_files_in_output(recording, no_interpreter, name):
    """A file of the user with the name of the common table or of the folder is refused."""
    out = recording.parents[1] / "why"
    out.mkdir()
    (out / name).write_text(MINE)
    refuse("explain", recording, "--prompt", "siren", "--output", out)
    assert contents(out) == {name: MINE.encode()}


def test_take_folder_gives_each_file_its_own(tmp_path):
    """Four concurrent threads get four folders; each file gets the same folder again."""
    files = [str(tmp_path / card / "rec.wav") for card in "abcd"]
    folders = []
    threads = [
        threading.Thread(
            target=lambda f=file: folders.append(take_folder(SoundFile(f), tmp_path / "why", set()))
        )
        for file in files
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 4
    assert take_folder(SoundFile(files[0]), tmp_path / "why", set()) in folders


def test_update_csv_keeps_rows_of_other_files(tmp_path):
    """Files of one name in two folders have separate rows."""
    region = Region("dog", 0.0, 1.0, 100.0, 200.0, 0.9)
    for file in ("/a/rec.wav", "/b/rec.wav", "/b/rec.wav"):
        update_csv(tmp_path / "regions.csv", {file: [region]})
    rows = (tmp_path / "regions.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["/a/rec.wav", "/b/rec.wav"]


def test_update_csv_keeps_edited_table(tmp_path):
    """A table that was edited is refused."""
    path = tmp_path / "regions.csv"
    update_csv(path, {"/a.wav": []})
    path.write_text(path.read_text() + "/a.wav,my own row\n")
    before = path.read_bytes()
    with pytest.raises(InputError, match="has changed since"):
        update_csv(path, {"/a.wav": []})
    assert path.read_bytes() == before


def test_explain_adds_rows_file_by_file(recording, monkeypatch, tmp_path):
    """While a file is explained, the table has the rows of all earlier files."""
    other = recording.with_name("rec.flac")
    soundfile.write(other, *soundfile.read(recording))
    tables, explain_file = [], explain.explain

    def read_table_first(*args):
        table = tmp_path / "why" / "regions.csv"
        tables.append(table.read_text() if table.exists() else "")
        return explain_file(*args)

    monkeypatch.setattr(explain, "explain", read_table_first)
    words = ["--prompt", "siren", "--output", str(tmp_path / "why"), "--source", "mini-mel"]
    monkeypatch.chdir(recording.parent)
    assert main(["explain", "rec.wav", str(other), *words]) == 0
    assert tables[0] == ""
    assert str(recording.resolve()) in tables[1] and str(other) not in tables[1]
    scores = json.loads((tmp_path / "why" / "rec" / "scores.json").read_text())
    assert scores["file"] == str(recording.resolve())


def test_timeline_times_are_double(tmp_path):
    """Twelve hours in steps of 0.1 s."""
    half_day = make_timeline(steps=432_000)
    assert half_day.seconds.tolist() == [k * 0.1 for k in range(432_000)]
