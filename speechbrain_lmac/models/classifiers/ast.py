"""Audio spectrogram transformers (AST) in transformers' format, as supervised classifiers.

Gong et al., Interspeech 2021: patches of a log-mel spectrogram, in the layers of a vision
transformer.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

from speechbrain_lmac.models import checkpoints
from speechbrain_lmac.models.backbones.kaldi import KaldiSpectrogram, kaldi_frames, mel_filters
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.clap.transformers_files import (
    find_settings,
    find_weights,
    load_model,
    read_config,
)
from speechbrain_lmac.models.classifiers.ast_settings import (
    PatchedInput,
    names_of,
    read_normalization,
    read_patches,
)
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier
from speechbrain_lmac.models.lazy_transformers import ASTConfig, ASTForAudioClassification
from speechbrain_lmac.utils.files import absolute_if_exists

HUB_ID = "MIT/ast-finetuned-audioset-10-10-0.4593"
REVISION = "f826b80d28226b62986cc218e5cec390b1096902"
KINDS = (ASTConfig, ASTForAudioClassification)
SAMPLE_RATE = 16000
N_FFT, HOP_LENGTH, WINDOW = 512, 160, 400
LOWEST_HZ = 20.0
FLOOR = torch.finfo(torch.float32).eps
"""Least mel power, as in Kaldi; below it no gradient flows."""
SPECIAL_TOKENS = 2
"""Tokens before those of the patches: class and distillation."""
LAYER_STEP = 4
"""Layers between two hidden maps. The patches of the last layer do not reach the head."""
AUDIOSET_CLASSES = 527


class TransformersAST(SupervisedClassifier):
    """AST of transformers, at 16 kHz, for clips of any length up to its own (10 s).

    Longer clips are cut at the end, as the feature extractor does. The frames after a shorter clip
    have zeros as log-mel values. Masks act on the spectrum of Kaldi's frames, without offset and
    with pre-emphasis. The sound of an explanation applies them to the spectrum of the clip.

    Arguments
    ---------
    source : str or Path
        Hugging Face Hub id, or a folder of ``ASTForAudioClassification.save_pretrained`` with the
        feature extractor. Default: ``MIT/ast-finetuned-audioset-10-10-0.4593``.
    revision : str
        Git revision of the Hub repository. Default: a known commit of the default model, else the
        latest, which an interpreter then pins.
    class_names : sequence of str
        Name of every class, in the order of the logits. Default: those of the configuration.
    multilabel : bool
        Whether classes are independent labels (sigmoid), or exclusive (softmax). Default: as the
        configuration states; if it does not, independent for the 527 classes of AudioSet.

    Raises
    ------
    InputError
        If the model cannot be loaded, or is not supported.
    """

    stft_is_unfiltered = False

    spectrogram: KaldiSpectrogram
    window: PatchedInput

    def __init__(
        self,
        source: str | Path = HUB_ID,
        revision: str | None = None,
        class_names: Sequence[str] | None = None,
        multilabel: bool | None = None,
    ):
        if str(source) == HUB_ID and revision is None:
            revision = REVISION
        folder = find_settings(source, revision, ())
        if not Path(source).is_dir():
            revision = checkpoints.commit_of(folder / "config.json") or revision
        described = read_config(folder)
        patches, normalization = read_patches(described, folder), read_normalization(folder)
        path = find_weights(source, folder, revision)
        model, sha256 = load_model(described, path, KINDS, "an AST of transformers")
        weight, bias = model.classifier.dense.parameters()
        if multilabel is None:
            multilabel = _is_multilabel(described, len(weight))
        super().__init__(
            SAMPLE_RATE,
            KaldiSpectrogram(N_FFT, HOP_LENGTH, WINDOW),
            mel_filters(patches.bands, N_FFT, SAMPLE_RATE, LOWEST_HZ, 0.0),
            names_of(model.config.id2label) if class_names is None else class_names,
            weight,
            bias,
            multilabel,
            PatchedInput(patches, HOP_LENGTH, WINDOW),
        )
        self.patches, self.normalization, self.sha256 = patches, normalization, sha256
        self.encoder = model.audio_spectrogram_transformer
        self.head_norm = model.classifier.layernorm
        self.mapped = tuple(range(len(self.encoder.layers) - 1, 0, -LAYER_STEP)) or (0,)
        self.hidden_channels = (model.config.hidden_size,) * len(self.mapped)
        self.settings = {"source": absolute_if_exists(source), "revision": revision}
        self.settings["multilabel"] = multilabel
        self.freeze()

    def stft(self, wavs: torch.Tensor) -> torch.Tensor:
        return self.spectrogram.emphasized(wavs)

    def features(self, mel: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        tokens = self.encoder.embeddings(self.log_mel(mel))
        hidden: list[torch.Tensor] = []
        for depth, layer in enumerate([None, *self.encoder.layers]):
            tokens = tokens if layer is None else layer(tokens)
            if depth in self.mapped:
                hidden.insert(0, self._maps(tokens))
                patches = hidden[0].transpose(2, 3).flatten(2).transpose(1, 2)
                tokens = torch.cat([tokens[:, :SPECIAL_TOKENS], patches], dim=1)
        pooled = self.encoder.layernorm(tokens)[:, :SPECIAL_TOKENS].mean(dim=1)
        return self.head_norm(pooled), tuple(hidden)

    def log_mel(self, mel: torch.Tensor) -> torch.Tensor:
        """Normalized log-mel values ``[batch, longest, bands]`` of mel power of a clip's frames."""
        log_mel = kaldi_frames(mel).clamp(min=FLOOR).log()[:, : self.patches.longest]
        log_mel = pad(log_mel, (0, 0, 0, self.patches.longest - log_mel.shape[1]))
        mean, std = self.normalization
        return (log_mel - mean) / std

    def _maps(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, channels, frames', bins']`` of the tokens of patches."""
        places = (self.patches.bins, self.patches.frames)
        return tokens[:, SPECIAL_TOKENS:].transpose(1, 2).unflatten(2, places).transpose(2, 3)

    @property
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        layers, ends = self.encoder.layers, [0, *reversed(self.mapped), len(self.encoder.layers)]
        groups = [list(layers[start:end]) for start, end in pairwise(ends)]
        groups[0].insert(0, self.encoder.embeddings)
        groups[-1].extend([self.encoder.layernorm, self.head_norm])
        return tuple(nn.ModuleList(group) for group in reversed(groups))

    @property
    def portable_settings(self) -> dict[str, Any]:
        portable = super().portable_settings
        return checkpoints.published_settings(portable, self.settings["source"])

    @property
    def reference(self) -> WeightsReference:
        return WeightsReference("transformers-ast", self.settings["source"], self.sha256)


def _is_multilabel(described: dict[str, Any], classes: int) -> bool:
    stated = described.get("problem_type")
    if stated is not None:
        return stated == "multi_label_classification"
    return classes == AUDIOSET_CLASSES
