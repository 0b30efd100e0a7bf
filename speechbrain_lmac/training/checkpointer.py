"""Checkpoints that are complete or ignored, also after a kill."""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    METAFNAME,
    Checkpoint,
    Checkpointer,
    ckpt_recency,
)
from speechbrain.utils.distributed import ddp_barrier, if_main_process

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.temporary_files import PARTIAL


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer with atomic checkpoints.

    SpeechBrain recognizes a checkpoint by its ``CKPT.yaml``, which it writes first and may delete
    last. A run that is killed in between would resume from an incomplete checkpoint. Here that file
    is written last and deleted first. The folder is created with the first checkpoint.

    ``saved_at`` is the time of the last checkpoint, or of the start, in seconds since the epoch.

    Arguments
    ---------
    checkpoints_dir : str or Path
        Folder of the checkpoints.
    *args, **kwargs
        Arguments of ``speechbrain.utils.checkpoints.Checkpointer``.
    """

    def __init__(self, checkpoints_dir: str | Path, *args: Any, **kwargs: Any):
        super().__init__(".", *args, **kwargs)  # SpeechBrain creates the folder that it is given
        self.checkpoints_dir = Path(checkpoints_dir)
        self.saved_at = time.time()

    def _list_checkpoint_dirs(self) -> list[Path]:
        return super()._list_checkpoint_dirs() if self.checkpoints_dir.is_dir() else []

    def _save_checkpoint_metafile(
        self, fpath: str | Path, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        path = Path(fpath)
        return super()._save_checkpoint_metafile(
            path.with_name(path.name + PARTIAL), *args, **kwargs
        )

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> Checkpoint | None:
        """Save a checkpoint; raise InputError if it cannot be written."""
        try:
            saved = super().save_checkpoint(*args, **kwargs)
        except (OSError, RuntimeError) as error:  # torch's error for a full disk
            raise InputError(
                f"no checkpoint can be written to {self.checkpoints_dir} ({first_line(error)}). "
                "Free disk space; the same command resumes from the last checkpoint"
            ) from error
        if saved is not None:
            meta = saved.path / METAFNAME
            meta.with_name(meta.name + PARTIAL).replace(meta)
        self.saved_at = time.time()
        ddp_barrier()  # other processes list checkpoints next
        return saved

    def delete_checkpoints(
        self,
        *,
        num_to_keep: int = 1,
        min_keys: Sequence[str] | None = None,
        max_keys: Sequence[str] | None = None,
        importance_keys: Sequence[Callable[[Checkpoint], float]] = (ckpt_recency,),
        ckpt_predicate: Callable[[Checkpoint], bool] | None = None,
        verbosity: int = logging.INFO,
    ) -> None:
        """Delete all but the best checkpoints by each key, and incomplete ones.

        SpeechBrain repeats a key once for each earlier checkpoint of the process.
        """
        orders: list[dict[str, Any]] = [
            *({"min_key": key} for key in min_keys or ()),
            *({"max_key": key} for key in max_keys or ()),
            *({"importance_key": key} for key in dict.fromkeys(importance_keys)),
        ]
        ddp_barrier()
        if if_main_process():
            ranked = [self.find_checkpoints(ckpt_predicate=ckpt_predicate, **o) for o in orders]
            retained = {checkpoint.path for best in ranked for checkpoint in best[:num_to_keep]}
            for checkpoint in {c.path: c for best in ranked for c in best}.values():
                if checkpoint.path not in retained:
                    (checkpoint.path / METAFNAME).unlink()
            for folder in self.checkpoints_dir.glob(f"{CKPT_PREFIX}+*"):
                if not (folder / METAFNAME).exists():
                    shutil.rmtree(folder, ignore_errors=True)
        ddp_barrier()
