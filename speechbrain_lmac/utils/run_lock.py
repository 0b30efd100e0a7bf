"""Lock of a results folder: one run at a time writes to it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import wrap_write_errors
from speechbrain_lmac.utils.temporary_files import RUN_LOCK, exclusive_lock


@contextmanager
def run_lock(folder: str | Path) -> Iterator[None]:
    """Hold a results folder, which is created if absent, until the run ends or is killed.

    Raises
    ------
    InputError
        If another run holds the folder, or it cannot be written.
    """
    with ExitStack() as stack:
        with wrap_write_errors(folder):
            Path(folder).mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(exclusive_lock(Path(folder) / RUN_LOCK, wait=False))
            except BlockingIOError as error:
                raise InputError(
                    f"{folder} is in use by another run. Wait for its end, or give another "
                    "--output_folder"
                ) from error
        yield
