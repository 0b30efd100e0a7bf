"""The built wheel, installed in an empty folder and run without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder with the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("speechbrain_lmac", "hparams"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True
    )
    return folder / "site"


@pytest.fixture
def run(installed, tmp_path):
    """Run Python with the installed package in an empty folder; return the completed process."""
    empty = tmp_path / "empty"
    empty.mkdir()
    inherited = {
        name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ
    }
    isolated = {"PYTHONPATH": str(installed), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    isolated |= {"HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=empty,
            env={**inherited, **isolated},
            capture_output=True,
            text=True,
        )

    run.folder = empty
    return run


def test_wheel_runs_installed_package(run, installed):
    """The imported package is the installed one."""
    done = run("-c", "import speechbrain_lmac; print(speechbrain_lmac.__file__)")
    assert done.stdout.startswith(str(installed))


def test_wheel_explains_and_reports(run):
    """A free-text prompt needs no download, and only the named outputs are written.

    The report has a prompt in the table of embeddings, which starts sooner.
    """
    mixed = mixture("siren", "rain", seed=5)
    soundfile.write(run.folder / "my.wav", 0.5 * mixed.mixture.numpy(), SAMPLE_RATE)
    prompts = ["--prompt", "an ambulance that wails"]  # in no table of embeddings
    done = run("-m", "speechbrain_lmac", "explain", "my.wav", *prompts, "--explain-above", "0")
    assert done.returncode == 0, done.stderr
    folder = run.folder / "explanations" / "my"
    assert soundfile.info(folder / "0-an-ambulance-that-wails-explanation.wav").duration == 5
    done = run("-m", "speechbrain_lmac", "report", "my.wav", "--prompt", "rain")
    assert done.returncode == 0, done.stderr
    assert "<audio" in (run.folder / "report.html").read_text()
    assert {path.name for path in run.folder.iterdir()} == {"my.wav", "explanations", "report.html"}


RUN_SCRIPT = """
import runpy, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Run a script as ``python script.py`` does, without the editable installation."""


def test_clone_ignores_installed_package(run, small_set):
    """``pip install .``, then README's ``python train.py hparams/lmac_zs.yaml`` in the clone."""
    words = ["--data_folder", small_set, "--batch_size", 64, "--output_folder", "out"]
    script, settings = ROOT / "train.py", ROOT / "hparams" / "lmac_zs.yaml"
    done = run("-c", RUN_SCRIPT, ROOT, script, settings, *words)
    assert "error: batch_size must be at most the number of training clips" in done.stderr, (
        done.stderr[-800:]
    )


def test_wheel_contains_data_files(installed):
    """All files of the package except code are in the wheel, and the settings of runs."""
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "speechbrain_lmac").rglob("*")}
    data = {name for name in files if not name.endswith((".py", ".pyc")) and Path(name).suffix}
    missing = [name for name in data if not (installed / name).exists()]
    assert not missing
    assert (installed / "speechbrain_lmac" / "hparams" / "lmac_zs.yaml").is_file()
