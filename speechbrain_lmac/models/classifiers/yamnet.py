"""An independent judge of written explanations: YAMNet, which has never seen the CLAP explained.

A mask may please the classifier that it was made for and nobody else. The judge hears the sound
that was written: AudioSet's 521 scores of Google's YAMNet (a MobileNet v1, on 0.96 s patches of 64
mel bands at 16 kHz), and from them, names by the construction of
:mod:`speechbrain_lmac.models.clap.efficientat`: a name is a distribution over labels by the
likeness of sentences, and its score the labels' expected log-score.

With EfficientAT CLAP, and its student in the package, it shares the recordings learnt from
(AudioSet), the labels and the sentence encoder, so that they may read a name alike. It shares no
weight, no layer's plan, no front end and no teacher.

YAMNet's features are ``log(mel + 0.001)``: it is hard of hearing. At 40 dB less it names 60 % of
ESC-10's folds 1 to 4 instead of 96 %, and explanations are quiet. Every sound is therefore brought
to the same peak before it is judged; silence stays silence. (The peak and the scale are what is
likeliest on folds 1 to 4 among 50 names. On fold 5, 80 clips that nothing was chosen by, it names
91.2 % among 10 names and 68.8 % among 50; at the clips' own levels 93.8 and 71.2 %.)
"""

import zipfile
from pathlib import Path

import torch

from speechbrain_lmac.audio.io import resample
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.models.clap.efficientat import TEMPERATURE
from speechbrain_lmac.models.text.minilm import MiniLM
from speechbrain_lmac.utils.download import fetch_once
from speechbrain_lmac.utils.errors import InputError

URL = (
    "https://storage.googleapis.com/mediapipe-assets/"
    "yamnet_audio_classifier_with_metadata.tflite?generation=1661875980774466"
)
"""Google's file, Apache-2.0, as MediaPipe's own build fetches it."""
SHA256 = "10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de"
FILE = "yamnet.tflite"
LABELS_IN_FILE = "yamnet_label_list.txt"

SAMPLE_RATE = 16000
FRAME = 15600
"""Samples that the network hears at once: 96 steps of 10 ms and a window."""
STEP = 7680
"""Samples between frames: half of a patch, as in YAMNet's own code."""

PEAK = 0.5
"""Of what is judged."""
SILENCE = 2**-15
"""Peak below which a sound is left as it is: the last bit of a 16-bit file."""
SCORE_FLOOR = 1e-3
"""Scores come in steps of 1/256 and most are 0."""
SCALE = 1.4
"""Of expected log-scores, where a softmax over names is taken."""


class YAMNet:
    """YAMNet as a zero-shot classifier of sounds.

    Arguments
    ---------
    weights : str or Path
        Google's ``yamnet.tflite`` (4 MB, Apache-2.0) for whole waveforms, which carries its labels
        in itself; fetched if not given, and kept in ``~/.cache/speechbrain_lmac`` or where
        ``SPEECHBRAIN_LMAC_CACHE`` says.

    Raises
    ------
    InputError
        If the file cannot be had, is not YAMNet, or there is nothing to run it.
    """

    def __init__(self, weights=None):
        interpreter = load_runtime()
        path = download_weights() if weights is None else Path(weights)
        self.labels = read_labels(path)
        try:
            self.network = interpreter(str(path), num_threads=1)
            self.network.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path} is no network that can be run: {error}") from error
        (heard,), (said,) = self.network.get_input_details(), self.network.get_output_details()
        if tuple(heard["shape"]) != (FRAME,) or tuple(said["shape"]) != (1, len(self.labels)):
            raise InputError(f"{path} is not the YAMNet that hears {FRAME} samples; leave it out")
        self.heard, self.said = heard["index"], said["index"]
        self.sentences = MiniLM()
        self.label_sentences = self.sentences([class_prompt(label) for label in self.labels])

    def scores(self, wavs, sample_rate):
        """Score sounds on AudioSet's labels.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, at any level, on any device.
        sample_rate : int
            Theirs, in Hz.

        Returns
        -------
        torch.Tensor
            ``[batch, 521]`` in [0, 1], the mean over frames, on the CPU.
        """
        if wavs.dim() != 2:
            raise InputError(f"sounds to judge are [batch, time], not {list(wavs.shape)}")
        heard = [resample(wav, sample_rate, SAMPLE_RATE) for wav in wavs.detach().float().cpu()]
        return torch.stack([self._listen(level(wav)) for wav in heard])

    def _listen(self, wav):
        """Mean of the frames' scores of ``wav`` ``[time]``."""
        said = []
        for frame in frames(wav):
            self.network.set_tensor(self.heard, frame.numpy())
            self.network.invoke()
            said.append(torch.from_numpy(self.network.get_tensor(self.said).copy()))
        return torch.cat(said).mean(dim=0)

    def logits(self, wavs, sample_rate, names):
        """Scaled expected log-scores, ``[batch, names]``; the arguments of ``probabilities``."""
        sentences = self.sentences([class_prompt(name) for name in names])
        weights = torch.softmax(sentences @ self.label_sentences.T / TEMPERATURE, dim=-1)
        log_scores = self.scores(wavs, sample_rate).clamp(min=SCORE_FLOOR).log()
        return SCALE * log_scores @ weights.T

    def probabilities(self, wavs, sample_rate, names):
        """Which of some names each sound has.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``.
        sample_rate : int
            Theirs, in Hz.
        names : list of str
            Class names, put into the paper's template.

        Returns
        -------
        torch.Tensor
            ``[batch, names]``, each row sums to 1, on the CPU.
        """
        return self.logits(wavs, sample_rate, names).softmax(dim=1)


def level(wav):
    """Bring ``wav`` ``[time]`` to the peak at which sounds are judged; silence stays silence.

    Example
    -------
    >>> level(torch.tensor([0.0, -0.001])), level(torch.zeros(2))
    (tensor([ 0.0000, -0.5000]), tensor([0., 0.]))
    """
    peak = wav.abs().max()
    return wav * (PEAK / peak) if peak >= SILENCE else wav


def frames(wav):
    """Cut ``wav`` ``[time]`` into overlapping frames, the last one filled with silence.

    Example
    -------
    >>> frames(torch.zeros(80000)).shape
    torch.Size([10, 15600])
    """
    steps = -(-max(0, len(wav) - FRAME) // STEP)
    missing = FRAME + steps * STEP - len(wav)
    return torch.nn.functional.pad(wav, (0, missing)).unfold(0, FRAME, STEP).contiguous()


def load_runtime():
    """The class that runs tflite files, imported when a judge is first built."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        remedy = "run pip install '.[judge]' in a clone"
        raise InputError(f"the judge runs in ai-edge-litert: {remedy}") from error
    return Interpreter


def download_weights():
    """Google's file, from the cache or from where MediaPipe has it."""
    return fetch_once(URL, FILE, SHA256)


def read_labels(path):
    """Names of the scores, which the file holds as an archive appended to the network."""
    if not path.is_file():
        raise InputError(f"no such file: {path}; leave it out to fetch {URL}")
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(LABELS_IN_FILE).decode().splitlines()
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path} is not Google's YAMNet with its labels: {error}") from error
