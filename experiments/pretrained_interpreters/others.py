"""Write extra training clips for an interpreter, with labels that a CLAP predicts.

Usage: python -m experiments.pretrained_interpreters.others RECORDINGS FOLDER [TAGGER_WEIGHTS]

RECORDINGS is the folder of recordings of ``experiments/mini_clap``. Each recording outside ESC-10
is augmented twice, and random textures are added. The text of a clip is the most similar of
AudioSet's labels according to MiniCLAP, or to EfficientAT CLAP if its weights are given. An
interpreter explains the predictions of a CLAP, so the true labels are not needed. FOLDER receives
the clips and ``others.csv``, for ``train.py --extra_train_manifest``.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from tqdm import tqdm

from experiments.mini_clap.recordings import find_recordings
from experiments.mini_clap.scenes import augment
from experiments.mini_clap.signals import RATE, SECONDS
from experiments.mini_clap.textures import draw_texture
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP
from speechbrain_lmac.models.clap.mini import MiniCLAP

SEED = 7
CLIPS_PER_RECORDING = 2
"""Number of clips from each recording, with different augmentations."""
NUM_TEXTURES = 600
MIN_PEAK = 1e-3
"""Clips with a lower peak are dropped: a texture may be cropped to a pause."""
VALID_INTERVAL = 10
"""One of so many sources is in the validation part, which selects the epoch."""


def main(recordings, folder, weights=None):
    """Write the clips and their manifest."""
    clap = MiniCLAP() if weights is None else EfficientATCLAP(weights)
    clips = write_clips(recordings, folder, clap)
    manifest.write(Path(folder) / "others.csv", clips)
    print(f"{len(clips)} clips with {len({clip.text for clip in clips})} labels -> {folder}")


@torch.no_grad()
def write_clips(recordings, folder, clap, num_textures=NUM_TEXTURES):
    """Write the clips and return their manifest rows."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prompts = [class_prompt(label) for label in audioset_labels()]
    queries = clap.queries(prompts)
    clips = []
    for source, wave in tqdm(_draw_clips(Path(recordings), num_textures), "writing and labeling"):
        if np.abs(wave).max() < MIN_PEAK:
            continue
        name = f"other-{len(clips):04d}"
        soundfile.write(folder / f"{name}.flac", wave, RATE, "PCM_16")
        cosines = clap(torch.from_numpy(wave).unsqueeze(0)).vector @ queries.T
        clips.append(
            Clip(
                ID=name,
                wav=str(folder / f"{name}.flac"),
                duration=SECONDS,
                fold=0,
                label="",
                src_file=source,
                text=prompts[int(cosines.argmax())],
            )
        )
    return _split_by_source(clips)


def _split_by_source(clips):
    """Assign all clips of a source to the training part or all to the validation part."""
    sources = sorted({clip.src_file for clip in clips})
    np.random.default_rng(SEED).shuffle(sources)
    valid_sources = set(sources[::VALID_INTERVAL])
    return [
        clip._replace(split="valid" if clip.src_file in valid_sources else "train")
        for clip in clips
    ]


def _draw_clips(recordings, num_textures):
    """Yield pairs of a source and a clip of five seconds, float32."""
    rng = np.random.default_rng(SEED)
    for recording in find_recordings(recordings):
        if recording.collection != "ESC-10":
            wave = load_audio(recording.path, RATE).numpy()
            for _ in range(CLIPS_PER_RECORDING):
                yield _source(recording), _scale_peak(rng, augment(rng, wave))
    for number in range(num_textures):
        yield f"texture {number}", _scale_peak(rng, augment(rng, draw_texture(rng)))


def _source(recording):
    """Identify the source: one address may hold recordings of several kinds or speakers."""
    return f"{recording.url} {recording.author} {recording.title}"


def _scale_peak(rng, wave):
    """Scale a clip to a random peak of -20 to 0 dB."""
    return (wave * 10 ** (rng.uniform(-20, 0) / 20) / (np.abs(wave).max() + 1e-6)).astype("f4")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
