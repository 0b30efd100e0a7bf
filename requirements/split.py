"""Lock files as pip reads them: torch apart, and no markers where most lines have the same one."""

import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
MARKER = re.compile(r" ; .*?(?= \\$)", re.MULTILINE)
APART = re.compile("torch(vision|audio)?[=[]|triton|nvidia|cuda")
"""Torch and what comes with it, which another index has in other builds. Their dependencies are in
``dev.lock``."""


def entries(path):
    """Each package's lines, without the marker that most have."""
    text = Path(path).read_text(encoding="utf-8")
    for common, _ in Counter(MARKER.findall(text)).most_common(1):
        text = text.replace(common + " \\\n", " \\\n")
    return [entry for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if entry]


def main(everything, alone):
    """Write ``torch.lock`` and ``dev.lock``, all else: pip installs them at the same time."""
    torch = [entry for entry in entries(HERE / "torch.lock") if APART.match(entry)]
    rest = [entry for entry in entries(everything) if not APART.match(entry)]
    (HERE / "torch.lock").write_text("".join(torch), encoding="utf-8")
    (HERE / "dev.lock").write_text("".join([*rest, *entries(alone)]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
