"""Other sounds for an interpreter to learn from, each described by what a CLAP takes it for.

Usage: python -m experiments.pretrained_interpreters.others RECORDINGS FOLDER [TAGGER_WEIGHTS]

RECORDINGS holds what ``experiments/mini_clap`` learns from: all of it but ESC-10 is played in two
ways, and textures are made beside it. Each clip's text is the one of AudioSet's labels that the
CLAP finds most alike, the embedded one or, where its weights are given, the tagger: what is
explained is what a CLAP hears, so that no label of theirs is needed. FOLDER gets the clips and
``others.csv``, for ``train.py --extra_train_manifest``.
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
TAKES = 2
"""Of each recording, each played, filtered and echoed in another way."""
TEXTURES = 600
SILENCE = 1e-3
"""Peak below which a clip is left out: textures may be cut where they pause."""
HELD_OUT = 10
"""One in so many sources selects the epoch instead of teaching."""


def main(recordings, folder, weights=None):
    clap = MiniCLAP() if weights is None else EfficientATCLAP(weights)
    clips = make_others(recordings, folder, clap)
    manifest.write(Path(folder) / "others.csv", clips)
    print(f"{len(clips)} clips of {len({clip.text for clip in clips})} labels -> {folder}")


@torch.no_grad()
def make_others(recordings, folder, clap, textures_made=TEXTURES):
    """Write the clips; their rows."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prompts = [class_prompt(label) for label in audioset_labels()]
    text = clap.queries(prompts)
    clips = []
    for source, wave in tqdm(_waves(Path(recordings), textures_made), "listening"):
        if np.abs(wave).max() < SILENCE:
            continue
        name = f"other-{len(clips):04d}"
        soundfile.write(folder / f"{name}.flac", wave, RATE, "PCM_16")
        likeness = clap(torch.from_numpy(wave).unsqueeze(0)).vector @ text.T
        clips.append(
            Clip(
                ID=name,
                wav=str(folder / f"{name}.flac"),
                duration=SECONDS,
                fold=0,
                label="",
                src_file=source,
                text=prompts[int(likeness.argmax())],
            )
        )
    sources = sorted({clip.src_file for clip in clips})
    np.random.default_rng(SEED).shuffle(sources)
    held_out = set(sources[::HELD_OUT])
    return [c._replace(split="valid" if c.src_file in held_out else "train") for c in clips]


def _waves(recordings, textures_made):
    """Pairs of a source and a clip of five seconds, float32."""
    rng = np.random.default_rng(SEED)
    for recording in find_recordings(recordings):
        if recording.collection != "ESC-10":
            sound = load_audio(recording.path, RATE).numpy()
            for _ in range(TAKES):
                yield _source(recording), _levelled(rng, augment(rng, sound))
    for number in range(textures_made):
        yield f"texture {number}", _levelled(rng, augment(rng, draw_texture(rng)))


def _source(recording):
    """What a recording was cut from: one address may hold several, of other kinds or speakers."""
    return f"{recording.url} {recording.author} {recording.title}"


def _levelled(rng, wave):
    """At a peak of -20 to 0 dB."""
    return (wave * 10 ** (rng.uniform(-20, 0) / 20) / (np.abs(wave).max() + 1e-6)).astype("f4")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
