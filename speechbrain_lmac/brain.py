"""The SpeechBrain Brain that trains the mask decoder."""

import speechbrain as sb

from speechbrain_lmac.budgets import BUDGETS
from speechbrain_lmac.data.pipeline import augment, draw
from speechbrain_lmac.data.prompts import TEMPLATE, class_prompt
from speechbrain_lmac.evaluation import ask, column, explain, faithfulness
from speechbrain_lmac.explainers import EXPLAINERS


class LmacZs(sb.Brain):
    """Learn to explain a frozen CLAP: only the decoder of ``modules["model"]`` is trained.

    ``modules`` holds ``model``, a :class:`~speechbrain_lmac.listenable_map.ListenableMap`.
    ``hparams`` gives ``objective``, ``gate``, ``templates``, ``mix_probability``,
    ``chunk_size``, ``seed``, ``epoch_counter``, ``train_logger`` and ``prompts``, the names
    that validation scores clips against.

    The epoch kept is the one whose masks, at equal budgets on the validation clips, keep most
    of the target's probability and leave least of it in the remainder.
    """

    def compute_forward(self, batch, stage):
        """All pairs of the batch's clips and prompts -> :class:`~speechbrain_lmac.losses.Pairs`."""
        wavs = batch.sig.data.to(self.device)
        draws = [draw(self.hparams.seed, self.epoch, clip_id) for clip_id in batch.id]
        templates = [TEMPLATE] * len(batch.id)
        if stage == sb.Stage.TRAIN:
            wavs = augment(wavs, draws, self.hparams.mix_probability)
            templates = [rng.choice(self.hparams.templates) for rng in draws]
        described = zip(batch.text, batch.label, templates)
        prompts = [text or class_prompt(label, template) for text, label, template in described]
        classifier, gate = self.model.classifier, self.hparams.gate
        return self.model.pairs(
            classifier.analyse(wavs),
            classifier.clap.embed_text(prompts),
            self.hparams.chunk_size,
            harden=lambda masks: gate(masks, gate.draw(draws, masks.device)),
        )

    @property
    def epoch(self):
        """The epoch under way."""
        return self.hparams.epoch_counter.current

    def compute_objectives(self, predictions, batch, stage):
        """The objective; on validation clips also the score that chooses the epoch."""
        loss, terms = self.hparams.objective(predictions)
        for name, term in terms.items():
            self.terms.setdefault(name, []).append(term.item())
        if stage != sb.Stage.TRAIN:
            self.scores.extend(self.keeping_scores(batch))
        return loss

    def keeping_scores(self, batch):
        """``q - r`` of each clip at each equal budget."""
        analysis = self.model.classifier.analyse(batch.sig.data.to(self.device))
        asked = ask(self.model, batch.id, analysis, self.hparams.prompts)
        explained = explain(self.model, EXPLAINERS["lmac-zs"], asked)
        seen = faithfulness(self.model, asked, explained)
        kept = [seen[column("q", budget)] for budget in BUDGETS]
        left = [seen[column("r", budget)] for budget in BUDGETS]
        return [q - r for qs, rs in zip(kept, left) for q, r in zip(qs, rs)]

    @property
    def model(self):
        """The model, also when it is wrapped for several processes."""
        return getattr(self.modules.model, "module", self.modules.model)

    def init_optimizers(self):
        """Optimise the decoder alone."""
        self.optimizer = self.opt_class(self.model.decoder.parameters())
        self.optimizers_dict = {"opt_class": self.optimizer}
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("optimizer", self.optimizer)

    def on_stage_start(self, stage, epoch=None):
        """Forget the last stage's figures."""
        self.terms, self.scores = {}, []

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log the terms; after validation keep the best epoch and the last."""
        stats = {name: sum(values) / len(values) for name, values in self.terms.items()}
        stats["loss"] = stage_loss
        if stage == sb.Stage.TRAIN:
            self.train_stats = stats
            return
        stats["score"] = sum(self.scores) / len(self.scores)
        self.hparams.train_logger.log_stats({"epoch": epoch}, self.train_stats, stats)
        # the checkpoint's meta is read back by a safe YAML loader: plain floats only
        self.checkpointer.save_and_keep_only({"score": float(stats["score"])}, max_keys=["score"])

    def restore_best(self):
        """Load the best epoch's decoder, and return the model in evaluation mode."""
        self.on_evaluate_start(max_key="score")
        return self.model.eval()
