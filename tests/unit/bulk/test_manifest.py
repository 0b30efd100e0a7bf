"""Plans: sorted, each file once, stable units, and no file is opened."""

import builtins
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

from speechbrain_lmac.audio.files import find_audio_files
from speechbrain_lmac.bulk.manifest import Manifest, plan
from speechbrain_lmac.bulk.store import LocalStore
from speechbrain_lmac.utils.errors import InputError


@pytest.fixture
def store(tmp_path):
    return LocalStore(str(tmp_path / "out"))


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 10)


def planned(store, sources, **options):
    manifest = plan(store, [str(source) for source in sources], **options)
    return [[entry.file for entry in manifest.entries(u)] for u in range(manifest.num_units)]


def test_units_are_sorted_slices(store, tmp_path):
    """Files are sorted by path, and hidden and other files are left out."""
    folder = tmp_path / "a"
    touch(folder, "c.wav", "b/d.FLAC", "b/a.ogg", ".hidden.wav", ".git/x.wav", "notes.txt")
    units = planned(store, [folder], unit_files=2)
    names = [[file[len(str(folder)) + 1 :] for file in unit] for unit in units]
    assert names == [["b/a.ogg", "b/d.FLAC"], ["c.wav"]]


def test_files_are_planned_once(store, tmp_path):
    """Overlapping sources name a file once, also in a later run."""
    touch(tmp_path / "a", "x.wav", "y.wav")
    sources = [tmp_path / "a", tmp_path / "a" / "*.wav", tmp_path / "a" / "x.wav"]
    assert len(planned(store, sources)[0]) == 2
    touch(tmp_path / "a", "0.wav")
    units = planned(store, [tmp_path / "a"])
    assert [len(unit) for unit in units] == [2, 1] and units[1][0].endswith("0.wav")


def test_output_inside_the_source_is_left_out(tmp_path):
    """Sounds in the output folder are no sources."""
    touch(tmp_path, "x.wav", "out/sounds/y.flac")
    assert planned(LocalStore(str(tmp_path / "out")), [tmp_path]) == [[str(tmp_path / "x.wav")]]


def test_linked_folders_are_searched_once(store, tmp_path):
    """No loop is entered, a target with two links counts once, and both searches agree."""
    folder, archive = tmp_path / "a", tmp_path / "archive"
    touch(folder, "x.wav")
    touch(archive, "deep/y.wav")
    for name, target in (("first", archive), ("second", archive), ("loop", folder)):
        (folder / name).symlink_to(target)
    (folder / "around").symlink_to(tmp_path)
    (archive / "back").symlink_to(archive)
    found = [str(folder / name) for name in ("first/deep/y.wav", "x.wav")]
    assert planned(store, [folder]) == [found]
    assert find_audio_files(folder) == ([Path(name) for name in found], 0)


def test_linked_output_is_left_out(tmp_path):
    """The output of a job is not explained, also if the source names its folder by a link."""
    touch(tmp_path / "a", "x.wav", "out/sounds/y.wav")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    store = LocalStore(str(tmp_path / "a" / "out"))
    assert planned(store, [tmp_path / "link"]) == [[str(tmp_path / "link" / "x.wav")]]


def test_large_files_complete_a_unit(store, tmp_path, monkeypatch):
    """A unit ends before it exceeds its size in bytes."""
    monkeypatch.setattr("speechbrain_lmac.bulk.manifest.MAX_UNIT_BYTES", 25)
    touch(tmp_path / "a", *(f"{i}.wav" for i in range(5)))
    assert [len(unit) for unit in planned(store, [tmp_path / "a"])] == [2, 2, 1]


def test_manifest_files_hold_a_hundred_units(store, tmp_path, monkeypatch):
    """Units are found in the file of the manifest that holds them."""
    monkeypatch.setattr("speechbrain_lmac.bulk.manifest.UNITS_PER_FILE", 3)
    touch(tmp_path / "a", *(f"{i}.wav" for i in range(7)))
    units = planned(store, [tmp_path / "a"], unit_files=1)
    assert [unit[0][-5:] for unit in units] == [f"{i}.wav" for i in range(7)]
    assert store.names("manifest") == [
        "00000000-00000002.parquet",
        "00000003-00000005.parquet",
        "00000006-00000006.parquet",
    ]
    assert Manifest(store).unit_sizes() == [1] * 7


def test_planning_opens_no_sound(store, tmp_path, monkeypatch):
    """Sound files are found by their names alone."""
    touch(tmp_path / "a", "x.wav")
    opened, original = [], builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda p, *a, **k: opened.append(p) or original(p, *a, **k)
    )
    planned(store, [tmp_path / "a"])
    assert not [path for path in opened if str(path).endswith(".wav")]


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.parquet"])
def test_lists_name_files_and_segments(store, tmp_path, name):
    """Lists are CSV, TSV or Parquet; relative paths start at their folder."""
    import pandas as pd

    frame = pd.DataFrame(
        {"path": ["b.wav", "/c/a.wav"], "start": [1.5, None], "stop": [3, None], "note": [1, 2]}
    )
    if name.endswith("parquet"):
        frame.to_parquet(tmp_path / name)
    else:
        frame.to_csv(tmp_path / name, sep="\t" if name.endswith("tsv") else ",", index=False)
    manifest = plan(store, [str(tmp_path / name)])
    entries = [(entry.file, entry.start, entry.stop) for entry in manifest.entries(0)]
    assert entries == [("/c/a.wav", None, None), (str(tmp_path / "b.wav"), 1.5, 3.0)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name\nx.wav\n", "must have a column file"),
        ("file,start\nx.wav,soon\n", "must have numbers in start, stop and size"),
        ("file,stop\nx.wav,inf\n", "must have numbers in start, stop and size"),
        ("file,size\nx.wav,large\n", "must have numbers in start, stop and size"),
    ],
)
def test_invalid_lists_are_refused(store, tmp_path, text, reason):
    """A list without files, or with invalid times, is one sentence."""
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=reason):
        planned(store, [tmp_path / "list.csv"])


def test_nan_is_an_empty_cell(store, tmp_path):
    """Parquet of NumPy arrays has NaN for times that are not given."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"file": ["/x.wav"], "start": [float("nan")], "stop": [2.0]})
    parquet.write_table(table, tmp_path / "list.parquet")
    (entry,) = plan(store, [str(tmp_path / "list.parquet")]).entries(0)
    assert (entry.start, entry.stop) == (None, 2.0)


def test_remote_files_are_found(store):
    """URLs of fsspec name folders, patterns and files."""
    import fsspec

    files = fsspec.filesystem("memory")
    for name in ("/clips/b/x.wav", "/clips/y.ogg", "/clips/notes.txt"):
        files.pipe(name, b"x" * 7)
    (unit,) = planned(store, ["memory://clips"])
    assert unit == ["memory:///clips/b/x.wav", "memory:///clips/y.ogg"]
