"""Memory of long recordings."""

import subprocess
import sys

import soundfile

from speechbrain_lmac.data.synthetic import synthesize

CODE = """
import os, resource, sys
from speechbrain_lmac import Interpreter
interpreter = Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})
for path in sys.argv[1:]:
    if not os.fork():
        interpreter.interpret_recording(path, ["siren"], "out")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""
"""Explain every file in a process of its own; print the peaks of their memory, in KiB."""


def test_memory_does_not_grow_with_the_length(tmp_path):
    """The peak of 120 s exceeds that of 20 s by less than 60 MiB."""
    paths = [tmp_path / f"{seconds}.wav" for seconds in (20, 120)]
    for path in paths:
        repeats = int(path.stem) // 20
        soundfile.write(path, synthesize("rain", 1, 20.0).repeat(repeats).numpy(), 32000)
    command = [sys.executable, "-c", CODE, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    peaks = [int(peak) / 1024 for peak in done.stdout.split()[-2:]]
    assert peaks[1] - peaks[0] < 60  # MiB; the longer file alone would take 15 as floats
