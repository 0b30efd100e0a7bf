"""Train the embedded CLAP: contrastive over the 50 ESC-50 names, with mixtures and masks.

Only the classes of the training clips are ever right; the other names are there to be wrong.
Clips under Sampling+ are left out, so that the weights rest on CC0 and CC BY sounds alone.
"""

import csv
import sys
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, interpolate
from torch.utils.data import Dataset

from speechbrain_lmac.audio import load_audio
from speechbrain_lmac.clap.embedded import (
    HOP_LENGTH,
    N_FFT,
    POWER_FLOOR,
    SAMPLE_RATE,
    mel_filterbank,
)
from speechbrain_lmac.clap.minilm import MiniLM
from speechbrain_lmac.data.clips import read_clips
from speechbrain_lmac.data.esc50 import CLASSES
from speechbrain_lmac.data.prompts import TEMPLATES, class_prompt
from speechbrain_lmac.data.synthetic_set import write_dataset
from speechbrain_lmac.spectrogram import Spectrogram


class Clips(Dataset):
    """All clips, decoded once and held in memory."""

    def __init__(self, clips, seconds):
        length = round(seconds * SAMPLE_RATE)
        self.wavs = torch.zeros(len(clips), length)
        for wav, clip in zip(self.wavs, clips):
            samples = load_audio(clip.wav, SAMPLE_RATE)[:length]
            wav[: len(samples)] = samples
        self.targets = torch.tensor([CLASSES.index(clip.label) for clip in clips])

    def __len__(self):
        return len(self.wavs)

    def __getitem__(self, index):
        return {"wav": self.wavs[index], "target": self.targets[index]}


def augment(wavs, targets, hparams):
    """Shift, set the level, silence and mix; return wavs and soft targets ``[batch, classes]``."""
    batch, length = wavs.shape
    shifts = torch.randint(length, (batch,)).tolist()
    wavs = torch.stack([wav.roll(shift) for wav, shift in zip(wavs, shifts)])
    wavs = wavs / (wavs.square().mean(dim=1, keepdim=True).sqrt() + 1e-4)
    wavs = wavs * 10 ** (torch.empty(batch, 1).uniform_(-45, -12) / 20)
    soft = torch.nn.functional.one_hot(targets, len(CLASSES)).float()
    mixed = (torch.rand(batch, 1) < hparams.mix_probability).float()
    gain = mixed * 10 ** (torch.empty(batch, 1).uniform_(-15, 5) / 20)
    share = mixed * (0.5 * (gain.log10().clamp(min=-0.75) / 0.75 + 1)).clamp(0, 0.5)
    levels = wavs.square().mean(dim=1, keepdim=True).sqrt()
    wavs = wavs + gain * levels * (wavs / (levels + 1e-6)).roll(1, dims=0)
    soft = (1 - share) * soft + share * soft.roll(1, dims=0)
    silent = torch.rand(batch, 1) < hparams.silence_probability
    return torch.where(silent, 0.0, wavs), torch.where(silent, 1 / len(CLASSES), soft)


def veil(power, probability):
    """Hear some clips through random masks: smooth, coarse, hard or soft."""
    batch, frames, bins = power.shape
    grid = (int(torch.randint(2, 40, ())), int(torch.randint(2, 12, ())))
    noise = interpolate(torch.randn(batch, 1, *grid), (frames, bins), mode="bilinear").squeeze(1)
    steepness = torch.empty(batch, 1, 1).uniform_(0, 2.5).exp()
    mask = torch.sigmoid(steepness * (noise + torch.empty(batch, 1, 1).uniform_(-0.8, 1)))
    used = torch.rand(batch, 1, 1) < probability
    return torch.where(used, mask.square(), 1.0) * power


class ClapBrain(sb.Brain):
    """Contrast each clip with the names of all classes, in templates drawn per batch."""

    def on_fit_start(self):
        super().on_fit_start()
        steps = self.hparams.number_of_epochs * len(self.steps_per_epoch)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, self.hparams.lr, total_steps=steps, pct_start=0.15
        )

    def compute_forward(self, batch, stage):
        wavs, targets = batch["wav"].to(self.device), batch["target"].to(self.device)
        soft = torch.nn.functional.one_hot(targets, len(CLASSES)).float()
        if stage == sb.Stage.TRAIN:
            wavs, soft = augment(wavs, targets, self.hparams)
        power = self.spectrogram(wavs).abs().square()
        if stage == sb.Stage.TRAIN:
            power = veil(power, self.hparams.veil_probability)
        audio = self.modules.audio_tower(power @ self.filterbank).embedding
        templates = torch.zeros(len(CLASSES), dtype=torch.long)
        if stage == sb.Stage.TRAIN:
            templates = torch.randint(len(TEMPLATES), (len(CLASSES),))
        text = self.modules.text_tower(self.sentences[templates, torch.arange(len(CLASSES))])
        return self.scale * audio @ text.T, soft

    @property
    def scale(self):
        return self.modules.log_scale.bias.exp().clamp(max=50).squeeze(0)

    def compute_objectives(self, predictions, batch, stage):
        logits, soft = predictions
        if stage != sb.Stage.TRAIN:
            self.correct += (logits.argmax(dim=1).cpu() == batch["target"]).sum().item()
            self.heard += len(logits)
        return cross_entropy(logits, soft, label_smoothing=self.hparams.label_smoothing)

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        self.schedule.step()

    def on_stage_start(self, stage, epoch=None):
        self.correct = self.heard = 0

    def on_stage_end(self, stage, stage_loss, epoch=None):
        if stage == sb.Stage.TRAIN:
            stats = {"loss": stage_loss, "scale": self.scale.item()}
            self.hparams.train_logger.log_stats({"epoch": epoch}, train_stats=stats)
            self.checkpointer.save_and_keep_only(num_to_keep=1)
        if stage == sb.Stage.TEST:
            stats = {"loss": stage_loss, "accuracy_50_names": self.correct / self.heard}
            self.hparams.train_logger.log_stats({"stage": "test"}, test_stats=stats)


def permissive(clips, data_folder):
    """Clips that are CC0 or CC BY, where the folder says so."""
    table = Path(data_folder) / "meta" / "licences.csv"
    if not table.is_file():
        return clips
    with open(table, newline="") as file:
        licence = {row["filename"]: row["licence"] for row in csv.DictReader(file)}
    return [clip for clip in clips if "Sampling" not in licence[Path(clip.wav).name]]


def normalise_input(tower, dataset, front_end):
    """Give the tower the mean and deviation of each log-mel band over the training clips."""
    logs = [torch.log(front_end(wav.unsqueeze(0)) + POWER_FLOOR) for wav in dataset.wavs]
    stacked = torch.cat(logs, dim=1).squeeze(0)
    tower.mean.copy_(stacked.mean(dim=0))
    tower.std.copy_(stacked.std(dim=0))


def export(brain, path):
    """Write the weights as the package ships them."""
    towers = ("audio_tower", "text_tower")
    state = {
        f"{name}.{key}": value.contiguous()
        for name in towers
        for key, value in brain.modules[name].state_dict().items()
    }
    state["scale"] = brain.scale.detach()
    save_file(state, path)


def main():
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with open(hparams_file) as file:
        hparams = load_hyperpyyaml(file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    clips = read_clips(hparams["data_folder"])
    train = [clip for clip in clips if clip.fold in hparams["train_folds"]]
    train = permissive(train, hparams["data_folder"])
    test = [clip for clip in clips if clip.fold in hparams["test_folds"]]
    synthetic = write_dataset(hparams["synthetic_folder"], hparams["synthetic_clips"], 1, seed=1)
    train = Clips(train + read_clips(synthetic), hparams["clip_seconds"])
    test = Clips(test, hparams["clip_seconds"])

    brain = ClapBrain(
        hparams["modules"], hparams["opt_class"], hparams, run_opts, hparams["checkpointer"]
    )
    brain.spectrogram = Spectrogram(N_FFT, HOP_LENGTH).to(brain.device)
    brain.filterbank = mel_filterbank().to(brain.device)
    prompts = [[class_prompt(name, template) for name in CLASSES] for template in TEMPLATES]
    sentences = MiniLM()
    brain.sentences = torch.stack([sentences(row) for row in prompts]).to(brain.device)
    normalise_input(
        hparams["audio_tower"],
        train,
        lambda wav: brain.spectrogram(wav).abs().square() @ brain.filterbank,
    )
    torch.nn.init.constant_(hparams["log_scale"].bias, 2.5)
    loaders = {"batch_size": hparams["batch_size"]}
    brain.steps_per_epoch = range(-(-len(train) // hparams["batch_size"]))
    brain.fit(hparams["epoch_counter"], train, train_loader_kwargs={**loaders, "shuffle": True})
    brain.evaluate(test, test_loader_kwargs=loaders)
    export(brain, Path(hparams["output_folder"]) / "embedded_clap.safetensors")


if __name__ == "__main__":
    main()
