"""EfficientAT's ``mn04_as`` as a supervised classifier of AudioSet's 527 labels.

Schmid et al., ICASSP 2023: a MobileNetV3 of width 0.4 with one sigmoid for each label.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.models.backbones.efficientat import (
    FILE,
    SAMPLE_RATE,
    PreEmphasisSpectrogram,
    kaldi_filterbank,
    load_tagger,
)
from speechbrain_lmac.models.backbones.mobilenet import CHANNELS, Tagger
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier


class EfficientATLabels(SupervisedClassifier):
    """AudioSet classifier with independent labels, for clips of any length at 32 kHz.

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

    spectrogram: PreEmphasisSpectrogram
    tagger: Tagger

    def __init__(self, weights: str | Path | None = None):
        tagger, _, self.sha256, self.settings = load_tagger(weights)
        weight, bias = tagger.classifier[-1].parameters()
        front_end = (SAMPLE_RATE, PreEmphasisSpectrogram(), kaldi_filterbank())
        super().__init__(*front_end, audioset_labels(), weight, bias, multilabel=True)
        self.tagger = tagger
        self.freeze()

    def stft(self, wavs: torch.Tensor) -> torch.Tensor:
        return self.spectrogram.emphasized(wavs)

    def features(self, mel: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        features, hidden = self.tagger.embed(mel)
        return features, tuple(hidden)

    @property
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        return (self.tagger.classifier[2], *self.tagger.stages)

    @property
    def portable_settings(self) -> dict[str, Any]:
        return {}  # there is one weights file, and it is downloaded on first use

    @property
    def reference(self) -> WeightsReference:
        return WeightsReference("efficientat-labels", FILE, self.sha256)
