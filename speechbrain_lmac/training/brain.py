"""SpeechBrain Brain that trains the mask decoder."""

import copy
import random
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.train_logger import TrainLogger
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from speechbrain_lmac.data.pipeline import augment_batch, clip_rng
from speechbrain_lmac.evaluation.scoring import (
    ClassPrompts,
    explain,
    in_out_margin,
    make_batch,
    score_faithfulness,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.training.feature_dropout import channel_dropout
from speechbrain_lmac.training.loggers import train_loggers
from speechbrain_lmac.training.loop import TrainingLoop
from speechbrain_lmac.training.pairs import (
    build_pairs,
    contrast_queries,
    draw_class,
    draw_fill,
    guide_spectra,
    source_power,
)
from speechbrain_lmac.utils.distributed import (
    all_reduce_mean,
    global_mean_count,
    global_roll,
    world_size,
)

DECAY = 0.98
"""Decay of the moving average of the weights, per step."""
Predictions = tuple[EncodedClips, PromptPairs, torch.Tensor, torch.Tensor]
"""Clips, pairs, masks of all prompts, and the gated masks of the encoded prompts."""


class LMACBrain(TrainingLoop):
    """Train a mask decoder for a frozen classifier.

    Only the decoder of ``modules["model"]``, an
    :class:`~speechbrain_lmac.masking.interpreter_network.InterpreterNetwork`, has trainable
    weights. ``hparams`` holds the settings of ``hparams/lmac_zs.yaml``, among them ``objective``,
    ``gate``, ``epoch_counter`` and ``train_logger``.

    Each clip is paired with its own prompt and with the prompts of other clips of its batch; the
    prompt of a clip mixed into it comes second. All pairs get masks. The masks of the first
    ``encoded_prompts_per_clip`` prompts go through the encoder.

    Validation and export use the moving average of the weights over some dozens of steps: single
    steps change the masks more than training still improves them. The best epoch has the largest
    in-out margin at equal mask area on the validation clips.

    Arguments
    ---------
    prompts : ClassPrompts
        Class names and their query vectors, which clips are scored against.
    *args, **kwargs
        Arguments of ``speechbrain.Brain``.
    """

    def __init__(self, *args: Any, prompts: ClassPrompts | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._prompts = prompts

    @cached_property
    def loggers(self) -> list[TrainLogger]:
        """Loggers of the validated epochs."""
        return train_loggers(vars(self.hparams))

    @property
    def prompts(self) -> ClassPrompts:
        """Classes that clips are scored against."""
        assert self._prompts is not None
        return self._prompts

    def compute_forward(self, batch: PaddedBatch, stage: sb.Stage) -> Predictions:
        """Predict the masks of a batch.

        Returns
        -------
        EncodedClips, PromptPairs, torch.Tensor, torch.Tensor
            Clips, pairs, masks ``[prompts, batch, frames, bins]``, and the gated masks of the
            encoded prompts.
        """
        hparams, classifier = self.hparams, self.model.classifier
        draws = [clip_rng(hparams.seed, self.epoch, clip_id) for clip_id in batch.id]
        wavs = batch.sig.data.to(self.device)
        clips = augment_batch(wavs, draws, hparams.mix_probability, hparams.roll_clips)
        noisy = hparams.noise(clips.wavs, hparams.seed, self.epoch, batch.id)
        encoded = classifier.encode_clips(noisy)
        pairs = self.pair(batch, encoded.encoding.vector.float(), clips.is_mixed, draws)
        if global_mean_count(clips.is_mixed) and len(pairs.queries) > 1:
            pairs = pairs._replace(sources=source_power(classifier, clips.targets, clips.wavs))
            pairs = pairs._replace(num_separable=global_mean_count(pairs.separable))
        if "guidance" in hparams.objective.terms:
            pairs = pairs._replace(spectra=guide_spectra(classifier, encoded, clips.wavs))
        pairs = pairs._replace(fill=draw_fill(encoded.encoder_power, hparams.mask_fills, draws))
        queries = contrast_queries(pairs, draws, hparams.contrast_probability)
        features = self.model.features(encoded, queries)
        features = channel_dropout(features, hparams.feature_dropout, draws)
        masks = self.model(encoded, queries, features)
        first = masks[: hparams.encoded_prompts_per_clip]
        gated = hparams.gate(first, hparams.gate.draw(draws, first.device), self.progress)
        return encoded, pairs, masks, gated

    def pair(
        self,
        batch: PaddedBatch,
        vectors: torch.Tensor,
        mixed: torch.Tensor,
        draws: Sequence[random.Random],
    ) -> PromptPairs:
        """Pair the clips of a batch with queries.

        The query of a clip is its description or its label. An unmixed, labeled clip takes the
        predicted class instead of its label.
        """
        names, class_queries = self.prompts
        classifier = self.model.classifier
        with torch.autocast(vectors.device.type, enabled=False):  # close names would be ties
            predicted = (vectors @ class_queries.to(vectors.device).T).argmax(dim=1)
        questions, targets = [], []
        for i, rng in enumerate(draws):
            template, label = rng.choice(self.hparams.train_templates), batch.label[i]
            if label in names and not batch.text[i] and not mixed[i]:
                label = names[self._drawn_class(predicted[i], vectors[i], rng)]
            questions.append(batch.text[i] or classifier.audio_classifier.question(label, template))
            targets.append(names.index(label) if label in names else -1)
        turns = range(min(self.hparams.prompts_per_clip, world_size() * len(questions)))
        return build_pairs(
            classifier, vectors, questions, targets, class_queries, global_roll, turns
        )

    def _drawn_class(self, best: torch.Tensor, vector: torch.Tensor, rng: random.Random) -> int:
        """Predicted class, or at times another class that the classifier finds possible."""
        if not self.hparams.other_class_probability:
            return int(best)
        queries = self.prompts.embeddings.to(vector.device)
        probabilities = self.model.classifier.probabilities(vector, queries)
        return draw_class(probabilities, best, rng, self.hparams.other_class_probability)

    def compute_objectives(
        self, predictions: Predictions, batch: PaddedBatch, stage: sb.Stage
    ) -> torch.Tensor:
        """Loss of a training batch."""
        encoded, pairs, masks, gated = predictions
        evaluate = partial(
            self.model.classifier.masked_objective,
            encoded,
            chunk_size=self.hparams.chunk_size,
            fill=pairs.fill,
        )
        loss, terms = self.hparams.objective(pairs, masks, gated, evaluate)
        for name, term in terms.items():
            self.terms.setdefault(name, []).append(term.item())
        return loss

    def evaluate_batch(self, batch: PaddedBatch, stage: sb.Stage) -> torch.Tensor:
        """Collect the validation score: the in-out margin over the top-k fractions."""
        wavs = batch.sig.data.to(self.device)
        wavs = self.hparams.noise(wavs, self.hparams.seed, 0, batch.id)
        encoded = self.model.classifier.encode_clips(wavs)
        inputs = make_batch(self.model, batch.id, encoded, self.prompts)
        attributions = explain(self.model, EXPLAINERS["lmac"], inputs)
        self.scores.extend(in_out_margin(score_faithfulness(self.model, inputs, attributions)))
        return -torch.tensor(self.scores).mean()

    @property
    def model(self) -> InterpreterNetwork:
        """Network that is trained."""
        return self.modules.model

    def init_optimizers(self) -> None:
        """Set up the optimizer of the decoder and the moving average of its weights."""
        decoder = self.model.decoder
        self.averaged = AveragedModel(decoder, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
        self.optimizer = self.opt_class(decoder.parameters())
        self.optimizers_dict = {"opt_class": self.optimizer}
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("optimizer", self.optimizer)
            self.checkpointer.add_recoverable("averaged", self.averaged)

    def on_fit_batch_end(
        self, batch: PaddedBatch, outputs: Predictions, loss: torch.Tensor, should_step: bool
    ) -> None:
        """Update the moving average."""
        if should_step:
            self.averaged.update_parameters(self.model.decoder)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Reset the statistics and set the learning rate."""
        self.scores: list[float] = []
        if stage == sb.Stage.VALID:
            self.current_weights = copy.deepcopy(self.model.decoder.state_dict())
            self.load_average()
        if stage == sb.Stage.TRAIN:
            self.terms: dict[str, list[float]] = {}
            epochs, lr = self.hparams.epoch_counter.limit, self.hparams.lr
            self.hparams.lr_annealing.start_epoch(self.optimizer, lr, self.epoch, epochs)

    @property
    def trained_parameters(self) -> Iterator[torch.nn.Parameter]:
        """Weights of the decoder."""
        return self.model.decoder.parameters()

    def on_stage_end(self, stage: sb.Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Log the terms; after validation save a checkpoint and keep the best one."""
        if stage == sb.Stage.TRAIN:
            stats = {name: sum(values) / len(values) for name, values in self.terms.items()}
            self.train_stats = all_reduce_mean({**stats, "loss": stage_loss})
            return
        self.model.decoder.load_state_dict(self.current_weights)
        score = sum(self.scores) / len(self.scores)
        for train_logger in self.loggers:
            train_logger.log_stats({"epoch": epoch}, self.train_stats, {"score": score})
        self.hparams.lr_annealing.end_validation(self.optimizer, self.epoch, score)
        # a safe YAML loader reads the metadata back: plain floats only
        self.checkpointer.save_and_keep_only({"score": float(score)}, max_keys=["score"])

    def restore_best(self) -> InterpreterNetwork:
        """Load the decoder of the best epoch; return the network in evaluation mode."""
        self.on_evaluate_start(max_key="score")
        self.load_average()
        return self.model.eval()

    def load_average(self) -> None:
        """Load the averaged weights into the decoder."""
        self.model.decoder.load_state_dict(self.averaged.module.state_dict())
