"""CPU time per clip of explain-many, in one thread: python benchmarks/bulk.py FOLDER [CLIPS].

Prints milliseconds of CPU per clip for the classification alone and for hits of 50 prompts, after
the interpreter is loaded and a first unit is done.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from speechbrain_lmac import Interpreter, explain_dataset
from speechbrain_lmac.audio.files import find_audio_files
from speechbrain_lmac.data.labels import ESC50_CLASSES

MODES = {"classification": {"explain_above": None}, "hits": {}, "hits, scores": {"scores": True}}


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
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
