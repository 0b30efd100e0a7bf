"""Time an explanation relative to a classification of the same file and to other explainers.

Usage: python benchmarks/explanation.py [--clap mini|htsat] [--threads 1] [--rounds 15]
       [--seconds 5 30 120 600] [--others GradCAM++ IG-50 ScoreCAM]

An explanation is timed from the file (16-bit, 44.1 kHz, like ESC-50) to the waveform. A
classification is timed from the file to the best of 50 classes. Text embeddings are computed before
both. GradCAM++, integrated gradients of 50 steps and ScoreCAM are timed from the file to the
attribution map only, without a waveform, which is an advantage for them. Rounds are interleaved and
medians are printed, because timings are noisy. The ratio is comparable between machines.

MiniCLAP is explained by the pretrained interpreters. ``htsat`` is HTSAT-tiny of LAION with random
weights and a random decoder, which do not change the time. With MiniCLAP, each length of
``--seconds`` is also measured in an own process, with its peak memory. HTSAT has a window of 10 s
and is measured on 5 s only. IG-50 and ScoreCAM on HTSAT take 15 minutes; ``--others GradCAM++``
leaves them out.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.explainers.cam import GradCAMPlusPlus
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.score_cam import ScoreCAM
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.laion import LaionCLAP

RATE = 44100
"""Sample rate of the files in Hz."""
PROMPTS = (1, 10, 50)
"""Numbers of prompts of an explanation."""
OTHERS = {
    "GradCAM++": GradCAMPlusPlus(),
    "IG-50": IntegratedGradients(steps=50),
    "ScoreCAM": ScoreCAM(),
}
"""Other explainers by name."""


def main() -> None:
    """Measure both masking domains on 5 s, then each length in an own process."""
    options = make_parser().parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.alone is not None:
            measure_length(options, Path(folder))
            return
        for masking in DOMAINS:
            compare_methods(options, masking, Path(folder))
    if options.clap == "mini":
        for seconds in options.seconds:
            command = [sys.executable, __file__, "--alone", str(seconds)]
            subprocess.run([*command, "--threads", str(options.threads)], check=True)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--clap", choices=["mini", "htsat"], default="mini", help="classifier (default: mini)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    parser.add_argument("--rounds", type=int, default=15, help="calls of a method (default: 15)")
    parser.add_argument(
        "--seconds",
        type=float,
        nargs="*",
        default=[5, 30, 120, 600],
        help="lengths that are measured in own processes (default: 5 30 120 600)",
    )
    parser.add_argument(
        "--others",
        nargs="*",
        default=list(OTHERS),
        choices=list(OTHERS),
        help="other explainers (default: all)",
    )
    parser.add_argument("--alone", type=float, help=argparse.SUPPRESS)
    return parser


def build_model(name: str, masking: str, folder: Path) -> tuple[InterpreterNetwork, torch.Tensor]:
    """Return a network and the embeddings of 50 classes, which are random for HTSAT."""
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


def write_noise(folder: Path, seconds: float) -> Path:
    """Write a file of noise and return its path."""
    path = folder / "clip.wav"
    noise = 0.1 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(0))
    soundfile.write(path, noise.numpy(), RATE)
    return path


def make_functions(
    name: str, masking: str, path: Path, folder: Path, others: Iterable[str] = ()
) -> dict[str, Callable[[], object]]:
    """Return the functions to time, by name: classification, explanations, other explainers."""
    model, text = build_model(name, masking, folder)
    classifier = model.classifier
    clap = classifier.audio_classifier

    def read() -> torch.Tensor:
        return load_audio(path, clap.sample_rate).unsqueeze(0)

    @torch.no_grad()
    def classify() -> torch.Tensor:
        return (clap(read()).vector @ text.T).argmax()

    @torch.no_grad()
    def explain(prompts: int) -> torch.Tensor:
        encoded = classifier.encode_clips(read())
        return classifier.apply_mask(encoded, model(encoded, text[:prompts].unsqueeze(1)))

    def attribute(explainer: Explainer) -> torch.Tensor:
        inputs = ExplainerInputs(text[:1], seeds=(0,), class_queries=text)
        return explainer(model, classifier.encode_clips(read()), inputs)

    functions: dict[str, Callable[[], object]] = {"classification": classify}
    for count in PROMPTS:
        functions[f"explanation, {count} prompt{'s' * (count > 1)}"] = partial(explain, count)
    for label in others:
        explainer = OTHERS[label]
        passes = explainer.passes(classifier)
        functions[f"{label} ({passes} passes)"] = partial(attribute, explainer)
    return functions


def milliseconds(function: Callable[[], object]) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def compare_methods(options: argparse.Namespace, masking: str, folder: Path) -> None:
    """Time all methods on a clip of 5 s and print the medians, also relative to classification."""
    path = write_noise(folder, 5)
    functions = make_functions(options.clap, masking, path, folder, options.others)
    times: dict[str, list[float]] = {name: [] for name in functions}
    order = random.Random(0)
    for round_ in range(options.rounds):
        # in random order, because the method after the 50 prompts finds cold caches
        for name, function in order.sample(sorted(functions.items()), len(functions)):
            if round_ < 2 or "ScoreCAM" not in name:
                times[name].append(milliseconds(function))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    print(f"\n{options.clap}, {masking} masking, 5 s, {options.threads} thread(s)")
    for name, median in medians.items():
        print(f"{name:42s} {median:9.1f} ms {median / medians['classification']:8.2f} x")


def measure_length(options: argparse.Namespace, folder: Path) -> None:
    """Time one length with STFT masking, and print the peak memory of this process."""
    functions = make_functions("mini", "stft", write_noise(folder, options.alone), folder)
    classify, explain = functions["classification"], functions["explanation, 1 prompt"]
    pairs = [(milliseconds(classify), milliseconds(explain)) for _ in range(5)]
    classification, explanation = (statistics.median(times) for times in zip(*pairs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{options.alone:5.0f} s: classification {classification:.0f} ms, explanation "
        f"{explanation / classification:.2f} x as long, peak memory {peak:.0f} MiB"
    )


if __name__ == "__main__":
    main()
