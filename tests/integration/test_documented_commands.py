"""Every command that README, help texts and recipes show is one that runs."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
import soundfile
import speechbrain as sb
from hyperpyyaml import resolve_references

from speechbrain_lmac.__main__ import COMMANDS, OTHERS, main, parser
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.utils.config import read_settings

ROOT = Path(__file__).parents[2]
RUN = ("explain", "classify", "report", "baselines")
"""Commands that are run to their end; the arguments of others are read."""


def shown():
    """Command lines of README's blocks and of help texts, without prompts and comments."""
    text = (ROOT / "README.md").read_text()
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S))
    helps = [module.EXAMPLES for module in COMMANDS.values()]
    helps += [other.more for other in OTHERS.values()]
    for line in "\n".join([blocks, *helps]).replace("\\\n", " ").splitlines():
        found = re.match(
            r"\s*(?:\w+=\S+ )*((?:speechbrain-lmac|python) .*?)(?:\s{3,}|\s+#|$)", line
        )
        if found:
            yield found[1]


LINES = sorted(set(shown()))
OF_PACKAGE = [line for line in LINES if line.startswith("speechbrain-lmac ")]
OF_SCRIPTS = [line for line in LINES if line.startswith("python ")]


def words_of(line):
    """Arguments behind the program's name and what is set before it."""
    return shlex.split(line)[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The sounds and texts that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "clips").mkdir()
    (folder / "recordings").mkdir()
    wav = 0.5 * mixture("siren", "rain", seed=5, seconds=1.0).mixture
    for name in ("street.wav", "pet.wav", "clips/a.wav", "recordings/a.wav"):
        soundfile.write(folder / name, wav.numpy(), SAMPLE_RATE)
    soundfile.write(folder / "day.flac", wav.repeat(16).numpy(), SAMPLE_RATE)
    (folder / "species.txt").write_text("rain\na siren\n")
    return folder


def resolves(words):
    """Whether settings and their changes fit; SpeechBrain reads the command line."""
    file, _, overrides = sb.parse_arguments(words)
    return resolve_references(read_settings(file), overrides)


@pytest.mark.parametrize("line", OF_PACKAGE)
def test_command_shown_runs(line, folder, monkeypatch, capsys):
    """Short ones to their end, for the others the arguments and settings are right."""
    monkeypatch.chdir(folder)
    words = words_of(line)
    if words[0] in ("train", "evaluate"):
        assert resolves(words[1:])
    elif words[0] == "zero-shot":
        from speechbrain_lmac.evaluation import zero_shot

        assert zero_shot.parser().parse_args(words[1:])
    elif words[0] in RUN and (words[0] != "baselines" or "test1.html" in words):
        expanded = [p.name for w in words if w == "*.wav" for p in sorted(folder.glob(w))]
        words = [word for word in words if word != "*.wav"]
        assert main([words[0], *expanded, *words[1:]]) == 0
    elif words[0] in COMMANDS:
        assert parser().parse_args(words)
    else:
        assert words[0] in OTHERS


@pytest.mark.parametrize("line", OF_SCRIPTS)
def test_script_shown_takes_its_arguments(line, monkeypatch, capsys, tmp_path):
    """Scripts that need data say so, and nothing else."""
    words = words_of(line)
    assert (ROOT / words[0]).is_file()
    if words[0] in ("train.py", "evaluate.py"):
        monkeypatch.chdir(ROOT)
        assert resolves(words[1:])
        return
    if words[0].startswith("benchmarks/") or "--download" in words:
        return
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "error: no such" in said and "usage:" not in said
