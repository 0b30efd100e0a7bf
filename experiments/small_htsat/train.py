"""Train a small CLAP with an HTSAT encoder and save it in the layout of LAION's checkpoints.

Usage: python experiments/small_htsat/train.py experiments/small_htsat/train.yaml
           --data_folder ESC50

The model tests the method on a transformer encoder if LAION's weights are not available. It is
trained on few clips, and knows only the ten classes of ESC-10.
"""

import csv
import sys
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from small_htsat import train_tokenizer
from torch.nn.functional import cross_entropy, interpolate
from torchaudio.functional import melscale_fbanks
from tqdm import tqdm

from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.data.datasets import read_clips, split_by_fold
from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import TEMPLATES, class_prompt
from speechbrain_lmac.models.clap.laion import FRONT_END
from speechbrain_lmac.models.input_window import FixedLengthInput

PHRASES = Path(__file__).parents[1] / "mini_clap" / "phrases.csv"


class ContrastiveBrain(sb.Brain):
    """Trains a CLAP with a symmetric contrastive loss between clips and prompts of the classes."""

    def init_optimizers(self):
        """Use one learning rate for the audio encoder and one for all other parameters."""
        named = list(self.modules.clap.named_parameters())
        audio = [parameter for name, parameter in named if name.startswith("audio")]
        other = [parameter for name, parameter in named if not name.startswith("audio")]
        rates = [self.hparams.lr, self.hparams.text_lr]
        self.optimizer = torch.optim.AdamW(
            [{"params": params, "lr": rate} for params, rate in zip((audio, other), rates)],
            weight_decay=self.hparams.weight_decay,
        )
        self.optimizers_dict = {"opt_class": self.optimizer}
        self.checkpointer.add_recoverable("optimizer", self.optimizer)

    def on_fit_start(self):
        super().on_fit_start()
        done = self.hparams.epoch_counter.current * self.steps_per_epoch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [self.hparams.lr, self.hparams.text_lr],
            total_steps=self.hparams.epoch_counter.limit * self.steps_per_epoch,
            pct_start=0.15,
            last_epoch=done - 1 if done else -1,
        )
        torch.manual_seed(self.hparams.seed + done)  # other draws than in finished epochs
        if not done:
            self.pretrain_text_encoder()

    def embed_prompts(self, names, templates):
        """Embed class names, each in a random one of the templates."""
        drawn = torch.randint(len(templates), (len(names),)).tolist()
        sentences = [class_prompt(name, templates[i]) for name, i in zip(names, drawn)]
        tokens = self.tokenizer(sentences, padding=True, return_tensors="pt").to(self.device)
        return self.modules.clap.embed_text(tokens)

    def pretrain_text_encoder(self):
        """Train the text encoder to match two templates of each ESC-50 class name.

        The embeddings of an untrained text encoder are so similar that they do not train the audio
        encoder.
        """
        named = self.modules.clap.named_parameters()
        text = [parameter for name, parameter in named if name.startswith("text")]
        optimizer = torch.optim.AdamW(text, lr=5e-4)
        self.modules.train()
        target = torch.arange(len(ESC50_CLASSES), device=self.device)
        for _ in tqdm(range(self.hparams.text_steps), "text"):
            first, second = (self.embed_prompts(ESC50_CLASSES, TEMPLATES) for _ in range(2))
            logits = self.modules.clap.logit_scale_a.exp() * first @ second.T
            loss = cross_entropy(logits, target) + cross_entropy(logits.T, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def compute_forward(self, batch, stage):
        mel, label = (item.to(self.device) for item in batch)
        targets = torch.eye(len(self.class_names), device=self.device)[label]
        if stage == sb.Stage.TRAIN:
            mixing = self.hparams.epoch_counter.current > self.hparams.unmixed_epochs
            probability = self.hparams.mix_probability if mixing else 0.0
            mel, targets = augment(mel, targets, probability)
        templates = TEMPLATES if stage == sb.Stage.TRAIN else TEMPLATES[:1]
        audio = self.modules.clap.embed_audio(mel)
        return audio @ self.embed_prompts(self.class_names, templates).T, targets, label

    def compute_objectives(self, predictions, batch, stage):
        cosines, targets, label = predictions
        self.correct += (cosines.argmax(dim=1) == label).tolist()
        logits = self.modules.clap.logit_scale_a.exp().clamp(max=100) * cosines
        target_prompts = targets / targets.sum(dim=1, keepdim=True)
        target_clips = targets / targets.sum(dim=0, keepdim=True).clamp(min=1e-6)
        over_prompts = (target_prompts * logits.log_softmax(dim=1)).sum(dim=1).mean()
        over_clips = (target_clips * logits.log_softmax(dim=0)).sum(dim=0).mean()
        return -(over_prompts + over_clips) / 2

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        self.schedule.step()

    def on_stage_start(self, stage, epoch=None):
        self.correct = []

    def on_stage_end(self, stage, stage_loss, epoch=None):
        stats = {"loss": stage_loss, "accuracy": sum(self.correct) / len(self.correct)}
        if stage == sb.Stage.TRAIN:
            self.train_stats = stats
            return
        if stage == sb.Stage.VALID:
            self.hparams.train_logger.log_stats({"epoch": epoch}, self.train_stats, stats)
            self.checkpointer.save_and_keep_only()
        else:
            self.hparams.train_logger.log_stats({"folds": "test"}, test_stats=stats)


def augment(mel, targets, mix_probability):
    """Shift clips circularly in time, filter, mix and scale them at random.

    Returns mel power and targets; the targets of a mixture are weighted by the levels of its clips.
    """
    batch, frames, bands = mel.shape
    shifted = torch.stack([clip.roll(int(torch.randint(frames // 2, ())), 0) for clip in mel])
    level = shifted.mean(dim=(1, 2), keepdim=True)
    log_gain = interpolate(0.25 * torch.randn(batch, 1, 6), bands, mode="linear").to(mel)
    normalized = shifted * 10**log_gain / level.clamp(min=1e-9)
    partner = torch.randperm(batch, device=mel.device)
    is_mixed = torch.rand(batch, device=mel.device) < mix_probability
    weight = torch.where(is_mixed, torch.empty_like(level[:, 0, 0]).uniform_(0.15, 0.85), 1.0)
    mixture = weight[:, None, None] * normalized
    mixture = mixture + (1 - weight)[:, None, None] * normalized[partner]
    gain = level * 10 ** torch.empty_like(level).uniform_(-1, 1)
    mixed_targets = weight[:, None] * targets + (1 - weight)[:, None] * targets[partner]
    return mixture * gain, mixed_targets


def read_mels(clips, class_names):
    """Compute the encoder input of LAION's CLAP, mel power ``[clips, frames, 64]``, and labels."""
    rate = FRONT_END.sample_rate
    spectrogram = Spectrogram(FRONT_END.n_fft, FRONT_END.hop_length)
    filterbank = melscale_fbanks(
        FRONT_END.n_fft // 2 + 1, 50.0, 14000.0, 64, rate, norm="slaney", mel_scale="slaney"
    )
    window = FixedLengthInput(
        FRONT_END.seconds * rate, FRONT_END.hop_length, FRONT_END.whole_repeats
    )
    mels = []
    for clip in tqdm(clips, "reading"):
        wavs = window.fit_wav(load_audio(clip.wav, rate, clip.start, clip.stop).unsqueeze(0))
        mels.append(spectrogram(wavs).abs().square() @ filterbank)
    labels = torch.tensor([class_names.index(clip.label) for clip in clips])
    return torch.utils.data.TensorDataset(torch.cat(mels), labels)


def tokenizer_sentences(class_names):
    """Return the sentences that train the tokenizer: prompts of classes and phrases for sounds."""
    with open(PHRASES, newline="", encoding="utf-8") as file:
        phrases = [row["phrase"] for row in csv.DictReader(file)]
    names = (*class_names, *ESC50_CLASSES)
    return phrases + [class_prompt(name, template) for name in names for template in TEMPLATES]


def export(clap, tokenizer, folder, epoch):
    """Write the checkpoint in the layout of LAION's, and the tokenizer in the same folder."""
    state = {f"module.{name}": value.cpu() for name, value in clap.state_dict().items()}
    path = folder / "small_htsat.pt"
    torch.save({"epoch": epoch, "name": "small_htsat", "state_dict": state}, path)
    tokenizer.save_pretrained(folder / "tokenizer")
    return path


def main():
    """Train, test and save with the settings of the command line."""
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with open(hparams_file) as file:
        hparams = load_hyperpyyaml(file, overrides)
    folder = Path(hparams["output_folder"])
    sb.create_experiment_directory(folder, hparams_file, overrides)
    clips = read_clips(hparams["data_folder"])
    class_names = sorted({clip.label for clip in clips})
    folds = {name: hparams[f"{name}_folds"] for name in ("train", "valid", "test")}
    splits = split_by_fold(clips, **folds)
    sets = {name: read_mels(split, class_names) for name, split in splits.items()}
    brain = ContrastiveBrain(
        hparams["modules"],
        hparams=hparams,
        run_opts={"max_grad_norm": hparams["max_grad_norm"], **run_opts},
        checkpointer=hparams["checkpointer"],
    )
    brain.class_names = class_names
    brain.tokenizer = train_tokenizer(tokenizer_sentences(class_names))
    loader_kwargs = {"batch_size": hparams["batch_size"]}
    brain.steps_per_epoch = len(sets["train"]) // hparams["batch_size"]
    brain.fit(
        hparams["epoch_counter"],
        sets["train"],
        sets["valid"],
        train_loader_kwargs={**loader_kwargs, "shuffle": True, "drop_last": True},
        valid_loader_kwargs=loader_kwargs,
    )
    brain.evaluate(sets["test"], test_loader_kwargs=loader_kwargs)
    path = export(hparams["clap"], brain.tokenizer, folder, hparams["number_of_epochs"])
    print(f"{path} and {folder / 'tokenizer'}: settings of hparams/lmac_zs_laion.yaml")


if __name__ == "__main__":
    main()
