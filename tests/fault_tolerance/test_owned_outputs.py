"""Pages, manifests, data sets and results never replace files of the user."""

import os
import zipfile

import pytest

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.archives import Archive, obtain
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prepare import prepare_manifest
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.evaluation.zero_shot import ready_folder
from speechbrain_lmac.reports.page import check_page, write_page
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.run_metadata import lock_output_folder
from tests.fault_tolerance.conftest import refuse
from tests.helpers.runs import contents

MINE = "the user's"
"""Content of a file of the user."""
PAGE = '<html><head>\n<meta name="generator" content="speechbrain-lmac 0.1.0">\n</head></html>'


@pytest.mark.parametrize("command", ["report", "compare"])
@pytest.mark.parametrize("kind", ["itself", "hard link", "link"])
def test_page_refuses_to_replace_input(recording, no_interpreter, command, kind, capsys):
    """An output that is the input, directly or by a link, is refused before any work."""
    path = recording if kind == "itself" else recording.with_name("page.html")
    if kind != "itself":
        path.symlink_to(recording) if kind == "link" else os.link(recording, path)
    before = recording.read_bytes()
    refuse(command, recording, "--prompt", "siren", "--output", path)
    assert "must not be the input" in capsys.readouterr().err
    assert recording.read_bytes() == before


@pytest.mark.parametrize("command", ["report", "compare"])
def test_page_keeps_file_of_user(recording, no_interpreter, command, capsys):
    """An existing page of the user is refused before any work."""
    path = recording.with_name("page.html")
    path.write_text("<html>mine</html>")
    refuse(command, recording, "--prompt", "siren", "--output", path)
    assert "must be an unchanged page of speechbrain-lmac" in capsys.readouterr().err
    assert path.read_text() == "<html>mine</html>"


def test_page_replaces_unchanged_page(tmp_path):
    """Pages of versions without checksums are replaced too. Edited pages are refused."""
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    write_page(path, PAGE)
    write_page(path, PAGE.replace("</html>", "<p>2</p></html>"))
    assert "<p>2</p>" in path.read_text()
    path.write_text(path.read_text().replace("<p>2</p>", "<p>my notes</p>"))
    with pytest.raises(InputError, match="must be an unchanged page"):
        check_page(path)


def test_prepare_keeps_manifest_of_user(small_set, tmp_path):
    """A manifest of the user with equal columns is refused."""
    clips = read_clips(small_set)[:2]
    path = tmp_path / "own.csv"
    manifest.write(path, clips)
    before = path.read_bytes()
    with pytest.raises(InputError, match="left alone"):
        prepare_manifest(clips, path)
    assert path.read_bytes() == before
    prepare_manifest(clips, tmp_path / "ours.csv")
    assert len(prepare_manifest(clips[:1], tmp_path / "ours.csv")) == 1


def test_write_dataset_keeps_folder_of_user(tmp_path):
    """A folder of the user may have the ending ``.partial``."""
    (tmp_path / "set.partial").mkdir()
    (tmp_path / "set.partial" / "mine").write_text(MINE)
    write_dataset(tmp_path / "set", clips_per_fold=1, folds=1, seconds=0.1)
    assert (tmp_path / "set.partial" / "mine").read_text() == MINE


def test_obtain_keeps_archive_of_user(tmp_path):
    """An invalid archive of the user is refused, a valid one remains after unpacking."""
    (tmp_path / "served").mkdir()
    served = tmp_path / "served" / "set.zip"
    with zipfile.ZipFile(served, "w") as zipped:
        zipped.writestr("set-1/meta/a.csv", "a")
    a_set = Archive("a set", served.as_uri(), "0" * 64, "set-1", "meta", "CC0")
    archive = tmp_path / "set-set.zip"
    archive.write_text(MINE)
    with pytest.raises(InputError, match="left alone"):
        obtain(a_set, tmp_path / "set")
    assert archive.read_text() == MINE
    archive.write_bytes(served.read_bytes())
    obtain(a_set._replace(sha256=None), tmp_path / "set")
    assert archive.read_bytes() == served.read_bytes()


@pytest.mark.parametrize("name", ["metrics.csv", "results.md", "results.csv.gz"])
def test_run_keeps_files_of_user(tmp_path, name):
    """An output folder with other files of these names is refused."""
    (tmp_path / name).write_text(MINE)
    with pytest.raises(InputError, match="Give another --output_folder"):
        lock_output_folder(tmp_path, {})
    assert contents(tmp_path) == {name: MINE.encode()}


def test_zero_shot_keeps_file_of_user(tmp_path):
    """A report of the user is refused."""
    (tmp_path / "report.md").write_text(MINE)
    with pytest.raises(InputError, match="left alone"):
        ready_folder(tmp_path)
