"""LAION's CLAPs from official checkpoints: HTSAT-tiny, HTSAT-base and PANN-14.

Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and
keyword-to-caption augmentation", ICASSP 2023. The checkpoint determines the network. Models with
feature fusion are refused. The package laion-clap is not imported; tests compare with its modules.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.models.backbones import cnn14
from speechbrain_lmac.models.backbones.htsat import Htsat
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.checkpoints import check_named, find_checkpoint, read_hashed
from speechbrain_lmac.models.clap.pretrained import (
    OF_FRONT_END,
    FrontEnd,
    PretrainedCLAP,
    check_front_end,
    mlp,
)
from speechbrain_lmac.models.lazy_transformers import RobertaConfig, RobertaModel
from speechbrain_lmac.models.state_dicts import load_strictly, matrix_shape, part, read_shapes
from speechbrain_lmac.models.text.transformer import (
    Sentences,
    build_text,
    load_tokenizer,
    text_config,
)
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import absolute_if_exists

HUB_ID = "lukewys/laion_clap"
REVISION = "b3708341862f581175dba5c356a4ebf74a9b6651"
OFFICIAL = (
    "630k-best.pt",
    "630k-audioset-best.pt",
    "music_audioset_epoch_15_esc_90.14.pt",
    "music_speech_epoch_15_esc_89.25.pt",
    "music_speech_audioset_epoch_15_esc_89.98.pt",
)
"""Checkpoints without fusion in LAION's repository: two HTSAT-tiny and three HTSAT-base."""

TOKENIZER = "FacebookAI/roberta-base"
MAX_TOKENS = 77
"""Largest number of tokens of a prompt; longer prompts are truncated."""

FRONT_END = FrontEnd(48000, n_fft=1024, hop_length=480, seconds=10, whole_repeats=True)
FILTERBANK = "audio_branch.logmel_extractor.melW"
LOG_SCALE = "logit_scale_a"


class LaionCLAP(PretrainedCLAP):
    """LAION's CLAP without fusion, at 48 kHz with an encoder input of 10 s.

    Arguments
    ---------
    weights : str or Path
        Official ``.pt`` file, or the name of one in LAION's repository on the Hugging Face Hub,
        which is downloaded once. Default: ``630k-audioset-best.pt``.
    tokenizer : str or Path
        Folder or Hub id of RoBERTa's tokenizer. Default: ``FacebookAI/roberta-base``.
    revision : str
        Commit of LAION's repository. Default: a known commit.
    bfloat16 : bool
        Whether the audio encoder runs in bfloat16, for GPUs. Default: False.

    Raises
    ------
    InputError
        If the weights or the tokenizer cannot be loaded, or belong to another model.
    """

    def __init__(
        self,
        weights: str | Path = "630k-audioset-best.pt",
        tokenizer: str | Path = TOKENIZER,
        revision: str = REVISION,
        bfloat16: bool = False,
    ):
        check_named(weights, OFFICIAL)
        words = load_tokenizer(tokenizer)
        path = find_checkpoint(weights, HUB_ID, revision)
        state, sha256 = read_hashed(path, "state_dict")
        what = f"{path} is no LAION CLAP without fusion"
        audio = read_shapes(what, lambda: audio_branch(part(state, "audio_branch."), what))
        config = read_shapes(what, lambda: roberta_config(state))
        text = build_text(lambda: RobertaModel(config), part(state, "text_branch."), what)
        dim, width = read_shapes(what, lambda: matrix_shape(state["text_projection.0.weight"]))
        bands, filterbank, log_scale = read_shapes(
            what,
            lambda: (len(state["audio_branch.bn0.weight"]), state[FILTERBANK], state[LOG_SCALE]),
        )
        check_front_end(filterbank, log_scale, FRONT_END, bands, what)
        audio_projection, text_projection = mlp(audio.dim, dim), mlp(width, dim)
        load_strictly(audio_projection, part(state, "audio_projection."), what)
        load_strictly(text_projection, part(state, "text_projection."), what)
        text_encoder = Sentences(
            words, text, text_projection, lambda states: states.pooler_output, MAX_TOKENS
        )
        super().__init__(
            FRONT_END, filterbank, audio, audio_projection, text_encoder, dim, log_scale, bfloat16
        )
        self.weights, self.sha256 = path, sha256
        self.settings = {
            "weights": absolute_if_exists(weights),
            "tokenizer": absolute_if_exists(tokenizer),
            "revision": revision,
        }

    @property
    def reference(self) -> WeightsReference:
        return WeightsReference("laion", self.weights.name, self.sha256)


def audio_branch(state: Mapping[str, torch.Tensor], what: str) -> cnn14.Cnn14 | Htsat:
    """Audio encoder of a checkpoint, identified by the names of its tensors."""
    if any("fusion" in name or "mel_conv" in name for name in state):
        raise InputError(
            f"{what}: it was trained with feature fusion. Give one of {', '.join(OFFICIAL)}"
        )
    state = {name: value for name, value in state.items() if not name.endswith(OF_FRONT_END)}
    if "patch_embed.proj.weight" in state:
        return Htsat.from_laion(state, what)
    if "conv_block6.conv1.weight" in state:
        audio = cnn14.Cnn14(len(state["bn0.weight"]))
        load_strictly(audio, state, what, ignored=cnn14.UNUSED)
        return audio
    parts = sorted({name.split(".")[0] for name in state})
    raise InputError(
        f"{what}: expected an audio_branch that is HTSAT (patch_embed) or PANN-14 (conv_block6), "
        f"got {', '.join(parts) or 'none'}"
    )


def roberta_config(state: Mapping[str, torch.Tensor]) -> Any:
    """RoBERTa's configuration with the sizes of a checkpoint."""
    return text_config(RobertaConfig, part(state, "text_branch."), layer_norm_eps=1e-5)
