"""EfficientAT CLAP: an AudioSet classifier and a sentence encoder as an exact dual encoder.

The classifier is EfficientAT's ``mn04_as`` (Schmid et al., ICASSP 2023): a MobileNetV3 of width 0.4
with a logit for each of AudioSet's 527 labels. A prompt is a distribution over the labels, from the
similarity of sentences. Its score is the expected log-probability of the labels:

    score(prompt) = sum_k w_k log sigmoid(logit_k),  w = softmax(cos(prompt, label_k) / 0.02)

The score is an inner product and, up to the scale of each clip, a cosine of unit vectors:
``audio = normalize([log sigmoid(logits), 0])``, ``text = [w, sqrt(1 - |w|^2)]``. The model is a
real zero-shot classifier, but its text encoder is close to a table of labels.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import logsigmoid, normalize

from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.models.backbones.efficientat import (
    FILE,
    SAMPLE_RATE,
    PreEmphasisSpectrogram,
    kaldi_filterbank,
    load_tagger,
)
from speechbrain_lmac.models.backbones.mobilenet import CHANNELS, Tagger
from speechbrain_lmac.models.base import AudioEncoding, WeightsReference
from speechbrain_lmac.models.clap.base import CLAP
from speechbrain_lmac.models.text import minilm

TEMPERATURE = 0.02
LOGIT_SCALE = 200.0
"""Value between the maximum likelihood estimates on ESC-10 (300) and UrbanSound8K (150)."""


class EfficientATCLAP(CLAP):
    """EfficientAT's ``mn04_as`` with all-MiniLM-L6-v2 as a CLAP, for clips of any length at 32 kHz.

    Masks act on the spectrum after pre-emphasis, which is the encoder input. The sound of an
    explanation applies them to the spectrum of the clip.

    Arguments
    ---------
    weights : str or Path
        The authors' ``mn04_as_mAP_432.pt``. Default: downloaded from their release (4 MB, MIT) and
        cached in ``~/.cache/speechbrain_lmac``, or in the folder of ``SPEECHBRAIN_LMAC_CACHE``.

    Raises
    ------
    InputError
        If the weights cannot be downloaded, or belong to another model.
    """

    stft_is_unfiltered = False
    hidden_channels = CHANNELS
    query_dim = 528

    spectrogram: PreEmphasisSpectrogram
    tagger: Tagger
    text_encoder: minilm.MiniLM

    def __init__(self, weights: str | Path | None = None):
        filterbank = kaldi_filterbank()
        super().__init__(SAMPLE_RATE, PreEmphasisSpectrogram(), filterbank)
        self.tagger, self.weights, self.sha256, self.settings = load_tagger(weights)
        self.text_encoder = minilm.MiniLM()
        self.freeze()

    def stft(self, wavs: torch.Tensor) -> torch.Tensor:
        return self.spectrogram.emphasized(wavs)

    def encode(self, mel: torch.Tensor) -> AudioEncoding:
        logits, hidden = self.tagger(mel)
        log_probabilities = logsigmoid(logits)
        embedding = normalize(nn.functional.pad(log_probabilities, (0, 1)), dim=-1)
        return AudioEncoding(embedding, tuple(hidden))

    @property
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        return (self.tagger.classifier, *self.tagger.stages)

    @cached_property
    def label_sentences(self) -> torch.Tensor:
        """Sentence embeddings of the labels, ``[527, 384]``."""
        return self.text_encoder([class_prompt(label) for label in audioset_labels()])

    def encode_text(self, prompts: list[str]) -> torch.Tensor:
        cosines = self.text_encoder(prompts) @ self.label_sentences.T
        weights = torch.softmax(cosines / TEMPERATURE, dim=-1)
        residual = (1 - weights.square().sum(dim=-1, keepdim=True)).clamp(min=0).sqrt()
        return torch.cat([weights, residual], dim=-1)

    @property
    def logit_scale(self) -> float:
        return LOGIT_SCALE

    @property
    def portable_settings(self) -> dict[str, Any]:
        return {}  # there is one weights file, and it is downloaded on first use

    @property
    def reference(self) -> WeightsReference:
        return WeightsReference("efficientat", FILE, self.sha256)
