"""Measure the CPU time of ``speechbrain-lmac explain`` per clip, for several options side by side.

Usage: python benchmarks/explain_command.py FOLDER [--clips 40] [--rounds 3] [--prompt TEXT ...]

CPU time (user and system) of whole commands is measured: that of a command on all clips, minus that
of a command on the first clip, which contains the start-up, divided by the other clips. Options
take turns in each round, and medians are printed, also relative to the first options.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROMPTS = ("dog", "rain", "sea waves", "crying baby", "helicopter")
OPTIONS = {
    "figures": ["--figures", "all", "--no-areas"],
    "no figures": ["--figures", "none", "--no-areas"],
    "figures, areas": ["--figures", "all"],
    "no figures, areas": ["--figures", "none"],
    "all prompts, figures, areas": ["--figures", "all", "--explain-above", "0"],
}
"""Options that are compared, by name."""


def main() -> None:
    """Print the CPU time of a clip for each set of options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with sound files")
    parser.add_argument("--clips", type=int, default=40, help="files (default: 40)")
    parser.add_argument("--rounds", type=int, default=3, help="commands of each kind (default: 3)")
    parser.add_argument("--prompt", nargs="*", default=PROMPTS, help="prompts (default: five)")
    arguments = parser.parse_args()
    every = sorted(path for path in arguments.folder.iterdir() if path.is_file())
    step = max(1, len(every) // (arguments.clips + 1))
    files = [str(path) for path in every[::step][: arguments.clips + 1]]
    prompts = [text for prompt in arguments.prompt for text in ("--prompt", prompt)]
    times: dict[str, list[float]] = {name: [] for name in OPTIONS}
    for _ in range(arguments.rounds):
        for name, options in OPTIONS.items():
            start, total = (cpu_seconds([*f, *prompts, *options]) for f in (files[:1], files))
            times[name].append(1000 * (total - start) / (len(files) - 1))
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:30s} {median:7.0f} ms a clip {median / first:6.2f} x")


def cpu_seconds(arguments: list[str]) -> float:
    """Return the CPU time of a command on one thread, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        output = ["--output", str(Path(folder) / "out")]
        command = [sys.executable, "-m", "speechbrain_lmac", "explain", *arguments, *output]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the command failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
