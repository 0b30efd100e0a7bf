"""kill -9 of export, publish and data preparation at file operations: they then complete."""

import shutil
import sys
import zipfile
from functools import partial

import pytest

from recipes.Contamination import prepare as contamination
from recipes.ESC50 import prepare as esc50
from speechbrain_lmac.data.archives import Archive, obtain
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.publishing.repository import write_repository
from speechbrain_lmac.utils import folders
from speechbrain_lmac.utils.files import file_sha256
from tests.helpers.killing import KillTest, check_complete, kill_at_points
from tests.helpers.runs import finished_run

pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def models(clap):
    """Two untrained decoders, for plumbing only."""
    return [
        InterpreterNetwork(
            MaskedClassifier(MelDomain(clap)),
            MaskDecoder(clap.hidden_channels, clap.query_dim, channels=channels),
        )
        for channels in (4, 8)
    ]


def check_folder(name, remaining, before, after):
    """Check that a folder is complete, either the earlier or the new one."""
    check_complete(remaining, before, after)
    contents = [
        {path: content for path, content in tree.items() if path.startswith(name)}
        for tree in (remaining, before, after)
    ]
    assert contents[0] in contents[1:]


@pytest.mark.parametrize("exchange", [True, False])
def test_kill_export(models, tmp_path, monkeypatch, exchange):
    """Export with and without the atomic exchange of two folders."""

    def build(folder):
        (folder / "it.partial").mkdir()
        (folder / "it.partial" / "mine.txt").write_text("keep me")
        export_interpreter(models[0], "LMAC-ZS", folder / "it")

    if not exchange:
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    work = partial(export_interpreter, models[1], "LMAC-ZS", tmp_path / "s" / "it")
    check = partial(check_folder, "it/") if exchange else check_complete
    kill_at_points(KillTest(tmp_path / "s", build, work, check), quick=True)


def test_kill_publish(models, small_set, tmp_path):
    """A repository replaces an earlier repository."""
    results = finished_run(tmp_path / "results", models[0], small_set)

    def publish(folder, repo="me/maps"):
        write_repository(results, repo, folder / "hub")

    work = partial(publish, tmp_path / "s")
    build = partial(publish, repo="me/earlier")
    kill_at_points(KillTest(tmp_path / "s", build, work, partial(check_folder, "hub/")))


def run_script(module, *words):
    """Run a recipe's prepare.py in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["prepare.py", *map(str, words)])
        module.main()


def write_plan(small_set, folder, seed):
    """Write a plan of contaminated clips."""
    words = ["--data_folder", small_set, "--kind", "white_noise", "--seed", seed]
    run_script(contamination, folder / "plan.csv", *words)


def test_kill_prepare_contamination_plan(small_set, tmp_path):
    """A plan replaces an earlier plan."""
    work = partial(write_plan, small_set, tmp_path / "s", 2)
    build = partial(write_plan, small_set, seed=1)
    kill_at_points(KillTest(tmp_path / "s", build, work, check_complete), quick=True)


def test_kill_prepare_manifest(small_set, tmp_path):
    """A manifest is written next to a partial file of the user."""

    def build(folder):
        (folder / "set.csv.partial").write_text("keep me")

    work = partial(run_script, esc50, small_set, "--manifest", tmp_path / "s" / "set.csv")
    kill_at_points(KillTest(tmp_path / "s", build, work, check_complete), quick=True)


DOWNLOADED = "downloaded"


@pytest.mark.parametrize("archive", ["given", DOWNLOADED])
def test_kill_obtain(tmp_path, archive):
    """An archive of the user remains; a downloaded archive is removed."""
    served = tmp_path / "set.zip"
    with zipfile.ZipFile(served, "w") as zipped:
        for name in ("a", "b"):
            zipped.writestr(f"set-1/meta/{name}.csv", name)
    a_set = Archive("a set", served.as_uri(), file_sha256(served), "set-1", "meta", "CC0")

    def build(folder):
        (folder / "set.partial").mkdir()
        (folder / "set.partial" / "mine.txt").write_text("keep me")
        if archive != DOWNLOADED:
            shutil.copy(served, folder / "set-set.zip")

    work = partial(obtain, a_set, tmp_path / "s" / "set")
    test = KillTest(tmp_path / "s", build, work, check_set)
    assert ("set-set.zip" in test.after) == (archive != DOWNLOADED)
    kill_at_points(test, quick=True)


ETAG = "set-set.zip.partial.etag"
"""File that identifies the version of a partial download."""


def check_set(remaining, before, after):
    """Check that the set is complete or missing; its download may be partial."""
    for name in ("set-set.zip", "set-set.zip.partial", "set-set.zip.lock", ETAG):
        remaining.pop(name, None)
    check_complete(remaining, before, after)
    names = {name for name in remaining if name.startswith("set/")}
    assert names in (set(), {name for name in after if name.startswith("set/")})
