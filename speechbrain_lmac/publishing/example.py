"""Example of a model card: a synthetic mixture, explained, as a figure and as sounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.audio.io import safe_gain
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.pretrained.card import code
from speechbrain_lmac.reports.media import encode_unclipped_mp3
from speechbrain_lmac.reports.plots import draw_interpretation

CLASSES = ("clock_alarm", "engine")
"""Classes of the mixture. Synthetic sounds have no license of others."""
FIGURE = "example.png"
MIXTURE = "example.mp3"


def write_example(interpreter: Interpreter, folder: Path, repo_id: str) -> list[dict[str, Any]]:
    """Write a figure and sounds of a mixture, explained for two prompts.

    The prompts are the two classes of the mixture, or the two most probable classes of a supervised
    classifier.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter that is published.
    folder : Path
        Repository folder.
    repo_id : str
        Name of the repository, ``user/name``.

    Returns
    -------
    list of dict
        ``text`` in Markdown and ``url`` of each sound: the mixture, then the masked-in sounds.
    """
    from huggingface_hub import hf_hub_url

    result = _explain_mixture(interpreter)
    draw_interpretation(result, folder / FIGURE)
    names = [MIXTURE, *(f"example-{i}.mp3" for i in range(1, len(result.prompts) + 1))]
    texts = ["the mixture", *map(code, result.prompts)]
    sounds = [result.original, *result.waveform]
    _write_sounds([folder / name for name in names], sounds, result.sample_rate)
    return [{"text": text, "url": hf_hub_url(repo_id, name)} for text, name in zip(texts, names)]


def _explain_mixture(interpreter: Interpreter) -> Interpretation:
    """Explain a mixture for its two classes or for the two most probable ones."""
    classifier, sound = interpreter.audio_classifier, mixture(*CLASSES, seed=7).mixture
    names: Sequence[str] = CLASSES
    if classifier.class_names is not None:
        top = interpreter.classify_file(sound, sample_rate=SAMPLE_RATE).top(2)
        names = [name for name, _ in top]
    prompts = [classifier.question(name) for name in names]
    return interpreter.interpret_file(sound, prompts, sample_rate=SAMPLE_RATE)


def _write_sounds(paths: Sequence[Path], sounds: Sequence[torch.Tensor], sample_rate: int) -> None:
    """Write MP3 files with a common gain, so that they can be compared by ear."""
    gain = safe_gain(*sounds)
    for path, sound in zip(paths, sounds):
        encoded, _ = encode_unclipped_mp3(sound, gain, sample_rate)
        path.write_bytes(encoded)
