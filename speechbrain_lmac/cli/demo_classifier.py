"""Supervised part of the demo: a small classifier of the synthetic sounds, and its interpreter."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechbrain_lmac.models.classifiers.hooked import HookedClassifier

SAMPLE_RATE = 16000
STEPS, BATCH, EPOCHS = 150, 32, 8
"""Training steps and batch size of the classifier, and training epochs of the interpreter."""


def train_classifier(data_folder: Path) -> "HookedClassifier":
    """Train a small network on folds 1 to 3 of a folder and wrap it for explanations."""
    import torch
    from torch import nn

    from speechbrain_lmac.audio.io import load_audio
    from speechbrain_lmac.data.datasets import read_clips
    from speechbrain_lmac.models.classifiers.front_end import FrontEnd
    from speechbrain_lmac.models.classifiers.hooked import HookedClassifier

    torch.manual_seed(0)
    clips = [clip for clip in read_clips(data_folder) if clip.fold <= 3]
    names = sorted({clip.label for clip in clips})
    labels = torch.tensor([names.index(clip.label) for clip in clips])
    front_end = FrontEnd(SAMPLE_RATE, n_fft=512, hop_length=160, bands=40, floor=1e-5)
    wavs = torch.stack([load_audio(clip.wav, SAMPLE_RATE) for clip in clips])
    inputs = torch.cat([front_end(part) for part in wavs.split(BATCH)])
    layers = [nn.Conv2d(1, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU()]
    network = nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, len(names))
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(STEPS):
        batch = torch.randperm(len(labels))[:BATCH]
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
        optimizer.step()
    return HookedClassifier(network, "6", names, front_end, hidden=["3", "1"])


def train_and_explain(folder: Path, data_folder: Path) -> str:
    """Train a classifier and its interpreter, and explain a clip of fold 5.

    No training uses fold 5. Its first clip is taken whose class is predicted.

    Arguments
    ---------
    folder : Path
        Output folder.
    data_folder : Path
        Folder of labeled sounds.

    Returns
    -------
    str
        Line to print.
    """
    from speechbrain_lmac import Interpreter, train_interpreter
    from speechbrain_lmac.data.datasets import read_clips

    classifier = train_classifier(data_folder)
    results = train_interpreter(
        classifier,
        data_folder,
        masking="mel",
        output_folder=folder,
        number_of_epochs=EPOCHS,
        valid_interval=EPOCHS,
        device="cpu",
    )
    interpreter = Interpreter.from_hparams(
        source=results, audio_classifier=classifier, run_opts={"device": "cpu"}
    )
    clips = [clip for clip in read_clips(data_folder) if clip.fold == 5]
    correct = (c for c in clips if interpreter.classify_file(c.wav).best == c.label)
    clip = next(correct, clips[0])
    result = interpreter.interpret_file(clip.wav)
    (written,) = result.save(folder / "clip")
    prediction, probability = result.prompts[0], result.probabilities[0]
    return (
        f"{Path(clip.wav).name}, a test clip of “{clip.label}”: predicted class “{prediction}”, "
        f"probability {probability:.2f}: {written}"
    )
