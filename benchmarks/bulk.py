"""CPU time per clip of explain-many, in one thread: python benchmarks/bulk.py FOLDER [CLIPS].

Prints milliseconds of CPU per clip for the classification alone and for hits of 50 prompts, after
the interpreter is loaded and a first unit is done. Then it prints the CPU time and memory of a plan
of a million files, and of the state of a job with 100 000 units. No sound of theirs exists.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from speechbrain_lmac import Interpreter, explain_dataset
from speechbrain_lmac.audio.files import find_audio_files
from speechbrain_lmac.data.labels import ESC50_CLASSES

MODES = {"classification": {"explain_above": None}, "hits": {}, "hits, scores": {"scores": True}}


PLAN = """
import re, sys, time
from pathlib import Path
from speechbrain_lmac.bulk.manifest import Manifest, plan
from speechbrain_lmac.bulk.store import LocalStore
store, begin = LocalStore(sys.argv[1]), time.process_time()
if len(sys.argv) > 2:
    plan(store, [sys.argv[2]], int(sys.argv[3]) or None)
units = len(Manifest(store).unit_sizes())
memory = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e3
print(f"{units} units, {time.process_time() - begin:.1f} s CPU, peak memory {memory:.0f} MB")
"""
"""Plan a list of files, or read the state of a plan. (``ru_maxrss`` would be the parent's.)"""


def measure_plans(folder):
    for files, unit_files in ((1_000_000, 0), (100_000, 1)):
        listed, output = f"{folder}/{files}.csv", f"{folder}/{files}"
        with open(listed, "w") as file:
            file.write("file\n")
            file.writelines(f"/archive/{i % 40:02d}/recording_{i:09d}.wav\n" for i in range(files))
        for name, words in (("plan", [output, listed, str(unit_files)]), ("state", [output])):
            print(f"{name} of {files} files:", end=" ", flush=True)
            subprocess.run([sys.executable, "-c", PLAN, *words], check=True)


def main(folder, count=200):
    files = [str(path) for path in find_audio_files(folder)[0]][:: max(1, 400 // count)][:count]
    interpreter = Interpreter.from_hparams(source="mini-stft")
    prompts = [interpreter.audio_classifier.question(n.replace("_", " ")) for n in ESC50_CLASSES]
    with tempfile.TemporaryDirectory() as output:
        for name, options in MODES.items():
            for part, chosen in (("warm", files[:8]), (name, files)):
                before = time.process_time()
                result = explain_dataset(
                    chosen,
                    prompts,
                    f"{output}/{name}-{part}",
                    interpreter=interpreter,
                    progress=False,
                    **options,
                )
                spent = time.process_time() - before
            parts = list(Path(result.output).glob("parts/*.parquet"))
            size = sum(path.stat().st_size for path in parts) / len(files)
            print(f"{name}: {1000 * spent / len(files):.1f} ms CPU and {size:.0f} bytes per clip")
        measure_plans(output)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
