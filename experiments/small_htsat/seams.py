"""Test whether masks change more at the cuts of HTSAT's spectrogram than elsewhere.

Usage: python experiments/small_htsat/seams.py RESULTS --data_folder ESC50 [--folds 4 5]

HTSAT cuts ten seconds into four parts and stacks them along frequency. Tokens on the two sides of
a cut are therefore far apart in its input image. The mean change of a mask from frame to frame
across the cuts is compared with the mean change elsewhere.
"""

import argparse

import torch
from tqdm import tqdm

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prompts import class_prompt

NUM_PARTS = 4
FRAMES_PER_SIDE = 2
"""Frames on each side of a cut: the extent of one token."""


def mean_changes(mask, cuts):
    """Compute the mean change of ``mask`` ``[frames, bins]`` per frame, at cuts and elsewhere."""
    change = mask.diff(dim=0).abs().mean(dim=1)
    at_cut = torch.zeros(len(change), dtype=torch.bool)
    for cut in cuts:
        at_cut[cut - FRAMES_PER_SIDE : cut + FRAMES_PER_SIDE] = True
    return change[at_cut].mean(), change[~at_cut].mean()


def load_half_window(clip, interpreter):
    """Load a clip, repeated or cropped to half the encoder input, so that no silence is added."""
    samples = interpreter.model.classifier.audio_classifier.window.samples // 2
    wav = load_audio(clip.wav, interpreter.sample_rate, clip.start, clip.stop)
    return wav.repeat(-(-samples // len(wav)))[:samples]


def bootstrap_interval(changes, num_resamples=1000):
    """Bootstrap the 95 % interval of the ratio of the means of ``changes`` ``[windows, 2]``."""
    resampled = torch.randint(len(changes), (num_resamples, len(changes)))
    at_cuts, elsewhere = changes[resampled].mean(dim=1).unbind(dim=1)
    return (at_cuts / elsewhere).quantile(torch.tensor([0.025, 0.975])).tolist()


def measure_changes(interpreter, clips):
    """Measure the changes at cuts and elsewhere, ``[windows, 2]``; two clips fill a window."""
    window = interpreter.model.classifier.audio_classifier.window
    frames = window.samples // window.hop_length
    cuts = [round(frames * part / NUM_PARTS) for part in range(1, NUM_PARTS)]
    changes = []
    for first, second in zip(tqdm(clips[::2]), clips[1::2]):
        wavs = torch.cat([load_half_window(clip, interpreter) for clip in (first, second)])
        prompt = class_prompt(first.label)
        (interpretation,) = interpreter.interpret_batch(wavs.unsqueeze(0), prompt)
        # the middle cut is left out, because one clip follows the other there
        changes.append(torch.stack(mean_changes(interpretation.mask[0], cuts[::2])))
    return torch.stack(changes)


def main():
    """Print the mean changes and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", help="results folder of the training of an interpreter")
    parser.add_argument("--data_folder", required=True, help="folder with the layout of ESC-50")
    parser.add_argument(
        "--folds", nargs="+", type=int, default=[4, 5], help="folds to explain (default: 4 5)"
    )
    options = parser.parse_args()
    interpreter = Interpreter.from_hparams(options.results, run_opts={"device": "cpu"})
    clips = [clip for clip in read_clips(options.data_folder) if clip.fold in options.folds]
    changes = measure_changes(interpreter, clips)
    at_cuts, elsewhere = changes.mean(dim=0).tolist()
    torch.manual_seed(0)
    low, high = bootstrap_interval(changes)
    print(f"mean change at cuts {at_cuts:.4f}, elsewhere {elsewhere:.4f} ({len(changes)} windows)")
    print(f"ratio {at_cuts / elsewhere:.2f} (95 % interval {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
