"""Time ScoreCAM and GScoreCAM side by side with torchcam's ScoreCAM, on the same
CNN and clips.

Usage: python benchmarks/score_cams.py [--clap mini|tagger] [--weights TAGGER_WEIGHTS]
       [--batch 8] [--rounds 3] [--threads 1]

Mel plane, 5-s clips, deepest hidden map, one batch of clips, each with a prompt of its own.
torchcam gets magnitude as its model's input, all clips in one call and its default of 32 masked
clips at once. Of the tagger it gets the network as its authors publish it; our adapter runs the
same function with the norms folded into the convolutions, channels last. Rounds are interleaved
and medians are quoted, since machines are noisy; the ratio is what travels. Without weights the
tagger's are random; that changes the channels that say nothing, and little else in the time.
"""

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torchcam import methods as torchcam

from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.score_cam import GScoreCAM, ScoreCAM
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import normalize_attributions
from speechbrain_lmac.models.backbones.mobilenet import Tagger, load_weights
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP
from speechbrain_lmac.models.clap.mini import MiniCLAP


class Scores(nn.Module):
    """Logits ``[batch, prompts]`` of magnitude ``[batch, 1, frames, bands]``; ``last`` hands the
    deepest hidden map ``[batch, channels, frames', bands']`` out to be hooked."""

    def __init__(self, classifier, text):
        super().__init__()
        self.classifier, self.text = classifier, text
        self.last = nn.Identity()

    def forward(self, magnitude):
        encoding = self.classifier.domain.encode(magnitude.squeeze(1).square())
        self.last(encoding.hidden[0])
        return self.classifier.logits(encoding.vector, self.text)


def build(name, weights):
    """The CLAP that is named."""
    if name == "mini":
        return MiniCLAP()
    if weights is None:
        weights = Path(tempfile.mkdtemp()) / "random.pt"
        torch.save(Tagger().state_dict(), weights)
    return EfficientATCLAP(weights)


def double_softmax_drop(clap):
    """The CLAP with its authors' network, norms unfolded."""
    if not isinstance(clap, EfficientATCLAP):
        return clap
    plain = copy.copy(clap)
    plain._modules = {**clap._modules, "tagger": Tagger().eval().requires_grad_(False)}
    load_weights(plain.tagger, clap.weights)
    return plain


def contenders(clap, batch):
    """Name -> function that explains the batch: torchcam's ScoreCAM, ours, and
    GScoreCAM."""
    kinds = [list(KINDS)[clip % len(KINDS)] for clip in range(batch)]
    wavs = torch.stack([synthesize(kind, seed=clip) for clip, kind in enumerate(kinds)])
    text = clap.queries([class_prompt(kind) for kind in kinds])
    classifier = MaskedClassifier(MelDomain(clap))
    encoded = classifier.encode_clips(wavs)
    model, inputs = InterpreterNetwork(classifier, None), ExplainerInputs(text, seeds=())
    theirs = MaskedClassifier(MelDomain(double_softmax_drop(clap)))
    scores, magnitude = Scores(theirs, text), encoded.power.sqrt().unsqueeze(1)

    @torch.no_grad()
    def upstream():
        with torchcam.ScoreCAM(
            scores, target_layer="last", input_shape=magnitude.shape[1:]
        ) as extractor:
            scores(magnitude)
            (cams,) = extractor(list(range(batch)), normalized=False)
        return upsample_to_grid(cams, classifier.grid(encoded))

    return {
        "torchcam's ScoreCAM": upstream,
        "ScoreCAM": lambda: ScoreCAM()(model, encoded, inputs),
        "GScoreCAM": lambda: GScoreCAM()(model, encoded, inputs),
    }


def seconds(function):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clap", choices=["mini", "tagger"], default="mini")
    parser.add_argument("--weights", type=Path, help="the tagger's mn04_as_mAP_432.pt")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    functions = contenders(build(options.clap, options.weights), options.batch)
    theirs, ours, _ = (function() for function in functions.values())  # and all are warm
    apart = (normalize_attributions(ours) - normalize_attributions(theirs)).abs().max()
    print(f"{options.clap}, {options.batch} clips of 5 s; the two ScoreCAMs differ by {apart:.1e}")
    taken = {name: [] for name in functions}
    for _ in range(options.rounds):
        for name, function in functions.items():
            taken[name].append(seconds(function))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:20s} {median:7.2f} s   {first / median:5.2f} times as fast")


if __name__ == "__main__":
    main()
