"""Checkpoints that a kill cannot tear."""

import logging
import shutil
import time
from pathlib import Path

from speechbrain.utils.checkpoints import CKPT_PREFIX, METAFNAME, Checkpointer, ckpt_recency
from speechbrain.utils.distributed import ddp_barrier, if_main_process

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import PARTIAL


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer; a checkpoint counts once all of it is there, and until any of it
    is gone.

    SpeechBrain knows a checkpoint by its ``CKPT.yaml``, which it writes first and may delete last:
    a run that is killed meanwhile would go on from a torn one. Here that file comes last and goes
    first. ``saved_at`` is when the last one was saved, in seconds of the clock, or when it began.
    """

    def __init__(self, checkpoints_dir, *args, **kwargs):
        super().__init__(".", *args, **kwargs)  # it makes the folder that it is given
        self.checkpoints_dir = Path(checkpoints_dir)
        self.saved_at = time.time()

    def _list_checkpoint_dirs(self):
        return super()._list_checkpoint_dirs() if self.checkpoints_dir.is_dir() else []

    def _save_checkpoint_metafile(self, fpath, *args, **kwargs):
        path = Path(fpath)
        return super()._save_checkpoint_metafile(
            path.with_name(path.name + PARTIAL), *args, **kwargs
        )

    def save_checkpoint(self, *args, **kwargs):
        """Save one; InputError if the disk will not have it."""
        try:
            saved = super().save_checkpoint(*args, **kwargs)
        except (OSError, RuntimeError) as error:  # torch says a full disk in its own words
            raise InputError(
                f"no checkpoint can be written to {self.checkpoints_dir} ({first_line(error)}): "
                "make room; what was saved before is whole, and the same command goes on from it"
            ) from error
        if saved is not None:
            meta = saved.path / METAFNAME
            meta.with_name(meta.name + PARTIAL).replace(meta)
        self.saved_at = time.time()
        ddp_barrier()  # others look for checkpoints next
        return saved

    def delete_checkpoints(
        self,
        *,
        num_to_keep=1,
        min_keys=None,
        max_keys=None,
        importance_keys=(ckpt_recency,),
        ckpt_predicate=None,
        verbosity=logging.INFO,
    ):
        """Delete all but the best so many by each key, and what was never whole."""
        orders = [
            *({"min_key": key} for key in min_keys or ()),
            *({"max_key": key} for key in max_keys or ()),
            *({"importance_key": key} for key in importance_keys),
        ]
        ddp_barrier()
        if if_main_process():
            found = [self.find_checkpoints(ckpt_predicate=ckpt_predicate, **o) for o in orders]
            kept = {checkpoint.path for best in found for checkpoint in best[:num_to_keep]}
            for checkpoint in {c.path: c for best in found for c in best}.values():
                if checkpoint.path not in kept:
                    (checkpoint.path / METAFNAME).unlink()
            for folder in self.checkpoints_dir.glob(f"{CKPT_PREFIX}+*"):
                if not (folder / METAFNAME).exists():
                    shutil.rmtree(folder, ignore_errors=True)
        ddp_barrier()
