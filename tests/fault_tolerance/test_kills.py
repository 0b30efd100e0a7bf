"""kill -9 at every file operation: the same command then ends as if nothing had happened."""

import contextlib
import os
import shutil
import sys
import zipfile
from functools import partial

import pytest
import soundfile
import torch

from recipes.Contamination import prepare as contamination
from recipes.ESC50 import prepare as esc50
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.cli import compare, explain, report
from speechbrain_lmac.data.archives import Archive, obtain
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.publishing.repository import write_repository
from speechbrain_lmac.reports import plots
from speechbrain_lmac.utils import folders
from speechbrain_lmac.utils.files import atomic_write, file_sha256
from tests.helpers.killing import KillTest, check_complete, is_auxiliary
from tests.helpers.runs import finished_run

KILLS = os.environ.get("SPEECHBRAIN_LMAC_KILLS", "4")
"""Of each slow command, evenly over its file operations; ``all`` kills at every one, in about ten
minutes. Exports, manifests, plans and archives are always killed at every one.
"""


def kill(scene, quick=False):
    """Kill at every point where the work is quick or all are asked for, else at some."""
    some = scene.points if quick or KILLS == "all" else min(int(KILLS), scene.points)
    points = {round((i + 0.5) * scene.points / some - 0.5) for i in range(some)}
    killed = sum(scene.kill(point) for point in sorted(points))
    sys.stdout.write(f"{killed} killed of {len(points)}; {scene.points} points\n")
    assert killed


@pytest.fixture(scope="module")
def remembered():
    """One interpreter for every run; what it finds and draws is kept in memory, so that a run is
    quick. All that is written is written by the real code.
    """
    loaded, drawn = Interpreter.from_hparams(source="mini-mel"), {}
    with pytest.MonkeyPatch.context() as patch:
        for command in (explain, report, compare):
            patch.setattr(command, "load_interpreter", lambda *options: loaded)
        patch.setattr(loaded, "interpret", kept(loaded.interpret))
        patch.setattr(loaded, "interpret_file", kept(loaded.interpret_file))
        for name in ("draw_interpretation", "draw_timeline"):
            patch.setattr(plots, name, partial(draw, getattr(plots, name), drawn))
        yield loaded


def kept(call):
    """A method whose results are remembered, of short sounds."""
    found = {}

    def remembering(sound, prompts, *more, **options):
        if options.get("save_to"):
            return call(sound, prompts, *more, **options)
        name = getattr(sound, "path", sound)
        key = (name if isinstance(name, str) else sound.numpy().tobytes(), *prompts, *more)
        if key not in found:
            found[key] = call(sound, prompts, *more, **options)
        return found[key]

    return remembering


def draw(call, drawn, shown, path, *more):
    """A figure as it was drawn the first time."""
    key = (call, shown.file, *shown.prompts)
    if key not in drawn:
        call(shown, path, *more)
        drawn[key] = path.read_bytes()
    with atomic_write(path) as partial:
        partial.write_bytes(drawn[key])


def sounds(folder, seconds=0.5):
    """Two inputs, and what the user has in the folders that are written to."""
    for name, kind in (("a", "siren"), ("b", "rain")):
        (folder / name).mkdir()
        sound = synthesize(kind, seed=1, seconds=seconds)
        soundfile.write(folder / name / "rec.wav", sound.numpy(), SAMPLE_RATE)
    for name in ("why", "why/rec", "why/rec-2"):
        (folder / name).mkdir()
        (folder / name / "mine.txt").write_text("keep me")
        (folder / name / "0-mine-explanation.wav").write_text("keep me")
        (folder / name / "figure.png.partial").write_text("keep me")


def explained(folder, prompt, *files, output="why"):
    paths = [str(folder / name / "rec.wav") for name in files]
    assert main(["explain", *paths, "--prompt", prompt, "--output", str(folder / output)]) == 0


def explaining(folder, *files, seconds=0.5, before=()):
    """A scene: earlier explanations, and others in their place."""

    def build(folder):
        sounds(folder, seconds)
        explained(folder, "siren", *files, output="../elsewhere")  # to be remembered
        for prompt in before:
            explained(folder, prompt, *files)

    return KillTest(folder, build, partial(explained, folder, "siren", *files), check_explained)


def check_explained(left, before, after):
    """Scores stand beside the sounds that they are of; the common table has whole rows."""
    table = "why/regions.csv"
    rows = [(tree.get(table) or b"").splitlines(keepends=True) for tree in (before, after)]
    assert set((left.pop(table, b"")).splitlines(keepends=True)) <= {*rows[0], *rows[1]}
    check_complete(left, before, after)
    for name in [name for name in left if name.endswith("scores.json")]:
        folder = name.removesuffix("scores.json")
        whole_one = before if left[name] == before.get(name) else after
        for file, held in whole_one.items():
            if file.startswith(folder) and not is_auxiliary(file):
                assert left.get(file) == held, f"{file} is not of {name}"


def test_kill_explain_of_two_files(remembered, tmp_path):
    """Of one name: each has its own folder and rows."""
    kill(explaining(tmp_path / "s", "a", "b"))


def test_kill_explain_again(remembered, tmp_path):
    """Another prompt over an earlier explanation."""
    kill(explaining(tmp_path / "s", "a", before=["rain"]))


def test_kill_explain_in_windows(remembered, tmp_path):
    kill(explaining(tmp_path / "s", "a", seconds=15.5, before=["rain"]))


def timeline(value):
    steps = torch.full((1, 20), value)
    bands = torch.ones(1, 2, 20)
    return Timeline(("dog",), steps, torch.ones(1, 20), bands, 2.0, torch.ones(4, 4), 32000)


def test_kill_tables(tmp_path):
    """Every point of what all explanations are written by."""

    def build(folder):
        (folder / "mine.csv").write_text("keep me")
        timeline(0.3).save_tables(folder)

    work = partial(timeline(0.9).save_tables, tmp_path / "s")
    kill(KillTest(tmp_path / "s", build, work, check_complete))


def reported(folder, prompt):
    words = [str(folder / "a" / "rec.wav"), "--output", str(folder / "page.html")]
    assert main(["report", *words, "--prompt", prompt]) == 0


def test_kill_report(remembered, tmp_path):
    def build(folder):
        sounds(folder)
        (folder / "page.html.partial").write_text("keep me")
        reported(folder, "rain")

    kill(
        KillTest(tmp_path / "s", build, partial(reported, tmp_path / "s", "siren"), check_complete)
    )


def compared(folder):
    words = [str(folder / "a" / "rec.wav"), "--output", str(folder / "page.html"), "--blind"]
    words += ["--methods", "energy", "random", "--seed", "1"]
    done = (folder / "page.key.json").exists()  # with its page, see check_key: no key is replaced
    with pytest.raises(SystemExit) if done else contextlib.nullcontext():
        assert main(["compare", *words, "--prompt", "siren"]) == 0


def check_key(left, before, after):
    """A key stands beside its page."""
    check_complete(left, before, after)
    assert "page.key.json" not in left or left["page.html"] == after["page.html"]


def test_kill_compare(remembered, tmp_path):
    kill(KillTest(tmp_path / "s", sounds, partial(compared, tmp_path / "s"), check_key))


@pytest.fixture(scope="module")
def models(clap):
    """Two untrained decoders: for plumbing only."""
    return [
        InterpreterNetwork(
            MaskedClassifier(MelDomain(clap)),
            MaskDecoder(clap.hidden_channels, clap.query_dim, channels=channels),
        )
        for channels in (4, 8)
    ]


def check_folder(name, left, before, after):
    """The whole of a folder is there at any time, the earlier one or the new one."""
    check_complete(left, before, after)
    held = [
        {path: kept for path, kept in tree.items() if path.startswith(name)}
        for tree in (left, before, after)
    ]
    assert held[0] in held[1:]


@pytest.mark.parametrize("at_once", [True, False])
def test_kill_export(models, tmp_path, monkeypatch, at_once):
    """Where two folders can change places at once, and where they cannot."""

    def build(folder):
        (folder / "it.partial").mkdir()
        (folder / "it.partial" / "mine.txt").write_text("keep me")
        export_interpreter(models[0], "LMAC-ZS", folder / "it")

    if not at_once:
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    work = partial(export_interpreter, models[1], "LMAC-ZS", tmp_path / "s" / "it")
    check = partial(check_folder, "it/") if at_once else check_complete
    kill(KillTest(tmp_path / "s", build, work, check), quick=True)


def test_kill_publish(models, small_set, tmp_path):
    results = finished_run(tmp_path / "results", models[0], small_set)

    def publish(folder, repo="me/maps"):
        write_repository(results, repo, folder / "hub")

    work = partial(publish, tmp_path / "s")
    build = partial(publish, repo="me/earlier")
    kill(KillTest(tmp_path / "s", build, work, partial(check_folder, "hub/")))


def called(module, *words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["prepare.py", *map(str, words)])
        module.main()


def planned(small_set, folder, seed):
    words = ["--data_folder", small_set, "--kind", "white_noise", "--seed", seed]
    called(contamination, folder / "plan.csv", *words)


def test_kill_prepare_a_plan(small_set, tmp_path):
    work = partial(planned, small_set, tmp_path / "s", 2)
    build = partial(planned, small_set, seed=1)
    kill(KillTest(tmp_path / "s", build, work, check_complete), quick=True)


def test_kill_prepare_a_manifest(small_set, tmp_path):
    def build(folder):
        (folder / "set.csv.partial").write_text("keep me")

    work = partial(called, esc50, small_set, "--manifest", tmp_path / "s" / "set.csv")
    kill(KillTest(tmp_path / "s", build, work, check_complete), quick=True)


FETCHED = "fetched"


@pytest.mark.parametrize("archive", ["given", FETCHED])
def test_kill_obtain(tmp_path, archive):
    """An archive that the user has put there stays; one that was fetched goes."""
    served = tmp_path / "set.zip"
    with zipfile.ZipFile(served, "w") as made:
        for name in ("a", "b"):
            made.writestr(f"set-1/meta/{name}.csv", name)
    a_set = Archive("a set", served.as_uri(), file_sha256(served), "set-1", "meta", "CC0")

    def build(folder):
        (folder / "set.partial").mkdir()
        (folder / "set.partial" / "mine.txt").write_text("keep me")
        if archive != FETCHED:
            shutil.copy(served, folder / "set-set.zip")

    scene = KillTest(
        tmp_path / "s", build, partial(obtain, a_set, tmp_path / "s" / "set"), check_set
    )
    assert ("set-set.zip" in scene.after) == (archive != FETCHED)
    kill(scene, quick=True)


ETAG = "set-set.zip.partial.etag"
"""What says whether the server still has the file that began to arrive."""


def check_set(left, before, after):
    """The set is there whole or not at all; a download goes on beside it."""
    for name in ("set-set.zip", "set-set.zip.partial", "set-set.zip.lock", ETAG):
        left.pop(name, None)
    check_complete(left, before, after)
    held = {name for name in left if name.startswith("set/")}
    assert held in (set(), {name for name in after if name.startswith("set/")})
