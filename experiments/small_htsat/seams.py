"""Do masks jump where HTSAT folds its spectrogram?

Usage: python experiments/small_htsat/seams.py RESULTS --data_folder ESC50 [--folds 4 5]

HTSAT cuts ten seconds in four and lays the pieces under each other: tokens on both sides of a cut
are far apart in its image. The mean change of a mask from frame to frame across the cuts is
compared with that elsewhere.
"""

import argparse

import torch
from tqdm import tqdm

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prompts import class_prompt

CHUNKS = 4
REACH = 2
"""Frames on each side of a cut: as far as one token reaches."""


def jumps(mask, borders):
    """Mean change from frame to frame of ``mask`` ``[frames, bins]``, at cuts and elsewhere."""
    change = mask.diff(dim=0).abs().mean(dim=1)
    at_cut = torch.zeros(len(change), dtype=torch.bool)
    for border in borders:
        at_cut[border - REACH : border + REACH] = True
    return change[at_cut].mean(), change[~at_cut].mean()


def half_window(clip, interpreter):
    """A clip, repeated or cut to half of what the encoder hears: windows without silence."""
    samples = interpreter.model.classifier.audio_classifier.window.samples // 2
    wav = load_audio(clip.wav, interpreter.sample_rate, clip.start, clip.stop)
    return wav.repeat(-(-samples // len(wav)))[:samples]


def interval(found, draws=1000):
    """The ratio of means over windows ``[windows, 2]`` in 95 % of resampled sets of windows."""
    chosen = torch.randint(len(found), (draws, len(found)))
    at_cuts, elsewhere = found[chosen].mean(dim=1).unbind(dim=1)
    return (at_cuts / elsewhere).quantile(torch.tensor([0.025, 0.975])).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results")
    parser.add_argument("--data_folder", required=True)
    parser.add_argument("--folds", nargs="+", type=int, default=[4, 5])
    options = parser.parse_args()
    interpreter = Interpreter.from_hparams(options.results, run_opts={"device": "cpu"})
    window = interpreter.model.classifier.audio_classifier.window
    frames = window.samples // window.hop_length
    borders = [round(frames * cut / CHUNKS) for cut in range(1, CHUNKS)]
    clips = [clip for clip in read_clips(options.data_folder) if clip.fold in options.folds]
    found = []
    for clip, other in zip(tqdm(clips[::2]), clips[1::2]):  # two clips fill a window
        wavs = torch.cat([half_window(half, interpreter) for half in (clip, other)])
        (why,) = interpreter.interpret_batch(wavs.unsqueeze(0), class_prompt(clip.label))
        found.append(torch.stack(jumps(why.mask[0], borders[::2])))  # in the middle sounds change
    found = torch.stack(found)
    at_cuts, elsewhere = found.mean(dim=0).tolist()
    torch.manual_seed(0)
    low, high = interval(found)
    print(f"{len(found)} windows: {at_cuts:.4f} at cuts, {elsewhere:.4f} elsewhere", end=", ")
    print(f"ratio {at_cuts / elsewhere:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
