"""What the user has is never replaced, removed or mixed; what we wrote is, as a whole."""

import json
import os
import signal
import stat
import threading
import zipfile
from pathlib import Path

import pytest
import soundfile
import torch

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.audio.io import save_audio
from speechbrain_lmac.audio.streaming_writer import StreamingWavWriter
from speechbrain_lmac.cli import explain
from speechbrain_lmac.cli.batch import for_each
from speechbrain_lmac.cli.command import unwind_on_signals
from speechbrain_lmac.cli.files import take_folder
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.archives import Archive, obtain
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prepare import prepare_manifest
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.evaluation.zero_shot import ready_folder
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.reports.annotations import Region, update_csv
from speechbrain_lmac.reports.page import check_page, write_page
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write, file_sha256, write_text
from speechbrain_lmac.utils.ownership import owned_file
from speechbrain_lmac.utils.run_metadata import lock_output_folder

MINE = "the user's"
RAVEN_TABLE = "original.Table.1.selections.txt"
NAMES = ("figure.png", "scores.json", "regions.csv", "activity.csv", RAVEN_TABLE)
WAVS = ("original.wav", "0-siren-explanation.wav", "0-siren-residual.wav")
PAGE = '<html><head>\n<meta name="generator" content="speechbrain-lmac 0.1.0">\n</head></html>'


def timeline(value=0.9, steps=20):
    return Timeline(
        prompts=("dog",),
        probability=torch.full((1, steps), value),
        masked_in_fraction=torch.ones(1, steps),
        bands=torch.ones(1, 2, steps),
        duration=steps / 10,
        spectrogram=torch.ones(4, 4),
        sample_rate=32000,
    )


def refused(*words):
    """A command ends with status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, words)))
    assert stopped.value.code == 2


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# Writers


def test_two_writers_never_mix_one_file(tmp_path):
    with atomic_write(tmp_path / "a") as first, atomic_write(tmp_path / "a") as second:
        first.write_text("1" * 9)
        second.write_text("2" * 5)
    assert contents(tmp_path) == {"a": b"1" * 9}


def test_a_sound_is_owned(tmp_path, monkeypatch):
    """A sound that may lie among the user's files is written and replaced as ours."""
    monkeypatch.chdir(tmp_path)
    save_audio(Path("a.wav"), torch.full((100,), 0.25), 8000, writer=owned_file)
    assert soundfile.info("a.wav").frames == 100
    save_audio(Path("a.wav"), torch.full((50,), 0.25), 8000, writer=owned_file)
    assert soundfile.info("a.wav").frames == 50


def test_two_spools_never_mix_one_sound(tmp_path):
    path = tmp_path / "a.wav"
    with StreamingWavWriter([path], 8000) as first:
        with StreamingWavWriter([path], 8000) as second:
            first.write(torch.full((1, 100), 0.25))
            second.write(torch.full((1, 50), 0.5))
            first.write(torch.full((1, 100), 0.25))
        assert (soundfile.read(path)[0] == 0.5).all() and soundfile.info(path).frames == 50
    assert (soundfile.read(path)[0] == 0.25).all() and soundfile.info(path).frames == 200
    assert [held.name for held in tmp_path.iterdir()] == ["a.wav"]


def test_whole_leaves_a_partial_of_the_user(tmp_path):
    (tmp_path / "a.partial").write_text(MINE)
    write_text(tmp_path / "a", "x")
    assert contents(tmp_path) == {"a": b"x", "a.partial": MINE.encode()}


def test_whole_has_the_mode_of_open(tmp_path):
    """Of a new file as the umask says; of one that is there as it was."""
    before = os.umask(0o027)
    try:
        path = write_text(tmp_path / "a", "x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        assert stat.S_IMODE(write_text(path, "y").stat().st_mode) == 0o604
    finally:
        os.umask(before)


def test_whole_writes_where_a_link_points(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "there" / "b")
    write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "there" / "b").read_text() == "x"


def test_whole_replaces_no_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="got a device or pipe"):
        write_text(tmp_path / "pipe", "x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_sweep_removes_what_the_dead_left(tmp_path):
    """And nothing that is being written, by another process."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            with atomic_write(tmp_path / "a"):
                os.write(ready[1], b"x")
                os.read(go[0], 1)
            os._exit(0)
        children.append(child)
        os.read(ready[0], 1)
    assert len(list(tmp_path.iterdir())) == 2
    os.kill(children[0], signal.SIGKILL)
    os.waitpid(children[0], 0)
    write_text(tmp_path / "b", "x")
    assert len(list(tmp_path.glob(".speechbrain-lmac-*"))) == 1
    os.write(go[1], b"x")
    os.waitpid(children[1], 0)
    assert sorted(contents(tmp_path)) == ["a", "b"]


# Explanations


@pytest.mark.parametrize("name", NAMES)
def test_save_leaves_a_file_of_the_user(tmp_path, name):
    (tmp_path / name).write_text(MINE)
    with pytest.raises(InputError, match=r"was not written by .*: it is left alone"):
        timeline().save(tmp_path)
    assert contents(tmp_path) == {name: MINE.encode()}


@pytest.mark.parametrize("name", ["scores.json", "activity.csv"])
def test_save_leaves_a_file_that_was_edited(tmp_path, name):
    timeline().save(tmp_path)
    (tmp_path / name).write_text(MINE)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="or has changed since"):
        timeline(0.8).save(tmp_path)
    assert contents(tmp_path) == before


def test_save_replaces_its_own(tmp_path):
    (tmp_path / "mine.txt").write_text(MINE)
    timeline(0.8).save(tmp_path)
    timeline(0.9).save(tmp_path)
    held = contents(tmp_path)
    assert json.loads(held["scores.json"])["prompts"][0]["activity"] == pytest.approx(0.9)
    timeline(0.9).save(tmp_path / "new")
    new = contents(tmp_path / "new")
    assert new | {"mine.txt": MINE.encode()} == held


def test_a_strangers_ledger_removes_nothing(tmp_path):
    """A folder that came with a list of files elsewhere."""
    folder, mine = tmp_path / "why", tmp_path / "mine"
    (folder / "below").mkdir(parents=True)
    for path in (mine, folder / "below" / "mine"):
        path.write_text(MINE)
    timeline(0.8).save(folder)
    held = json.loads((folder / ".speechbrain-lmac.json").read_text())
    for name in ("../mine", str(mine), "below/../../mine", "below/mine"):
        held["files"][name] = [file_sha256(mine)]
    (folder / ".speechbrain-lmac.json").write_text(json.dumps(held))
    timeline(0.9).save(folder)
    assert mine.read_text() == (folder / "below" / "mine").read_text() == MINE


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_save_leaves_what_is_no_file(tmp_path, kind):
    (tmp_path / "mine").write_text(MINE)
    path = tmp_path / "figure.png"
    path.symlink_to(tmp_path / "mine") if kind == "link" else path.mkdir()
    with pytest.raises(InputError, match="left alone"):
        timeline().save(tmp_path)
    assert (tmp_path / "mine").read_text() == MINE and path.is_symlink() == (kind == "link")


def test_save_refuses_to_replace_its_input(tmp_path):
    """A file that we wrote, too: it is what is explained."""
    timeline().save(tmp_path)
    path = tmp_path / "figure.png"
    os.link(path, tmp_path / "other name")
    again = Timeline(**{**vars(timeline()), "file": str(tmp_path / "other name")})
    with pytest.raises(InputError, match="must not be the input"):
        again.save(tmp_path)


@pytest.fixture
def recording(tmp_path):
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "rec.wav"
    soundfile.write(path, synthesize("siren", seed=1, seconds=0.5).numpy(), SAMPLE_RATE)
    return path


@pytest.fixture
def no_work(monkeypatch):
    """A command that is refused comes to no interpreter."""

    def load(*options):
        raise AssertionError("an interpreter is loaded")

    for name in ("explain", "report", "compare"):
        monkeypatch.setattr(f"speechbrain_lmac.cli.{name}.load_interpreter", load)


@pytest.mark.parametrize("name", [*NAMES, *WAVS])
def test_explain_leaves_a_file_of_the_user(recording, no_work, name):
    name = name.replace("original.Table", "rec.Table")
    folder = recording.parents[1] / "why" / "rec"
    folder.mkdir(parents=True)
    (folder / name).write_text(MINE)
    refused("explain", recording, "--prompt", "siren", "--output", folder.parent)
    assert contents(folder) == {name: MINE.encode()}


@pytest.mark.parametrize("name", ["regions.csv", "rec"])
def test_explain_leaves_a_file_beside(recording, no_work, name):
    """The common table, and a file that has the folder's name."""
    out = recording.parents[1] / "why"
    out.mkdir()
    (out / name).write_text(MINE)
    refused("explain", recording, "--prompt", "siren", "--output", out)
    assert contents(out) == {name: MINE.encode()}


def test_one_folder_is_of_one_file(tmp_path):
    """However many processes ask at once."""
    cards = [str(tmp_path / card / "rec.wav") for card in "abcd"]
    found = []
    threads = [
        threading.Thread(
            target=lambda f=file: found.append(take_folder(f, tmp_path / "why", set()))
        )
        for file in cards
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 4
    assert take_folder(cards[0], tmp_path / "why", set()) in found


def test_rows_of_another_card_stay(tmp_path):
    region = Region("dog", 0.0, 1.0, 100.0, 200.0, 0.9)
    for card in ("/a/rec.wav", "/b/rec.wav", "/b/rec.wav"):
        update_csv(tmp_path / "regions.csv", {card: [region]})
    rows = (tmp_path / "regions.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["/a/rec.wav", "/b/rec.wav"]


def test_a_table_that_was_edited_stays(tmp_path):
    path = tmp_path / "regions.csv"
    update_csv(path, {"/a.wav": []})
    path.write_text(path.read_text() + "/a.wav,my own row\n")
    before = path.read_bytes()
    with pytest.raises(InputError, match="has changed since"):
        update_csv(path, {"/a.wav": []})
    assert path.read_bytes() == before


def test_tables_of_a_batch_grow_by_file(recording, monkeypatch, tmp_path):
    """What comes after a file finds its rows."""
    other = recording.with_name("rec.flac")
    soundfile.write(other, *soundfile.read(recording))
    seen, real = [], explain.explain

    def watched(*given):
        table = tmp_path / "why" / "regions.csv"
        seen.append(table.read_text() if table.exists() else "")
        return real(*given)

    monkeypatch.setattr(explain, "explain", watched)
    words = ["--prompt", "siren", "--output", str(tmp_path / "why"), "--source", "mini-mel"]
    monkeypatch.chdir(recording.parent)
    assert main(["explain", "rec.wav", str(other), *words]) == 0
    assert seen[0] == "" and str(recording.resolve()) in seen[1] and str(other) not in seen[1]
    scores = json.loads((tmp_path / "why" / "rec" / "scores.json").read_text())
    assert scores["file"] == str(recording.resolve())


def test_times_are_in_double_precision(tmp_path):
    """Twelve hours in steps of .1 s."""
    long = timeline(steps=432_000)
    assert long.seconds.tolist() == [k * 0.1 for k in range(432_000)]


# Pages


@pytest.mark.parametrize("command", ["report", "compare"])
@pytest.mark.parametrize("kind", ["itself", "hard link", "link"])
def test_an_output_is_no_input(recording, no_work, command, kind, capsys):
    path = recording if kind == "itself" else recording.with_name("page.html")
    if kind != "itself":
        path.symlink_to(recording) if kind == "link" else os.link(recording, path)
    before = recording.read_bytes()
    refused(command, recording, "--prompt", "siren", "--output", path)
    assert "must not be the input" in capsys.readouterr().err
    assert recording.read_bytes() == before


@pytest.mark.parametrize("command", ["report", "compare"])
def test_a_page_leaves_a_file_of_the_user(recording, no_work, command, capsys):
    path = recording.with_name("page.html")
    path.write_text("<html>mine</html>")
    refused(command, recording, "--prompt", "siren", "--output", path)
    assert "must be an unchanged page of speechbrain-lmac" in capsys.readouterr().err
    assert path.read_text() == "<html>mine</html>"


def test_a_page_replaces_an_earlier_one(tmp_path):
    """Also one of a version without checksums; not one that was edited."""
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    write_page(path, PAGE)
    write_page(path, PAGE.replace("</html>", "<p>2</p></html>"))
    assert "<p>2</p>" in path.read_text()
    path.write_text(path.read_text().replace("<p>2</p>", "<p>my notes</p>"))
    with pytest.raises(InputError, match="must be an unchanged page"):
        check_page(path)


# Data and results


def test_prepare_leaves_a_manifest_of_the_user(small_set, tmp_path):
    """With the very columns of ours."""
    clips = read_clips(small_set)[:2]
    path = tmp_path / "own.csv"
    manifest.write(path, clips)
    before = path.read_bytes()
    with pytest.raises(InputError, match="left alone"):
        prepare_manifest(clips, path)
    assert path.read_bytes() == before
    prepare_manifest(clips, tmp_path / "ours.csv")
    assert len(prepare_manifest(clips[:1], tmp_path / "ours.csv")) == 1


def test_a_set_leaves_a_folder_of_the_user(tmp_path):
    (tmp_path / "set.partial").mkdir()
    (tmp_path / "set.partial" / "mine").write_text(MINE)
    write_dataset(tmp_path / "set", clips_per_fold=1, folds=1, seconds=0.1)
    assert (tmp_path / "set.partial" / "mine").read_text() == MINE


def test_obtain_leaves_an_archive_of_the_user(tmp_path):
    (tmp_path / "served").mkdir()
    served = tmp_path / "served" / "set.zip"
    with zipfile.ZipFile(served, "w") as made:
        made.writestr("set-1/meta/a.csv", "a")
    a_set = Archive("a set", served.as_uri(), "0" * 64, "set-1", "meta", "CC0")
    own = tmp_path / "set-set.zip"
    own.write_text(MINE)
    with pytest.raises(InputError, match="left alone"):
        obtain(a_set, tmp_path / "set")
    assert own.read_text() == MINE
    own.write_bytes(served.read_bytes())
    obtain(a_set._replace(sha256=None), tmp_path / "set")
    assert own.read_bytes() == served.read_bytes()


@pytest.mark.parametrize("name", ["metrics.csv", "results.md", "results.csv.gz"])
def test_a_run_leaves_files_of_the_user(tmp_path, name):
    (tmp_path / name).write_text(MINE)
    with pytest.raises(InputError, match="Give another --output_folder"):
        lock_output_folder(tmp_path, {})
    assert contents(tmp_path) == {name: MINE.encode()}


def test_zero_shot_leaves_a_file_of_the_user(tmp_path):
    (tmp_path / "report.md").write_text(MINE)
    with pytest.raises(InputError, match="left alone"):
        ready_folder(tmp_path)


# Ends


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_unwind(name, monkeypatch):
    number = getattr(signal, name)
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(number, signal.SIG_DFL)  # whatever runs the tests may ignore it
        unwind_on_signals()
        with pytest.raises(SystemExit) as stopped:
            os.kill(os.getpid(), number)
        assert stopped.value.code == 128 + number
        signal.signal(number, signal.SIG_IGN)  # as nohup does
        unwind_on_signals()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


OUT_OF_MEMORY = (
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("std::bad_alloc"),
    OSError(12, "Cannot allocate memory"),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_memory_is_one_files_error(error, capsys):
    def work(file, place):
        if place == 0:
            raise error
        return {"file": file}, [f"{file} done"]

    assert for_each(["a.wav", "b.wav"], work, as_json=False) == 1
    said = capsys.readouterr()
    assert "a.wav: memory ran out" in said.err and said.out == "b.wav done\n"


def test_other_errors_end_a_batch():
    def work(file, place):
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        for_each(["a.wav"], work, as_json=False)
