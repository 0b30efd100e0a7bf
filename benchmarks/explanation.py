"""Time an explanation beside a classification of the same file, and beside other explainers.

Usage: python benchmarks/explanation.py [--clap mini|htsat] [--threads 1] [--rounds 15]
       [--seconds 5 30 120 600] [--others GradCAM++ IG-50 ScoreCAM]

From the file (16-bit, 44.1 kHz, as ESC-50's) to a waveform; a classification goes from the file
to the best of 50 names. Texts are embedded before, in both. GradCAM++, integrated gradients of 50
steps and ScoreCAM go from the file to their map, and are not made audible: that flatters them.
Rounds are interleaved and medians are quoted, since machines are noisy; the ratio is what travels.
MiniCLAP is explained by the shipped interpreters. ``htsat`` is LAION's HTSAT-tiny, with
random weights, and so is its decoder, which changes nothing in the time. Lengths are each measured
in a process of its own, with its peak of memory; of HTSAT, which hears 10 s, there is none. Beside
HTSAT, IG-50 and ScoreCAM take a quarter of an hour: ``--others GradCAM++`` goes without.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.cam import GradCAMPlusPlus
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.score_cam import ScoreCAM
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.laion import LaionCLAP

RATE = 44100
PROMPTS = (1, 10, 50)
OTHERS = {
    "GradCAM++": GradCAMPlusPlus(),
    "IG-50": IntegratedGradients(steps=50),
    "ScoreCAM": ScoreCAM(),
}


def main():
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.alone is not None:
            alone(options, Path(folder))
            return
        for masking in DOMAINS:
            beside(options, masking, Path(folder))
    if options.clap == "mini":
        for seconds in options.seconds:
            command = [sys.executable, __file__, "--alone", str(seconds)]
            subprocess.run([*command, "--threads", str(options.threads)], check=True)


def parser():
    this = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    this.add_argument("--clap", choices=["mini", "htsat"], default="mini")
    this.add_argument("--threads", type=int, default=1)
    this.add_argument("--rounds", type=int, default=15)
    this.add_argument("--seconds", type=float, nargs="*", default=[5, 30, 120, 600])
    this.add_argument("--others", nargs="*", default=list(OTHERS), choices=list(OTHERS))
    this.add_argument("--alone", type=float, help=argparse.SUPPRESS)
    return this


def build(name, masking, folder):
    """A model and embeddings of the 50 names; of HTSAT made up, for there is no text encoder."""
    if name == "mini":
        model = Interpreter.from_hparams(f"mini-{masking}", run_opts={"device": "cpu"}).mods.model
        return model, model.classifier.audio_classifier.queries(
            [class_prompt(label) for label in ESC50_CLASSES]
        )
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are not installed
    from tests.helpers import reference_models

    torch.manual_seed(0)
    weights = reference_models.save_laion(
        reference_models.laion_clap("HTSAT-tiny"), folder / "official.pt"
    )
    clap = LaionCLAP(weights, reference_models.write_tokenizer(folder / "words"))
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim)
    model = InterpreterNetwork(MaskedClassifier(DOMAINS[masking](clap)), decoder).eval()
    return model, torch.nn.functional.normalize(torch.randn(50, clap.query_dim), dim=1)


def write(folder, seconds):
    """A file of noise."""
    path = folder / "clip.wav"
    noise = 0.1 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(0))
    soundfile.write(path, noise.numpy(), RATE)
    return path


def wanted(name, masking, path, folder, others=()):
    """What is timed: name -> function."""
    model, text = build(name, masking, folder)
    classifier = model.classifier
    clap = classifier.audio_classifier

    def read():
        return load_audio(path, clap.sample_rate).unsqueeze(0)

    @torch.no_grad()
    def classify():
        return (clap(read()).vector @ text.T).argmax()

    @torch.no_grad()
    def explain(prompts):
        encoded = classifier.encode_clips(read())
        return classifier.apply_mask(encoded, model(encoded, text[:prompts].unsqueeze(1)))

    def other(explainer):
        inputs = ExplainerInputs(text[:1], seeds=(0,), class_queries=text)
        return explainer(model, classifier.encode_clips(read()), inputs)

    found = {"classification": classify}
    for count in PROMPTS:
        found[f"explanation, {count} prompt{'s' * (count > 1)}"] = lambda n=count: explain(n)
    for label in others:
        explainer = OTHERS[label]
        passes = explainer.passes(classifier)
        found[f"{label} ({passes} passes)"] = lambda e=explainer: other(e)
    return found


def milliseconds(function):
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def beside(options, masking, folder):
    """All of them on a clip of 5 s, in turn."""
    functions = wanted(options.clap, masking, write(folder, 5), folder, options.others)
    times = {name: [] for name in functions}
    order = random.Random(0)
    for round_ in range(options.rounds):
        # whoever follows the 50 prompts finds cold caches: not always the same
        for name, function in order.sample(sorted(functions.items()), len(functions)):
            if round_ < 2 or "ScoreCAM" not in name:
                times[name].append(milliseconds(function))
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    print(f"\n{options.clap}, {masking} masking, 5 s, {options.threads} thread(s)")
    for name, median in medians.items():
        print(f"{name:42s} {median:9.1f} ms {median / medians['classification']:8.2f} x")


def alone(options, folder):
    """One length, STFT masking, with the peak of memory."""
    functions = wanted("mini", "stft", write(folder, options.alone), folder)
    classify, explain = functions["classification"], functions["explanation, 1 prompt"]
    pairs = [(milliseconds(classify), milliseconds(explain)) for _ in range(5)]
    classification, explanation = (statistics.median(taken) for taken in zip(*pairs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{options.alone:5.0f} s: classification {classification:.0f} ms, explanation "
        f"{explanation / classification:.2f} x that; peak of the process {peak:.0f} MiB"
    )


if __name__ == "__main__":
    main()
