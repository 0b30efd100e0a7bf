"""Pretrained interpreters of EfficientAT's 527 labels, with the authors' weights.

``EFFICIENTAT_FOLDER`` names a folder with the authors' weights, ``ESC10_FOLDER`` one of ESC-10.
"""

import os
from pathlib import Path

import pytest
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.evaluation.scoring import (
    ClassPrompts,
    explain,
    in_out_margin,
    make_batch,
    score_faithfulness,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.models.backbones.efficientat import FILE, SHA256
from speechbrain_lmac.pretrained.checkpoint import read_interpreter
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import REAL_ESC10
from tests.helpers.recordings import esc10_clips

NAMES = ("efficientat-labels-mel", "efficientat-labels-stft")
WEIGHTS = Path(os.environ.get("EFFICIENTAT_FOLDER", "no-weights")) / FILE
needs_recordings = pytest.mark.skipif(
    not (WEIGHTS.is_file() and REAL_ESC10.is_dir()),
    reason="EFFICIENTAT_FOLDER and ESC10_FOLDER name no weights and recordings",
)


@pytest.fixture(scope="module", params=NAMES)
def interpreter(request):
    """Return a pretrained interpreter with the authors' weights."""
    weights = {"audio_classifier": {"weights": str(WEIGHTS)}}
    return Interpreter.from_hparams(
        source=request.param, overrides=weights, run_opts={"device": "cpu"}
    )


@pytest.mark.parametrize("name", NAMES)
def test_labels_interpreter_is_small_and_pinned(name):
    """It is tied to the published weights, holds no path, and has one megabyte."""
    checkpoint = read_interpreter(name)
    assert checkpoint.config.notes["classifier_sha256"] == SHA256
    assert checkpoint.config.notes["method"] == "L-MAC-D"
    assert checkpoint.config.parts["audio_classifier"].settings == {}
    assert len(checkpoint.files.decoder) < 1.05e6


@pytest.mark.parametrize("name", NAMES)
def test_labels_interpreter_refuses_other_weights(name, efficientat_file):
    """The SHA-256 of the classifier must be that of the training."""
    weights = {"audio_classifier": {"weights": str(efficientat_file)}}
    with pytest.raises(InputError, match="was trained on the classifier efficientat-labels"):
        Interpreter.from_hparams(source=name, overrides=weights, run_opts={"device": "cpu"})


@needs_recordings
def test_explained_labels_beat_energy(interpreter):
    """On fold 5, which trained nothing, bins of the predicted label rank above loud bins."""
    clips = [clip for clip in esc10_clips() if clip.fold == 5][::16]
    wavs = torch.stack([fit(interpreter.load_audio(clip.wav)) for clip in clips])
    model = interpreter.model
    classifier = model.classifier.audio_classifier
    prompts = ClassPrompts(classifier.class_names, classifier.head_queries)
    encoded = model.classifier.encode_clips(wavs)
    batch = make_batch(model, [clip.ID for clip in clips], encoded, prompts)
    margins = {}
    for name in ("lmac", "energy", "random"):
        scores = score_faithfulness(model, batch, explain(model, EXPLAINERS[name], batch))
        margins[name] = sum(in_out_margin(scores)) / len(in_out_margin(scores))
    assert margins["lmac"] > margins["energy"] + 0.02 > margins["random"] + 0.02


@needs_recordings
def test_prediction_is_explained_without_a_class(interpreter):
    """The explained class is the most probable of 527."""
    clip = next(clip for clip in esc10_clips() if clip.fold == 5 and clip.label == "dog")
    result = interpreter.interpret_file(clip.wav)
    best = interpreter.classify_file(clip.wav).best
    assert result.prompts == (best,) and not result.absent.any()


def fit(wav, samples=160000):
    """Return the first 5 s of a clip, padded with silence."""
    return torch.nn.functional.pad(wav[:samples], (0, max(0, samples - len(wav))))
