"""Time ScoreCAM and GScoreCAM of this package, and ScoreCAM of torchcam, on the same clips.

Usage: python benchmarks/score_cams.py [--clap mini|tagger] [--weights EFFICIENTAT_WEIGHTS]
       [--batch 8] [--rounds 3] [--threads 1]

All methods explain one batch of 5 s clips, one prompt per clip, in the mel domain by the deepest
hidden map. torchcam receives magnitudes, all clips in one call, and encodes 32 masked clips at
once (its default). With EfficientAT, torchcam runs the network as its authors publish it. Our
adapter computes the same function with batch norms folded into the convolutions, in the
channels-last format.

Rounds are interleaved and medians are printed, because timings are noisy. The ratio is comparable
between machines. Without a file, EfficientAT has random weights. They change which channels are
constant, and hardly change the time.
"""

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torchcam import methods as torchcam

from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.explainers.score_cam import GScoreCAM, ScoreCAM
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import normalize_attributions
from speechbrain_lmac.models.backbones.mobilenet import Tagger, load_weights
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP
from speechbrain_lmac.models.clap.mini import MiniCLAP


class Scores(nn.Module):
    """Network from magnitudes ``[batch, 1, frames, bands]`` to logits ``[batch, prompts]``.

    The submodule ``last`` returns the deepest hidden map, ``[batch, channels, frames', bands']``.
    torchcam hooks it.
    """

    def __init__(self, classifier: MaskedClassifier, text: torch.Tensor) -> None:
        super().__init__()
        self.classifier, self.text = classifier, text
        self.last = nn.Identity()

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        encoding = self.classifier.domain.encode(magnitude.squeeze(1).square())
        self.last(encoding.hidden[0])
        return self.classifier.logits(encoding.vector, self.text)


def build_clap(name: str, weights: Path | None) -> MiniCLAP | EfficientATCLAP:
    """Load MiniCLAP, or EfficientAT CLAP with random weights if no file is given."""
    if name == "mini":
        return MiniCLAP()
    if weights is None:
        weights = Path(tempfile.mkdtemp()) / "random.pt"
        torch.save(Tagger().state_dict(), weights)
    return EfficientATCLAP(weights)


def with_published_network(clap: MiniCLAP | EfficientATCLAP) -> MiniCLAP | EfficientATCLAP:
    """Return the CLAP with the network of its authors, in which batch norms are not folded."""
    if not isinstance(clap, EfficientATCLAP):
        return clap
    published = copy.copy(clap)
    published._modules = {**clap._modules, "tagger": Tagger().eval().requires_grad_(False)}
    load_weights(published.tagger, clap.weights)
    return published


def make_methods(
    clap: MiniCLAP | EfficientATCLAP, batch: int
) -> dict[str, Callable[[], torch.Tensor]]:
    """Return functions that explain a batch, by name: ScoreCAM of torchcam first, then ours."""
    kinds = [list(KINDS)[clip % len(KINDS)] for clip in range(batch)]
    wavs = torch.stack([synthesize(kind, seed=clip) for clip, kind in enumerate(kinds)])
    text = clap.queries([class_prompt(kind) for kind in kinds])
    classifier = MaskedClassifier(MelDomain(clap))
    encoded = classifier.encode_clips(wavs)
    model, inputs = ExplainerNetwork(classifier, "energy"), ExplainerInputs(text, seeds=())
    published = MaskedClassifier(MelDomain(with_published_network(clap)))
    scores, magnitude = Scores(published, text), encoded.power.sqrt().unsqueeze(1)

    @torch.no_grad()
    def explain_by_torchcam() -> torch.Tensor:
        with torchcam.ScoreCAM(
            scores, target_layer="last", input_shape=magnitude.shape[1:]
        ) as extractor:
            scores(magnitude)
            (cams,) = extractor(list(range(batch)), normalized=False)
        return upsample_to_grid(cams, classifier.grid(encoded))

    return {
        "ScoreCAM (torchcam)": explain_by_torchcam,
        "ScoreCAM": lambda: ScoreCAM()(model, encoded, inputs),
        "GScoreCAM": lambda: GScoreCAM()(model, encoded, inputs),
    }


def seconds(function: Callable[[], object]) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--clap",
        choices=["mini", "tagger"],
        default="mini",
        help="MiniCLAP or EfficientAT CLAP (default: mini)",
    )
    parser.add_argument("--weights", type=Path, help="mn04_as_mAP_432.pt of EfficientAT")
    parser.add_argument("--batch", type=int, default=8, help="number of clips (default: 8)")
    parser.add_argument("--rounds", type=int, default=3, help="calls of each method (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    return parser


def main() -> None:
    """Print the difference between the two ScoreCAMs, and the median time of each method."""
    options = make_parser().parse_args()
    torch.set_num_threads(options.threads)
    functions = make_methods(build_clap(options.clap, options.weights), options.batch)
    # the first calls are not timed
    by_torchcam, by_package, _ = (function() for function in functions.values())
    difference = normalize_attributions(by_package) - normalize_attributions(by_torchcam)
    print(f"{options.clap}, {options.batch} clips of 5 s")
    print(f"maximum difference between the two ScoreCAMs: {difference.abs().max():.1e}")
    times = {name: [] for name in functions}
    for _ in range(options.rounds):
        for name, function in functions.items():
            times[name].append(seconds(function))
    medians = {name: statistics.median(values) for name, values in times.items()}
    reference = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:20s} {median:7.2f} s   {reference / median:5.2f} times as fast")


if __name__ == "__main__":
    main()
