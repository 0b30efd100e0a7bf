"""Do the compiled packages fit together? ``python -m speechbrain_lmac.environment``."""

import importlib
import sys
from importlib.metadata import version

TRIO = ("torch", "torchvision", "torchaudio")


def clash():
    """What is wrong with torch, torchvision and torchaudio, as one sentence; None if nothing.

    The three are built against each other: mixed releases, or a CPU build of one beside a
    CUDA build of another, fail on import with messages that name a missing symbol or library.
    """
    for name in TRIO:
        try:
            importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            found = ", ".join(f"{other} {version(other)}" for other in TRIO)
            return (
                f"{name} does not load beside the others ({found}): {error}. Remove .venv and set "
                "up again, with all three from one index (make TORCH_INDEX=...) or none"
            )
    return None


if __name__ == "__main__":
    sys.exit(clash())
