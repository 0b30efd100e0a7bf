"""The built wheel, installed in an empty folder and run without a network."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
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
def isolated(installed, tmp_path):
    """Environment with the installed package and without a network."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ
    }
    isolated = {"PYTHONPATH": str(installed), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    return {**inherited, **isolated, "HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}


@pytest.fixture
def run(isolated, tmp_path):
    """Run Python with the installed package in an empty folder; return the completed process."""
    empty = tmp_path / "empty"
    empty.mkdir()

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=empty,
            env=isolated,
            capture_output=True,
            text=True,
        )

    run.folder = empty
    return run


COMMANDS = """
import json, sys
import speechbrain_lmac
from speechbrain_lmac.__main__ import main
print(speechbrain_lmac.__file__)
for words in json.loads(sys.argv[1]):
    assert main(words) == 0
"""
"""Run several commands of the package, which is imported once; print where it is."""


QUICKER = ("--explain-above", "0", "--no-areas")
"""Options of a command that explains a prompt and looks for no areas."""


def test_wheel_explains_and_reports(run, installed):
    """A free-text prompt needs no download, and only the named outputs are written.

    The imported package is the installed one. The report has a prompt in the table of embeddings.
    """
    mixed = mixture("siren", "rain", seed=5, seconds=1.0)
    soundfile.write(run.folder / "my.wav", 0.5 * mixed.mixture.numpy(), SAMPLE_RATE)
    prompts = ["--prompt", "an ambulance that wails"]  # in no table of embeddings
    commands = [
        ["explain", "my.wav", *prompts, *QUICKER],
        ["report", "my.wav", "--prompt", "rain", "--no-areas"],
    ]
    done = run("-c", COMMANDS, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed))
    folder = run.folder / "explanations" / "my"
    assert soundfile.info(folder / "0-an-ambulance-that-wails-explanation.wav").duration == 1
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


def answer(address, host):
    """Status of a request for a host name; None while nobody listens."""
    request = urllib.request.Request(address, headers={"Host": host})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_space_starts_and_answers_to_its_name(isolated, tmp_path):
    """The files of the Space run with the wheel; other host names are refused."""
    shutil.copy(ROOT / "space" / "app.py", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name, address = "someone-sounds.hf.space", f"http://127.0.0.1:{port}/"
    environment = isolated | {"SPACE_HOST": name, "GRADIO_SERVER_PORT": str(port)}
    environment |= {"GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1"}
    log = tmp_path / "log.txt"
    with (
        log.open("w") as lines,
        subprocess.Popen(
            [sys.executable, "app.py"], cwd=tmp_path, env=environment, stdout=lines, stderr=lines
        ) as space,
    ):
        try:
            until = time.monotonic() + 120
            while answer(address, name) is None and time.monotonic() < until:
                assert space.poll() is None, log.read_text()
                time.sleep(0.5)
            assert answer(address, name) == 200, log.read_text()
            assert answer(address, "elsewhere.example") == 400
        finally:
            space.terminate()
