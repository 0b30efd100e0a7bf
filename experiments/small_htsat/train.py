"""Train a small HTSAT against prompts and save it in the layout of LAION's checkpoints.

Usage: python experiments/small_htsat/train.py experiments/small_htsat/train.yaml --data_folder
ESC50

It is there to see the method at work on a transformer encoder where LAION's weights cannot be
had. Few clips teach it: it knows the ten classes of ESC-10 and nothing else.
"""

import csv
import sys
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from small_htsat import tokenizer
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


class Contrastive(sb.Brain):
    """Clips and prompts of the classes, told apart both ways."""

    def init_optimizers(self):
        audio = [p for n, p in self.modules.clap.named_parameters() if n.startswith("audio")]
        rest = [p for n, p in self.modules.clap.named_parameters() if not n.startswith("audio")]
        rates = [self.hparams.lr, self.hparams.text_lr]
        self.optimizer = torch.optim.AdamW(
            [{"params": params, "lr": rate} for params, rate in zip((audio, rest), rates)],
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
        torch.manual_seed(self.hparams.seed + done)  # a resumed run draws what is still to come
        if not done:
            self.teach_text()

    def prompts(self, names, templates):
        """Embeddings of names, each in one of the templates drawn at random."""
        drawn = torch.randint(len(templates), (len(names),)).tolist()
        sentences = [class_prompt(name, templates[i]) for name, i in zip(names, drawn)]
        tokens = self.words(sentences, padding=True, return_tensors="pt").to(self.device)
        return self.modules.clap.queries(tokens)

    def teach_text(self):
        """Names apart, wordings together: text that starts all alike teaches sounds nothing."""
        text = [p for n, p in self.modules.clap.named_parameters() if n.startswith("text")]
        optimizer = torch.optim.AdamW(text, lr=5e-4)
        self.modules.train()
        target = torch.arange(len(ESC50_CLASSES), device=self.device)
        for _ in tqdm(range(self.hparams.text_steps), "text"):
            one, other = (self.prompts(ESC50_CLASSES, TEMPLATES) for _ in range(2))
            logits = self.modules.clap.logit_scale_a.exp() * one @ other.T
            loss = cross_entropy(logits, target) + cross_entropy(logits.T, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def compute_forward(self, batch, stage):
        mel, label = (item.to(self.device) for item in batch)
        shares = torch.eye(len(self.names), device=self.device)[label]
        if stage == sb.Stage.TRAIN:
            mixing = self.hparams.epoch_counter.current > self.hparams.pure_epochs
            probability = self.hparams.mix_probability if mixing else 0.0
            mel, shares = augment(mel, shares, probability)
        templates = TEMPLATES if stage == sb.Stage.TRAIN else TEMPLATES[:1]
        audio = self.modules.clap.embed_audio(mel)
        return audio @ self.prompts(self.names, templates).T, shares, label

    def compute_objectives(self, predictions, batch, stage):
        cosines, shares, label = predictions
        self.right += (cosines.argmax(dim=1) == label).tolist()
        logits = self.modules.clap.logit_scale_a.exp().clamp(max=100) * cosines
        of_clips = shares / shares.sum(dim=1, keepdim=True)
        of_prompts = shares / shares.sum(dim=0, keepdim=True).clamp(min=1e-6)
        by_clip = (of_clips * logits.log_softmax(dim=1)).sum(dim=1).mean()
        by_prompt = (of_prompts * logits.log_softmax(dim=0)).sum(dim=0).mean()
        return -(by_clip + by_prompt) / 2

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        self.schedule.step()

    def on_stage_start(self, stage, epoch=None):
        self.right = []

    def on_stage_end(self, stage, stage_loss, epoch=None):
        stats = {"loss": stage_loss, "accuracy": sum(self.right) / len(self.right)}
        if stage == sb.Stage.TRAIN:
            self.train_stats = stats
            return
        if stage == sb.Stage.VALID:
            self.hparams.train_logger.log_stats({"epoch": epoch}, self.train_stats, stats)
            self.checkpointer.save_and_keep_only()
        else:
            self.hparams.train_logger.log_stats({"folds": "test"}, test_stats=stats)


def augment(mel, shares, mix_probability):
    """Turn clips round in time, color them, and mix some, at random levels."""
    batch, frames, bands = mel.shape
    turned = torch.stack([clip.roll(int(torch.randint(frames // 2, ())), 0) for clip in mel])
    level = turned.mean(dim=(1, 2), keepdim=True)
    color = interpolate(0.25 * torch.randn(batch, 1, 6), bands, mode="linear").to(mel)
    even = turned * 10**color / level.clamp(min=1e-9)
    other = torch.randperm(batch, device=mel.device)
    mixed = torch.rand(batch, device=mel.device) < mix_probability
    own = torch.where(mixed, torch.empty_like(level[:, 0, 0]).uniform_(0.15, 0.85), 1.0)
    mixture = own[:, None, None] * even + (1 - own)[:, None, None] * even[other]
    gain = level * 10 ** torch.empty_like(level).uniform_(-1, 1)
    return mixture * gain, own[:, None] * shares + (1 - own)[:, None] * shares[other]


def read_mels(clips, names):
    """Mel power ``[clips, frames, 64]`` as LAION's encoder hears it, and labels."""
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
    labels = torch.tensor([names.index(clip.label) for clip in clips])
    return torch.utils.data.TensorDataset(torch.cat(mels), labels)


def sentences(names):
    """What the tokenizer is learnt from: prompts of the names, and phrases for many sounds."""
    with open(PHRASES, newline="", encoding="utf-8") as file:
        phrases = [row["phrase"] for row in csv.DictReader(file)]
    return phrases + [class_prompt(name, t) for name in (*names, *ESC50_CLASSES) for t in TEMPLATES]


def export(clap, words, folder, epoch):
    """Write the checkpoint as LAION's training leaves one, and the tokenizer beside it."""
    state = {f"module.{name}": value.cpu() for name, value in clap.state_dict().items()}
    path = folder / "small_htsat.pt"
    torch.save({"epoch": epoch, "name": "small_htsat", "state_dict": state}, path)
    words.save_pretrained(folder / "tokenizer")
    return path


def main():
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with open(hparams_file) as file:
        hparams = load_hyperpyyaml(file, overrides)
    folder = Path(hparams["output_folder"])
    sb.create_experiment_directory(folder, hparams_file, overrides)
    clips = read_clips(hparams["data_folder"])
    names = sorted({clip.label for clip in clips})
    folds = {name: hparams[f"{name}_folds"] for name in ("train", "valid", "test")}
    sets = {name: read_mels(held, names) for name, held in split_by_fold(clips, **folds).items()}
    brain = Contrastive(
        hparams["modules"],
        hparams=hparams,
        run_opts={"max_grad_norm": hparams["max_grad_norm"], **run_opts},
        checkpointer=hparams["checkpointer"],
    )
    brain.names, brain.words = names, tokenizer(sentences(names))
    loader = {"batch_size": hparams["batch_size"]}
    brain.steps_per_epoch = len(sets["train"]) // hparams["batch_size"]
    brain.fit(
        hparams["epoch_counter"],
        sets["train"],
        sets["valid"],
        train_loader_kwargs={**loader, "shuffle": True, "drop_last": True},
        valid_loader_kwargs=loader,
    )
    brain.evaluate(sets["test"], test_loader_kwargs=loader)
    path = export(hparams["clap"], brain.words, folder, hparams["number_of_epochs"])
    print(f"{path} and {folder / 'tokenizer'}: load them with --clap of hparams/lmac_zs_laion.yaml")


if __name__ == "__main__":
    main()
