"""SpeechBrain's training loop, adapted to networks that are mostly frozen."""

import os
from collections.abc import Iterable
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import ReproducibleRandomSampler

from speechbrain_lmac.utils.device import is_out_of_memory
from speechbrain_lmac.utils.distributed import average_gradients
from speechbrain_lmac.utils.errors import InputError, first_line


class TrainingLoop(sb.Brain):
    """Brain that trains alike in one process and in several.

    It averages the gradients of all processes itself, and the order of clips does not depend on
    their number. It counts the interval between checkpoints across epochs and validates every
    ``hparams.valid_interval`` epochs. A subclass defines :attr:`trained_parameters`.
    """

    @property
    def trained_parameters(self) -> Iterable[torch.nn.Parameter]:
        """Weights whose gradients are averaged."""
        raise NotImplementedError

    @property
    def epoch(self) -> int:
        """Current epoch."""
        return self.hparams.epoch_counter.current

    @property
    def progress(self) -> float:
        """Progress of training: 0 in the first epoch, 1 in the last."""
        return (self.epoch - 1) / max(1, self.hparams.epoch_counter.limit - 1)

    def _wrap_distributed(self) -> None:
        """Leave the modules unwrapped; :meth:`optimizers_step` averages the gradients.

        Most modules are frozen, and torch's wrapper refuses their batch norms on a CPU.
        """

    def fit_batch(self, batch: PaddedBatch) -> torch.Tensor:
        """Take a training step; raise InputError with the batch if memory runs out."""
        self.clips = batch.id
        try:
            return super().fit_batch(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"batch_size must fit into memory, got an out-of-memory error in epoch "
                f"{self.epoch} ({first_line(error)}). Give a smaller --batch_size, --chunk_size or "
                "--encoded_prompts_per_clip"
            ) from error

    def check_loss_isfinite(self, loss: torch.Tensor) -> None:
        """Raise InputError if the loss is not finite."""
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss must be finite, got {loss.item()} in epoch {self.epoch} for the clips "
                f"{', '.join(self.clips)}. Check these sounds, or give a smaller --lr"
            )

    def optimizers_step(self) -> None:
        """Step along the mean of the gradients of all processes."""
        average_gradients(self.trained_parameters)
        super().optimizers_step()

    def _train_loader_specifics(
        self, dataset: DynamicItemDataset, loader_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Keep the order of clips independent of the number of processes."""
        if self.distributed_launch and loader_kwargs.get("shuffle"):
            seed = os.environ["SB_GLOBAL_SEED"]
            loader_kwargs["sampler"] = ReproducibleRandomSampler(dataset, seed=seed)
            loader_kwargs["shuffle"] = False
        return super()._train_loader_specifics(dataset, loader_kwargs)

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time: float, steps_since_ckpt: int) -> bool:
        """Count the interval from the last checkpoint.

        SpeechBrain counts it from the start of each epoch and would never save in short epochs.
        """
        return super()._should_save_intra_epoch_ckpt(self.checkpointer.saved_at, steps_since_ckpt)

    def _fit_valid(self, valid_set: Iterable[PaddedBatch], epoch: int, enable: bool) -> None:
        """Validate every ``valid_interval`` epochs and after the last epoch."""
        last = epoch == self.hparams.epoch_counter.limit
        last = last or (self.debug and epoch == self.debug_epochs)
        if last or epoch % self.hparams.valid_interval == 0:
            super()._fit_valid(valid_set, epoch, enable)
