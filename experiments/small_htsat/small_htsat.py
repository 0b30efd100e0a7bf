"""A small CLAP in LAION's layout: laion_clap's own HTSAT of width 16, a RoBERTa of two layers."""

import importlib
import importlib.util
import math
import sys
from types import SimpleNamespace

import torch
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import RobertaProcessing
from torch import nn
from torch.nn.functional import normalize
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from speechbrain_lmac.models.clap.laion import FRONT_END
from speechbrain_lmac.models.clap.pretrained import POWER_FLOOR, mlp
from speechbrain_lmac.utils.errors import InputError

DIM = 128
VOCABULARY = 2000
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def laion_modules():
    """laion_clap's inner package: importing the outer one asks the Hub for three tokenizers."""
    found = importlib.util.find_spec("laion_clap")
    if found is None:
        raise InputError("this needs LAION's own modules: pip install laion-clap==1.1.7")
    folder = found.submodule_search_locations[0]
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("clap_module")


def htsat(width=16, heads=(2, 4, 8, 16)):
    """HTSAT-tiny's depths at a sixth of its width: 0.8 M parameters."""
    config = SimpleNamespace(
        mel_bins=64,
        window_size=FRONT_END.n_fft,
        hop_size=FRONT_END.hop_length,
        sample_rate=FRONT_END.sample_rate,
        fmin=50,
        fmax=14000,
    )
    return laion_modules().htsat.HTSAT_Swin_Transformer(
        embed_dim=width, depths=[2, 2, 6, 2], num_heads=list(heads), num_classes=10, config=config
    )


class OfficialLayout(nn.Module):
    """A CLAP whose weights have the names that LAION's have."""

    def __init__(self, audio_branch):
        super().__init__()
        self.audio_branch = audio_branch
        self.audio_projection = mlp(audio_branch.num_features, DIM)
        self.text_branch = RobertaModel(
            RobertaConfig(
                vocab_size=VOCABULARY,
                hidden_size=DIM,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=4 * DIM,
                max_position_embeddings=514,
                type_vocab_size=1,
                layer_norm_eps=1e-5,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
        self.text_projection = mlp(DIM, DIM)
        self.logit_scale_a = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.logit_scale_t = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_audio(self, mel):
        """Embed mel power ``[batch, frames, bands]``; in training parts of it are blanked."""
        branch = self.audio_branch
        log_mel = 10 * torch.log10(mel.clamp(min=POWER_FLOOR)).unsqueeze(1)
        maps = branch.bn0(log_mel.transpose(1, 3)).transpose(1, 3)
        if self.training:
            maps = branch.spec_augmenter(maps)
        with torch.autocast(mel.device.type, torch.bfloat16):
            pooled = branch.forward_features(branch.reshape_wav2img(maps))["embedding"]
        return normalize(self.audio_projection(pooled.float()), dim=-1)

    def queries(self, tokens):
        """Embed the tokenizer's output."""
        states = self.text_branch(tokens["input_ids"], tokens["attention_mask"])
        return normalize(self.text_projection(states.pooler_output), dim=-1)


def tokenizer(sentences, vocabulary=VOCABULARY):
    """Byte-level BPE in RoBERTa's manner, learnt from sentences."""
    words = ByteLevelBPETokenizer()
    words.train_from_iterator(sentences, vocabulary, min_frequency=1, special_tokens=SPECIAL)
    words._tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=words._tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
