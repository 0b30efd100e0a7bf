"""Commands in the README and in help texts run."""

import os
import re
import runpy
import shlex
from pathlib import Path

import pytest
import soundfile
import speechbrain as sb
import typer
from hyperpyyaml import resolve_references

from speechbrain_lmac.__main__ import COMMANDS, app, main
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.models.backbones.efficientat import FILE
from speechbrain_lmac.utils.config import read_settings

ROOT = Path(__file__).parents[2]
RUN = ("explain", "classify", "report")
"""Commands that run completely. For other commands, only the arguments are parsed."""
DOWNLOADED = "efficientat-labels"
"""Interpreters whose classifier is downloaded. ``EFFICIENTAT_FOLDER`` names a folder with it."""
WEIGHTS = Path(os.environ.get("EFFICIENTAT_FOLDER", "no-weights")) / FILE


def documented_commands():
    """Yield the command lines in README's blocks and in help texts, without comments."""
    text = (ROOT / "README.md").read_text()
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S))
    examples = [module.EXAMPLES for module in COMMANDS.values()]
    for line in "\n".join([blocks, *examples]).replace("\\\n", " ").splitlines():
        match = re.match(
            r"\s*(?:\w+=\S+ )*((?:speechbrain-lmac|python) .*?)(?:\s{3,}|\s+#|$)", line
        )
        if match:
            yield match[1]


LINES = sorted(set(documented_commands()))
COMMAND_LINES = [line for line in LINES if line.startswith("speechbrain-lmac ")]
SCRIPT_LINES = [line for line in LINES if line.startswith("python ")]


def words_of(line):
    """Return the arguments after the program's name."""
    return shlex.split(line)[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the sounds and texts that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "clips").mkdir()
    (folder / "recordings").mkdir()
    wav = 0.5 * mixture("siren", "rain", seed=5, seconds=1.0).mixture
    for name in ("street.wav", "pet.wav", "clips/a.wav", "recordings/a.wav"):
        soundfile.write(folder / name, wav.numpy(), SAMPLE_RATE)
    soundfile.write(folder / "day.flac", wav.repeat(16).numpy(), SAMPLE_RATE)
    (folder / "job.yaml").write_text("sources: recordings\nprompt: rain\noutput: out\n")
    (folder / "species.txt").write_text("rain\na siren\n")
    return folder


def resolve(words):
    """Return the settings of a YAML file with its overrides, as SpeechBrain parses them."""
    file, _, overrides = sb.parse_arguments(words)
    return resolve_references(read_settings(file), overrides)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_command_shown_runs(line, folder, monkeypatch, capsys):
    """Quick commands run completely; for other commands, the arguments are parsed."""
    monkeypatch.chdir(folder)
    command, *words = words_of(line)
    if command in ("train", "evaluate") and "--on" not in words:
        assert resolve(words)
    elif command in RUN and (DOWNLOADED not in line or WEIGHTS.is_file()):
        monkeypatch.setenv("SPEECHBRAIN_LMAC_CACHE", str(WEIGHTS.parent))
        expanded = [p.name for w in words if w == "*.wav" for p in sorted(folder.glob(w))]
        words = [word for word in words if word != "*.wav"]
        assert main([command, *expanded, *words]) == 0
    else:
        parsed = typer.main.get_command(app).commands[command].make_context(command, words)
        assert parsed.params


@pytest.mark.parametrize("line", SCRIPT_LINES)
def test_script_shown_takes_its_arguments(line, monkeypatch, capsys, tmp_path):
    """A script without its data ends with one error, not with a usage message."""
    words = words_of(line)
    assert (ROOT / words[0]).is_file()
    if words[0] in ("train.py", "evaluate.py"):
        monkeypatch.chdir(ROOT)
        assert resolve(words[1:])
        return
    if words[0].startswith("benchmarks/") or "--download" in words:
        return
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "error: no such" in error and "usage:" not in error
