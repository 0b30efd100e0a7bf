"""Where audio is: local paths, files of the Hugging Face Hub, and streams."""

import io
from pathlib import Path
from typing import Any

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_file

HUB = "hf://"
"""Prefix of a file on the Hub: ``hf://user/name/path`` in a model repository,
``hf://datasets/user/name/path`` in a dataset repository."""
MAX_STREAM_BYTES = 1 << 30
"""Largest stream that is held in memory because it cannot be rewound."""


def is_web_address(source: Any) -> bool:
    """Return whether a sound is named by its address on the web."""
    return isinstance(source, str) and source.startswith(("http://", "https://"))


def canonical_path(source: Any) -> str | None:
    """Absolute path of a file, or its name on the Hub or the web; None if it has no name."""
    if not isinstance(source, (str, Path)):
        return None
    try:
        is_remote = str(source).startswith(HUB) or is_web_address(source)
        return str(source) if is_remote else str(Path(source).resolve())
    except ValueError as error:  # a zero byte
        raise InputError(f"{source} is no file name: {first_line(error)}") from error


def seekable(source: Any) -> Any:
    """The source, or its content in memory if it is a stream that cannot be rewound."""
    if isinstance(source, io.TextIOBase):
        raise InputError("the open file must be binary, got text. Open it for binary reading")
    if getattr(source, "closed", False):
        raise InputError("the open file is closed. Open it for binary reading")
    if not hasattr(source, "read") or (hasattr(source, "seekable") and source.seekable()):
        return source
    content = source.read(MAX_STREAM_BYTES + 1)
    if len(content) > MAX_STREAM_BYTES:
        raise InputError(f"a stream must be at most {MAX_STREAM_BYTES} bytes. Save it as a file")
    return io.BytesIO(content)


def local_file(source: Any) -> Any:
    """The source, or the path in the Hub's cache if it is a file of the Hub."""
    if not str(source).startswith(HUB) or hasattr(source, "read"):
        return source
    parts = str(source).removeprefix(HUB).split("/")
    kind = "dataset" if parts[0] == "datasets" else "model"
    owner, name, *path = (parts[1:] if kind == "dataset" else parts) + ["", ""]
    file = "/".join(filter(None, path))
    if not (owner and name and file):
        raise InputError(f"a file of the Hub must be {HUB}user/name/file.wav, got {source}")
    return hub_file(f"{owner}/{name}", file, repo_type=kind)
