"""Train MiniCLAP by distillation of EfficientAT CLAP on the pool of scenes.

Usage: python -m experiments.mini_clap.train experiments/mini_clap/train.yaml --pool POOL
           --device cpu

EfficientAT CLAP scores each scene and prompt by the expected log-probability of the prompt's
labels. The loss is the Kullback-Leibler divergence between the softmaxes of the teacher's and the
student's scores, over the prompts and over the scenes of a batch.
"""

import sys
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from safetensors.torch import save_file
from torch.nn.functional import logsigmoid

from experiments.mini_clap.phrases import leave_one_out_mixtures
from experiments.mini_clap.pool import Pool, mel_power, split_shards
from speechbrain_lmac.models.clap.mini_text import LABELS


def kl_divergence(teacher, student, dim):
    """Compute the mean Kullback-Leibler divergence of softmaxes over ``dim``."""
    target = torch.softmax(teacher, dim)
    log_ratio = torch.log_softmax(teacher, dim) - torch.log_softmax(student, dim)
    return (target * log_ratio).sum(dim).mean()


def distillation_losses(teacher, student, hparams):
    """Compute the losses between scores ``[scenes, prompts]`` of the teacher and the student.

    The losses compare softmaxes over the labels of AudioSet, over all prompts at a higher
    temperature, which gives weight to unlikely prompts, and over the scenes.
    """
    temperature = hparams.temperature
    return {
        "labels": kl_divergence(teacher[:, :LABELS], student[:, :LABELS], dim=1),
        "prompts": temperature * kl_divergence(teacher / temperature, student / temperature, dim=1),
        "scenes": hparams.scenes_weight * kl_divergence(teacher, student, dim=0),
    }


class DistillationBrain(sb.Brain):
    """Trains the audio tower and the label directions of the text tower."""

    def on_fit_start(self):
        super().on_fit_start()
        steps = self.hparams.epoch_counter.limit * self.steps_per_epoch
        done = self.hparams.epoch_counter.current * self.steps_per_epoch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            self.hparams.lr,
            total_steps=steps,
            pct_start=0.1,
            last_epoch=done - 1 if done else -1,
        )
        torch.manual_seed(self.hparams.seed + done)  # other draws than in finished epochs

    def compute_forward(self, batch, stage):
        mel = mel_power(batch["log_mel"].to(self.device))
        if stage == sb.Stage.TRAIN:
            mel = mel.roll(int(torch.randint(mel.shape[1], ())), dims=1)
        mixtures = self.draw_mixtures(stage)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            embedding = self.modules.audio_tower(mel).vector
        text = self.modules.text_tower.embed_mixtures(mixtures)
        student = self.scale * embedding.float() @ text.T
        teacher = logsigmoid(batch["logits"].to(self.device).float()) @ mixtures.T
        return teacher, student

    def draw_mixtures(self, stage):
        """Return the mixture of each label and, in training, those of 256 random phrases."""
        labels = torch.eye(LABELS, device=self.device)
        if stage != sb.Stage.TRAIN:
            return labels
        drawn = torch.randperm(len(self.phrase_mixtures))[:256]
        return torch.cat([labels, self.phrase_mixtures[drawn]])

    @property
    def scale(self):
        """Logit scale."""
        return self.modules.log_scale.bias.exp().squeeze(0)

    def compute_objectives(self, predictions, batch, stage):
        losses = distillation_losses(*predictions, self.hparams)
        for name, loss in losses.items():
            self.loss_sums[name] = self.loss_sums.get(name, 0.0) + loss.item()
        self.batches += 1
        return sum(losses.values())

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        self.schedule.step()

    def on_stage_start(self, stage, epoch=None):
        self.loss_sums, self.batches = {}, 0

    def on_stage_end(self, stage, stage_loss, epoch=None):
        stats = {name: value / self.batches for name, value in self.loss_sums.items()}
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"loss": stage_loss, "scale": self.scale.item(), **stats}
        else:
            self.hparams.train_logger.log_stats({"epoch": epoch}, self.train_stats, stats)
            self.checkpointer.save_and_keep_only(num_to_keep=1)


def export(brain, path):
    """Write the weights in the format of the package: half precision, with the logit scale."""
    state = {
        f"{name}.{key}": value.cpu().contiguous()
        for name in ("audio_tower", "text_tower")
        for key, value in brain.modules[name].state_dict().items()
    }
    state["scale"] = brain.scale.detach().cpu()
    half_precision = {
        key: value.half() if value.is_floating_point() and value.dim() > 1 else value
        for key, value in state.items()
    }
    save_file(half_precision, path)


def main():
    """Train with the settings of the command line and write the weights."""
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with open(hparams_file) as file:
        hparams = load_hyperpyyaml(file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    train_shards, valid_shards = split_shards(hparams["pool"], hparams["valid_shards"])
    train, valid = Pool(train_shards), Pool(valid_shards)
    mean, std = train.statistics()
    hparams["audio_tower"].mean.copy_(mean)
    hparams["audio_tower"].std.copy_(std)
    torch.nn.init.constant_(hparams["log_scale"].bias, 3.0)

    brain = DistillationBrain(
        hparams["modules"], hparams["opt_class"], hparams, run_opts, hparams["checkpointer"]
    )
    brain.modules.audio_tower.to(memory_format=torch.channels_last)
    brain.phrase_mixtures = leave_one_out_mixtures(brain.modules.text_tower)
    brain.steps_per_epoch = len(train) // hparams["batch_size"]
    loader_kwargs = {"batch_size": hparams["batch_size"]}
    brain.fit(
        hparams["epoch_counter"],
        train,
        valid,
        train_loader_kwargs={**loader_kwargs, "shuffle": True, "drop_last": True},
        valid_loader_kwargs=loader_kwargs,
    )
    export(brain, Path(hparams["output_folder"]) / "mini_clap.safetensors")


if __name__ == "__main__":
    main()
