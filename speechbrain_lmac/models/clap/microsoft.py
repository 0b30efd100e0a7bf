"""Microsoft's CLAP of 2022, which the LMAC-ZS paper explains: CNN14 and BERT.

Elizalde et al., "CLAP: learning audio concepts from natural language supervision", ICASSP 2023.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import gelu

from speechbrain_lmac.models.backbones import cnn14
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.checkpoints import (
    check_named,
    commit_of,
    find_checkpoint,
    read_hashed,
)
from speechbrain_lmac.models.clap.pretrained import (
    OF_FRONT_END,
    FrontEnd,
    PretrainedCLAP,
    check_front_end,
)
from speechbrain_lmac.models.lazy_transformers import BertConfig, BertModel
from speechbrain_lmac.models.state_dicts import load_strictly, matrix_shape, part, read_shapes
from speechbrain_lmac.models.text.transformer import (
    Sentences,
    build_text,
    load_tokenizer,
    text_config,
)
from speechbrain_lmac.utils.files import absolute_if_exists

HUB_ID = "microsoft/msclap"
OFFICIAL = ("CLAP_weights_2022.pth",)
TOKENIZER = "google-bert/bert-base-uncased"
MAX_TOKENS = 100
"""Largest number of tokens of a prompt; longer prompts are truncated."""

FRONT_END = FrontEnd(44100, n_fft=1024, hop_length=320, seconds=5, whole_repeats=False)
AUDIO, TEXT = "audio_encoder.base.", "caption_encoder.base."
FILTERBANK = AUDIO + "logmel_extractor.melW"


class Projection(nn.Module):
    """Two linear layers, a residual connection around the second, and layer normalization."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.linear1 = nn.Linear(width, dim, bias=False)
        self.linear2 = nn.Linear(dim, dim, bias=False)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Project ``[batch, width]`` to ``[batch, dim]``."""
        first = self.linear1(pooled)
        return self.layer_norm(first + self.linear2(gelu(first)))


class MicrosoftCLAP(PretrainedCLAP):
    """Microsoft's CLAP of 2022, at 44.1 kHz with an encoder input of 5 s.

    Arguments
    ---------
    weights : str or Path
        The authors' ``CLAP_weights_2022.pth``. Default: downloaded once from the Hugging Face Hub.
    tokenizer : str or Path
        Folder or Hub id of BERT's uncased tokenizer. Default: ``google-bert/bert-base-uncased``.
    revision : str
        Commit of Microsoft's repository. Default: the latest, which an interpreter then pins.
    bfloat16 : bool
        Whether the audio encoder runs in bfloat16, for GPUs. Default: False.

    Raises
    ------
    InputError
        If the weights or the tokenizer cannot be loaded, or belong to another model.
    """

    def __init__(
        self,
        weights: str | Path = OFFICIAL[0],
        tokenizer: str | Path = TOKENIZER,
        revision: str | None = None,
        bfloat16: bool = False,
    ):
        check_named(weights, OFFICIAL)
        words = load_tokenizer(tokenizer)
        path = find_checkpoint(weights, HUB_ID, revision)
        state, sha256 = read_hashed(path, "model")
        what = f"{path} is not Microsoft's CLAP of 2022"
        config = read_shapes(what, lambda: text_config(BertConfig, part(state, TEXT)))
        text = build_text(lambda: BertModel(config), part(state, TEXT), what)
        dim, width = read_shapes(
            what, lambda: matrix_shape(state["caption_encoder.projection.linear1.weight"])
        )
        bands, filterbank, log_scale = read_shapes(
            what,
            lambda: (len(state[AUDIO + "bn0.weight"]), state[FILTERBANK], state["logit_scale"]),
        )
        check_front_end(filterbank, log_scale, FRONT_END, bands, what)
        audio = cnn14.Cnn14(bands)
        load_strictly(audio, part(state, AUDIO), what, ignored=(*OF_FRONT_END, *cnn14.UNUSED))
        projections = Projection(audio.dim, dim), Projection(width, dim)
        for name, projection in zip(("audio_encoder", "caption_encoder"), projections):
            load_strictly(projection, part(state, f"{name}.projection."), what)
        text_encoder = Sentences(words, text, projections[1], first_token, MAX_TOKENS)
        super().__init__(
            FRONT_END, filterbank, audio, projections[0], text_encoder, dim, log_scale, bfloat16
        )
        self.weights, self.sha256 = path, sha256
        self.settings = {
            "weights": absolute_if_exists(weights),
            "tokenizer": absolute_if_exists(tokenizer),
            "revision": revision or commit_of(path),
        }

    @property
    def reference(self) -> WeightsReference:
        return WeightsReference("microsoft", self.weights.name, self.sha256)


def first_token(states: Any) -> torch.Tensor:
    """BERT's output for its classification token."""
    return states.last_hidden_state[:, 0]
