"""Checkpoints that a kill cannot tear."""

import shutil
from pathlib import Path

from speechbrain.utils.checkpoints import CKPT_PREFIX, METAFNAME, Checkpointer
from speechbrain.utils.distributed import if_main_process, main_process_only

from speechbrain_lmac.errors import InputError, first_line
from speechbrain_lmac.whole import PARTIAL


class WholeCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer; a checkpoint counts once all of it is there, and until any of it
    is gone.

    SpeechBrain knows a checkpoint by its ``CKPT.yaml``, which it writes first and may delete last:
    a run that is killed meanwhile would go on from a torn one. Here that file comes last and goes
    first.
    """

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
        return saved

    def delete_checkpoints(self, **kwargs):
        """Delete what is not to be kept, and what was never whole."""
        super().delete_checkpoints(**kwargs)
        if if_main_process():
            for folder in self.checkpoints_dir.glob(f"{CKPT_PREFIX}*"):
                if not (folder / METAFNAME).exists():
                    shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    @main_process_only
    def _delete_checkpoint(checkpoint, verbosity=None):
        (checkpoint.path / METAFNAME).unlink()
        shutil.rmtree(checkpoint.path)
