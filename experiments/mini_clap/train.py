"""Train MiniCLAP: a small student of EfficientAT CLAP, on the pool of scenes.

Usage: python -m experiments.mini_clap.train experiments/mini_clap/train.yaml --pool POOL --device
cpu

For each scene and each prompt EfficientAT CLAP has a score, the expected log-probability of the
prompt's labels. The student's scores are to fall over the prompts, and over the scenes of a
batch, as the tagger's do.
"""

import sys
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from safetensors.torch import save_file
from torch.nn.functional import logsigmoid

from experiments.mini_clap.phrases import mixtures_of_others
from experiments.mini_clap.pool import Pool, mel_power, split_shards
from speechbrain_lmac.models.clap.mini import LABELS


def divergence(teacher, student, dim):
    """Kullback-Leibler divergence of softmaxes over ``dim``, averaged."""
    target = torch.softmax(teacher, dim)
    gap = torch.log_softmax(teacher, dim) - torch.log_softmax(student, dim)
    return (target * gap).sum(dim).mean()


def distillation(teacher, student, hparams):
    """How far the student's scores ``[scenes, prompts]`` fall otherwise than the teacher's.

    Over AudioSet's labels as they are; over all prompts softened, so that the unlikely ones are
    told apart too; and for each prompt over the scenes.
    """
    softness = hparams.softness
    return {
        "labels": divergence(teacher[:, :LABELS], student[:, :LABELS], dim=1),
        "prompts": softness * divergence(teacher / softness, student / softness, dim=1),
        "scenes": hparams.scenes_weight * divergence(teacher, student, dim=0),
    }


class Distiller(sb.Brain):
    """Teach the audio tower and the labels' directions."""

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
        torch.manual_seed(self.hparams.seed + done)  # a resumed run draws what is still to come

    def compute_forward(self, batch, stage):
        mel = mel_power(batch["log_mel"].to(self.device))
        if stage == sb.Stage.TRAIN:
            mel = mel.roll(int(torch.randint(mel.shape[1], ())), dims=1)
        shares = self.prompts(stage)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            embedding = self.modules.audio_tower(mel).vector
        text = self.modules.text_tower.embed_mixtures(shares)
        student = self.scale * embedding.float() @ text.T
        teacher = logsigmoid(batch["logits"].to(self.device).float()) @ shares.T
        return teacher, student

    def prompts(self, stage):
        """Every label, and in training some phrases as the text tower reads them."""
        labels = torch.eye(LABELS, device=self.device)
        if stage != sb.Stage.TRAIN:
            return labels
        return torch.cat([labels, self.mixtures[torch.randperm(len(self.mixtures))[:256]]])

    @property
    def scale(self):
        return self.modules.log_scale.bias.exp().squeeze(0)

    def compute_objectives(self, predictions, batch, stage):
        terms = distillation(*predictions, self.hparams)
        for name, term in terms.items():
            self.terms[name] = self.terms.get(name, 0.0) + term.item()
        self.batches += 1
        return sum(terms.values())

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        self.schedule.step()

    def on_stage_start(self, stage, epoch=None):
        self.terms, self.batches = {}, 0

    def on_stage_end(self, stage, stage_loss, epoch=None):
        stats = {name: value / self.batches for name, value in self.terms.items()}
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"loss": stage_loss, "scale": self.scale.item(), **stats}
        else:
            self.hparams.train_logger.log_stats({"epoch": epoch}, self.train_stats, stats)
            self.checkpointer.save_and_keep_only(num_to_keep=1)


def export(brain, path):
    """Write the weights as the package ships them: in half precision, with the scale."""
    state = {
        f"{name}.{key}": value.cpu().contiguous()
        for name in ("audio_tower", "text_tower")
        for key, value in brain.modules[name].state_dict().items()
    }
    state["scale"] = brain.scale.detach().cpu()
    half = {
        key: value.half() if value.is_floating_point() and value.dim() > 1 else value
        for key, value in state.items()
    }
    save_file(half, path)


def main():
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with open(hparams_file) as file:
        hparams = load_hyperpyyaml(file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    learnt, kept = split_shards(hparams["pool"], hparams["valid_shards"])
    train, valid = Pool(learnt), Pool(kept)
    mean, std = train.statistics()
    hparams["audio_tower"].mean.copy_(mean)
    hparams["audio_tower"].std.copy_(std)
    torch.nn.init.constant_(hparams["log_scale"].bias, 3.0)

    brain = Distiller(
        hparams["modules"], hparams["opt_class"], hparams, run_opts, hparams["checkpointer"]
    )
    brain.modules.audio_tower.to(memory_format=torch.channels_last)
    brain.mixtures = mixtures_of_others(brain.modules.text_tower)
    brain.steps_per_epoch = len(train) // hparams["batch_size"]
    loading = {"batch_size": hparams["batch_size"]}
    brain.fit(
        hparams["epoch_counter"],
        train,
        valid,
        train_loader_kwargs={**loading, "shuffle": True, "drop_last": True},
        valid_loader_kwargs=loading,
    )
    export(brain, Path(hparams["output_folder"]) / "mini_clap.safetensors")


if __name__ == "__main__":
    main()
