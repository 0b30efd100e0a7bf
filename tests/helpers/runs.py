"""Short runs: command-line arguments, and a finished results folder."""

import itertools
import json

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.evaluation.evaluate import write_scores
from speechbrain_lmac.evaluation.long_format import to_frame
from speechbrain_lmac.metrics.registry import TOP_K_METRICS
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.utils.config import hparams_path
from tests.helpers.interruptions import interrupt_after

EXPLAINERS = (
    "[lmac, gradcam, scorecam, shuffled-clip, mean-features, shuffled-prompt, energy, full-mask, "
    "oracle-irm]"
)


def training_arguments(small_set, output, **changes):
    """Return arguments of a short training."""
    settings = {
        "data_folder": small_set,
        "output_folder": output,
        "clip_seconds": 0.5,
        "number_of_epochs": 2,
        "batch_size": 4,
        "feature_dropout": 0.2,
        "valid_interval": 1,
        "ckpt_interval_minutes": 0,
        "ckpt_interval_steps": 1,
        "baselines": "[energy]",
        "device": "cpu",
        "masking": "mel",
        **changes,
    }
    pairs = [(f"--{name}", str(value)) for name, value in settings.items()]
    return [str(hparams_path("lmac_zs.yaml")), *itertools.chain(*pairs)]


def benchmark_arguments(small_set, output, **changes):
    """Return arguments of a small benchmark."""
    settings = {
        "data_folder": small_set,
        "output_folder": output,
        "clip_seconds": 0.5,
        "maskings": "[mel]",
        "explainers": EXPLAINERS,
        "subset_only_explainers": "[scorecam]",
        "conditions": "[clean, two_source, absent_prompt, white_noise]",
        "num_clips": "{clips: 3, valid_clips: 2, subset: 2, randomized: 1}",
        "device": "cpu",
        **changes,
    }
    pairs = [(f"--{name}", str(value)) for name, value in settings.items()]
    return [str(hparams_path("evaluate.yaml")), *itertools.chain(*pairs)]


def finished_run(folder, model, small_set):
    """Write a finished run of a decoder with random weights."""
    method = f"{model.classifier.audio_classifier.method_family}-D"
    export_interpreter(model, method, folder / "interpreter")
    clips = read_clips(small_set)
    manifest.write(folder / "train.csv", clips[:4])
    manifest.write(folder / "test.csv", clips[4:6])
    fractions = (None, 0.05, 0.1, 0.2, 0.4)
    scores = [[name, fraction, 1.0] for name in TOP_K_METRICS for fraction in fractions]
    rows = [{"method": m, "clip": "a", "scores": scores} for m in (method, "energy")]
    write_scores(folder / "metrics.csv", to_frame(rows))
    settings = {
        "seed": 1,
        "number_of_epochs": 2,
        "masking": "mel",
        "audio_classifier.weights": "/tmp/weights.pt",
        "pretrained_decoder": "/tmp/decoder.safetensors",
    }
    (folder / "run_config.json").write_text(json.dumps(settings))
    return folder


def contents(folder):
    """Return file name -> bytes of the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def stop_after(monkeypatch, steps):
    """Interrupt training after ``steps`` steps, or never; return the list of the steps."""
    return interrupt_after(monkeypatch, LMACBrain, "fit_batch", steps)
