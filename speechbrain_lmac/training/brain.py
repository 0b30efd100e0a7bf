"""The SpeechBrain Brain that trains the mask decoder."""

import copy
import math
import os
from functools import partial

import speechbrain as sb
import torch
from speechbrain.dataio.sampler import ReproducibleRandomSampler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from speechbrain_lmac.data.pipeline import augment, draw
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.evaluation.scoring import ask, explain, faithfulness, in_out_margin
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.losses.pairs import ClassSet, PromptSensitivity
from speechbrain_lmac.masking.decoder import channel_dropout
from speechbrain_lmac.utils.device import is_out_of_memory
from speechbrain_lmac.utils.distributed import (
    all_reduce_mean,
    average_gradients,
    global_mean_count,
    global_roll,
    world_size,
)
from speechbrain_lmac.utils.errors import InputError, first_line

DECAY = 0.98
"""Of the running mean of the weights, a step."""


class LMACBrain(sb.Brain):
    """Learn to explain a frozen CLAP: only the decoder of ``modules["model"]`` is trained.

    ``modules`` holds ``model``, a
    :class:`~speechbrain_lmac.masking.interpreter_network.InterpreterNetwork`.
    ``hparams`` gives ``objective``, ``gate``, ``train_templates``, ``mix_probability``,
    ``feature_dropout``, ``prompts_per_clip``, ``encoded_prompts_per_clip``, ``chunk_size``,
    ``seed``, ``lr``,
    ``valid_interval``, ``epoch_counter``, ``train_logger`` and ``prompts``, the names that clips
    are scored against.

    Of each clip its own prompt is asked, and those of other clips of its batch, the one that may
    be mixed into it first. All get masks; the first ``encoded_prompts_per_clip`` are heard by the
    encoder.

    What is validated, and at last exported, is the running mean of the weights over some dozens of
    steps: single steps move masks by more than training still gains. The epoch kept is the one
    whose masks, at equal budgets on the validation clips, keep most of the target's probability
    and leave least of it in the remainder.
    """

    def compute_forward(self, batch, stage):
        """Masks of the batch's clips for the prompts that are asked of each.

        Returns
        -------
        EncodedClips, Pairs, torch.Tensor, torch.Tensor
            The masks ``[prompts, batch, frames, bins]``, and those that are heard, hardened.
        """
        draws = [draw(self.hparams.seed, self.epoch, clip_id) for clip_id in batch.id]
        clips = augment(batch.sig.data.to(self.device), draws, self.hparams.mix_probability)
        encoded = self.model.classifier.encode_clips(clips.sounds)
        pairs = self.ask(batch, encoded.encoding.embedding.float(), clips.mixed, draws)
        if global_mean_count(clips.mixed) and len(pairs.text) > 1:
            power = self.model.classifier.plane.power
            sources = torch.stack([power(clips.own), power(clips.sounds - clips.own)])
            pairs = pairs._replace(sources=sources)
            pairs = pairs._replace(num_separable=global_mean_count(pairs.separable))
        evidence = channel_dropout(
            self.model.evidence(encoded), self.hparams.feature_dropout, draws
        )
        masks = self.model(encoded, pairs.text, evidence)
        heard = masks[: self.hparams.encoded_prompts_per_clip]
        gate = self.hparams.gate
        opened = gate(heard, gate.draw(draws, heard.device), self.progress)
        return encoded, pairs, masks, opened

    def ask(self, batch, audio, mixed, draws):
        """What is asked of each clip: what it was labeled or described as; and, where it is a
        label and the clip is alone, what the CLAP takes it for.
        """
        names, text = self.hparams.prompts
        scale = self.model.classifier.clap.logit_scale
        with torch.autocast(audio.device.type, enabled=False):  # close names would be ties
            decided = (audio @ text.to(audio.device).T).argmax(dim=1)
        prompts, own = [], []
        for place, rng in enumerate(draws):
            template, label = rng.choice(self.hparams.train_templates), batch.label[place]
            if label in names and not batch.text[place] and not mixed[place]:
                label = names[decided[place]]
            prompts.append(batch.text[place] or class_prompt(label, template))
            own.append(names.index(label) if label in names else -1)
        own = torch.tensor(own, device=audio.device)
        embedded = self.model.classifier.clap.embed_text(prompts, apart=False)
        turns = range(min(self.hparams.prompts_per_clip, world_size() * len(prompts)))
        return PromptSensitivity(
            audio,
            torch.stack([global_roll(embedded, turn) for turn in turns]),
            torch.stack([global_roll(own, turn) for turn in turns]),
            ClassSet(text.to(audio.device), float(scale)),
        )

    @property
    def epoch(self):
        """The epoch under way."""
        return self.hparams.epoch_counter.current

    @property
    def progress(self):
        """How far training has come: 0 in the first epoch, 1 in the last."""
        return (self.epoch - 1) / max(1, self.hparams.epoch_counter.limit - 1)

    def compute_objectives(self, predictions, batch, stage):
        """The objective of a training batch."""
        encoded, pairs, masks, opened = predictions
        hear = partial(
            self.model.classifier.masked_objective, encoded, chunk_size=self.hparams.chunk_size
        )
        loss, terms = self.hparams.objective(pairs, masks, opened, hear)
        for name, term in terms.items():
            self.terms.setdefault(name, []).append(term.item())
        return loss

    def evaluate_batch(self, batch, stage):
        """The score that chooses the epoch: the mean of ``q - r`` over the equal budgets."""
        encoded = self.model.classifier.encode_clips(batch.sig.data.to(self.device))
        asked = ask(self.model, batch.id, encoded, self.hparams.prompts)
        explained = explain(self.model, EXPLAINERS["lmac"], asked)
        self.scores.extend(in_out_margin(faithfulness(self.model, asked, explained)))
        return -torch.tensor(self.scores).mean()

    @property
    def model(self):
        """The model that is trained."""
        return self.modules.model

    def init_optimizers(self):
        """Optimise the decoder alone."""
        decoder = self.model.decoder
        self.averaged = AveragedModel(decoder, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
        self.optimizer = self.opt_class(decoder.parameters())
        self.optimizers_dict = {"opt_class": self.optimizer}
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("optimizer", self.optimizer)
            self.checkpointer.add_recoverable("averaged", self.averaged)

    def fit_batch(self, batch):
        """Take a step; InputError, naming the batch, where memory or numbers run out."""
        self.clips = batch.id
        try:
            return super().fit_batch(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"out of memory in epoch {self.epoch} ({first_line(error)}): give a smaller "
                "--batch_size or --chunk_size, or fewer --encoded_prompts_per_clip"
            ) from error

    def check_loss_isfinite(self, loss):
        """Stop where the loss is no number: what is learnt from there on is worth nothing."""
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss is {loss.item()} in epoch {self.epoch}, of the clips "
                f"{', '.join(self.clips)}: look at these sounds, or give a smaller --lr"
            )

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Take the step into the mean."""
        if should_step:
            self.averaged.update_parameters(self.model.decoder)

    def on_stage_start(self, stage, epoch=None):
        """Forget the last stage's figures; the learning rate falls along half a cosine."""
        self.scores = []
        if stage == sb.Stage.VALID:
            self.live = copy.deepcopy(self.model.decoder.state_dict())
            self.take_mean()
        if stage == sb.Stage.TRAIN:
            self.terms = {}
            for group in self.optimizer.param_groups:
                group["lr"] = self.hparams.lr * 0.5 * (1 + math.cos(math.pi * self.fraction))

    @property
    def fraction(self):
        """Of training that lies behind, at the start of an epoch."""
        return (self.epoch - 1) / self.hparams.epoch_counter.limit

    def _wrap_distributed(self):
        """Leave the modules as they are: most of them are frozen, and torch's own wrapper refuses
        their batch norms on a CPU. :meth:`optimizers_step` does what it would do.
        """

    def optimizers_step(self):
        """Step along the mean of all processes' gradients."""
        average_gradients(self.model.decoder.parameters())
        super().optimizers_step()

    def _train_loader_specifics(self, dataset, loader_kwargs):
        """Clips come in the same order, however many processes share them."""
        if self.distributed_launch and loader_kwargs.get("shuffle"):
            seed = os.environ["SB_GLOBAL_SEED"]
            loader_kwargs["sampler"] = ReproducibleRandomSampler(dataset, seed=seed)
            loader_kwargs["shuffle"] = False
        return super()._train_loader_specifics(dataset, loader_kwargs)

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt):
        """Count the interval from the last checkpoint: SpeechBrain counts it from each epoch's
        start, and would never save where epochs are shorter than it.
        """
        return super()._should_save_intra_epoch_ckpt(self.checkpointer.saved_at, steps_since_ckpt)

    def _fit_valid(self, valid_set, epoch, enable):
        """Validate each so many epochs, and after the last."""
        last = epoch == self.hparams.epoch_counter.limit
        if last or epoch % self.hparams.valid_interval == 0:
            super()._fit_valid(valid_set, epoch, enable)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log the terms; after validation keep the best epoch and the last."""
        if stage == sb.Stage.TRAIN:
            stats = {name: sum(values) / len(values) for name, values in self.terms.items()}
            self.train_stats = all_reduce_mean({**stats, "loss": stage_loss})
            return
        self.model.decoder.load_state_dict(self.live)
        score = sum(self.scores) / len(self.scores)
        self.hparams.train_logger.log_stats({"epoch": epoch}, self.train_stats, {"score": score})
        # the checkpoint's meta is read back by a safe YAML loader: plain floats only
        self.checkpointer.save_and_keep_only({"score": float(score)}, max_keys=["score"])

    def restore_best(self):
        """Load the best epoch's decoder, and return the model in evaluation mode."""
        self.on_evaluate_start(max_key="score")
        self.take_mean()
        return self.model.eval()

    def take_mean(self):
        """Put the mean weights into the decoder."""
        self.model.decoder.load_state_dict(self.averaged.module.state_dict())
