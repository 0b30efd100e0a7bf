"""YAMNet, an independent classifier of the sounds of explanations.

A mask may fool the classifier that it was made for. YAMNet classifies the written sound: it gives
521 AudioSet scores (a MobileNet v1 on 0.96 s patches of 64 mel bands at 16 kHz). Class scores
follow as in :mod:`speechbrain_lmac.models.clap.efficientat`: a class name is a distribution over
labels by the similarity of sentences, and its score is the expected log-score of the labels.

YAMNet shares the training recordings (AudioSet), the labels and the sentence encoder with
EfficientAT CLAP and MiniCLAP. It shares no weights, architecture, front end or teacher.

The features of YAMNet are ``log(mel + 0.001)``, so quiet sounds are classified badly. At -40 dB its
accuracy on ESC-10's folds 1 to 4 falls from 96 to 60 %, and explanations are quiet. Every sound is
therefore scaled to the same peak. Peak and scale maximize the likelihood on folds 1 to 4 with 50
classes. On fold 5, 80 clips that were not used for this choice, the accuracy is 91.2 % with 10
classes and 68.8 % with 50; at the original levels 93.8 and 71.2 %.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.audio.io import resample
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.models.clap.efficientat import TEMPERATURE
from speechbrain_lmac.models.text.minilm import MiniLM
from speechbrain_lmac.utils.download import fetch_cached
from speechbrain_lmac.utils.errors import InputError

URL = (
    "https://storage.googleapis.com/mediapipe-assets/"
    "yamnet_audio_classifier_with_metadata.tflite?generation=1661875980774466"
)
"""Google's file (Apache-2.0), at the address that MediaPipe's build uses."""
SHA256 = "10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de"
FILE = "yamnet.tflite"
LABELS_IN_FILE = "yamnet_label_list.txt"

SAMPLE_RATE = 16000
FRAME = 15600
"""Samples of the network input: 96 steps of 10 ms and a window."""
STEP = 7680
"""Samples between frames: half of a patch, as in YAMNet's own code."""

PEAK = 0.5
"""Peak of the classified sounds."""
SILENCE = 2**-15
"""Peak below which a sound counts as silence: the last bit of a 16-bit file."""
SCORE_FLOOR = 1e-3
"""Smallest score inside the logarithm; scores are multiples of 1/256 and mostly 0."""
SCALE = 1.4
"""Factor from expected log-scores to logits."""


class YAMNet:
    """YAMNet as a zero-shot classifier of sounds.

    Arguments
    ---------
    weights : str or Path
        Google's ``yamnet.tflite`` (4 MB, Apache-2.0) with its labels. Default: downloaded and
        cached in ``~/.cache/speechbrain_lmac``, or in the folder of ``SPEECHBRAIN_LMAC_CACHE``.

    Raises
    ------
    InputError
        If the file cannot be downloaded, is not YAMNet, or ai-edge-litert is not installed.
    """

    def __init__(self, weights: str | Path | None = None):
        interpreter = load_runtime()
        path = download_weights() if weights is None else Path(weights)
        self.labels = read_labels(path)
        try:
            self.network = interpreter(str(path), num_threads=1)
            self.network.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{path} cannot be run: {error}. Leave it out to download YAMNet"
            ) from error
        (inputs,), (outputs,) = self.network.get_input_details(), self.network.get_output_details()
        if tuple(inputs["shape"]) != (FRAME,) or tuple(outputs["shape"]) != (1, len(self.labels)):
            raise InputError(
                f"{path} must be the YAMNet with an input of {FRAME} samples, got inputs "
                f"{list(inputs['shape'])}. Leave it out to download it"
            )
        self.input, self.output = inputs["index"], outputs["index"]
        self.text_encoder = MiniLM()
        self.label_sentences = self.text_encoder([class_prompt(label) for label in self.labels])

    def scores(self, wavs: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Score sounds on AudioSet's labels.

        Arguments
        ---------
        wavs : torch.Tensor
            Sounds at any level on any device, ``[batch, time]``.
        sample_rate : int
            Sampling rate of the sounds, in Hz.

        Returns
        -------
        torch.Tensor
            Scores in [0, 1], averaged over frames, ``[batch, 521]``, on the CPU.
        """
        if wavs.dim() != 2:
            raise InputError(f"wavs must be [batch, time], got {list(wavs.shape)}")
        sounds = [resample(wav, sample_rate, SAMPLE_RATE) for wav in wavs.detach().float().cpu()]
        return torch.stack([self._mean_scores(scale_to_peak(wav)) for wav in sounds])

    def _mean_scores(self, wav: torch.Tensor) -> torch.Tensor:
        """Mean of the scores of the frames of ``wav`` ``[time]``."""
        scores = []
        for frame in frames(wav):
            self.network.set_tensor(self.input, frame.numpy())
            self.network.invoke()
            scores.append(torch.from_numpy(self.network.get_tensor(self.output).copy()))
        return torch.cat(scores).mean(dim=0)

    def logits(self, wavs: torch.Tensor, sample_rate: int, names: Sequence[str]) -> torch.Tensor:
        """Scaled expected log-scores, ``[batch, names]``."""
        sentences = self.text_encoder([class_prompt(name) for name in names])
        weights = torch.softmax(sentences @ self.label_sentences.T / TEMPERATURE, dim=-1)
        log_scores = self.scores(wavs, sample_rate).clamp(min=SCORE_FLOOR).log()
        return SCALE * log_scores @ weights.T

    def probabilities(
        self, wavs: torch.Tensor, sample_rate: int, names: Sequence[str]
    ) -> torch.Tensor:
        """Classify sounds among class names.

        Arguments
        ---------
        wavs : torch.Tensor
            Sounds, ``[batch, time]``.
        sample_rate : int
            Sampling rate of the sounds, in Hz.
        names : list of str
            Class names, which are put into the paper's template.

        Returns
        -------
        torch.Tensor
            Probabilities, ``[batch, names]``, on the CPU. Each row sums to 1.
        """
        return self.logits(wavs, sample_rate, names).softmax(dim=1)


def scale_to_peak(wav: torch.Tensor) -> torch.Tensor:
    """Scale ``wav`` ``[time]`` to the peak of classified sounds; silence stays silence.

    Example
    -------
    >>> scale_to_peak(torch.tensor([0.0, -0.001])), scale_to_peak(torch.zeros(2))
    (tensor([ 0.0000, -0.5000]), tensor([0., 0.]))
    """
    peak = wav.abs().max()
    return wav * (PEAK / peak) if peak >= SILENCE else wav


def frames(wav: torch.Tensor) -> torch.Tensor:
    """Cut ``wav`` ``[time]`` into overlapping frames; silence fills the last one.

    Example
    -------
    >>> frames(torch.zeros(80000)).shape
    torch.Size([10, 15600])
    """
    steps = -(-max(0, len(wav) - FRAME) // STEP)
    missing = FRAME + steps * STEP - len(wav)
    return torch.nn.functional.pad(wav, (0, missing)).unfold(0, FRAME, STEP).contiguous()


def load_runtime() -> Any:
    """Class that runs tflite files, imported at the first use."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            "YAMNet needs ai-edge-litert, which is not installed. Run pip install '.[yamnet]' in a "
            "clone"
        ) from error
    return Interpreter


def download_weights() -> Path:
    """Path of Google's file, downloaded to the cache on first use."""
    return fetch_cached(URL, FILE, SHA256)


def read_labels(path: Path) -> list[str]:
    """Labels of the scores, from the archive that is appended to the network in the file."""
    if not path.is_file():
        raise InputError(f"no such file: {path}. Leave it out to download {URL}")
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(LABELS_IN_FILE).decode().splitlines()
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path} is not Google's YAMNet with its labels: {error}") from error
