"""Collections of half-second clips, and a pretrained interpreter."""

import pytest
import soundfile

from speechbrain_lmac import Interpreter
from speechbrain_lmac.bulk.rows import read_rows
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize

PROMPTS = ["this is the sound of siren", "this is the sound of rain", "this is the sound of dog"]
KINDS = ["siren", "rain", "engine"]


@pytest.fixture(scope="session")
def interpreter():
    return Interpreter.from_hparams(source="mini-stft", run_opts={"device": "cpu"})


def write_clip(path, kind="rain", seed=0, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, synthesize(kind, seed=seed, seconds=seconds).numpy(), SAMPLE_RATE)
    return path


def write_clips(folder, count, first=0):
    return [
        write_clip(folder / f"{i % 2}" / f"clip{i:02d}.wav", KINDS[i % len(KINDS)], seed=i)
        for i in range(first, first + count)
    ]


@pytest.fixture
def clips(tmp_path):
    write_clips(tmp_path / "clips", 7)
    return tmp_path / "clips"


def read_parts(output):
    """Return part name -> bytes."""
    return {path.name: path.read_bytes() for path in sorted((output / "parts").iterdir())}


def read_table(output):
    """Return the rows of all parts."""
    return [row for data in read_parts(output).values() for row in read_rows(data).to_pylist()]
