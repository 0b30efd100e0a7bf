"""Small CLAP in the layout of LAION's checkpoints: HTSAT of width 16 and a two-layer RoBERTa."""

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
"""Dimension of the embeddings and of the text encoder."""
VOCABULARY = 2000
"""Number of tokens of the tokenizer."""
SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def laion_modules():
    """Import the inner package of laion_clap, since the outer one downloads three tokenizers."""
    spec = importlib.util.find_spec("laion_clap")
    if spec is None:
        raise InputError("laion_clap must be installed. Run pip install laion-clap==1.1.7.")
    folder = spec.submodule_search_locations[0]
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("clap_module")


def build_htsat(width=16, heads=(2, 4, 8, 16)):
    """Build HTSAT-tiny at one sixth of its width, with 0.8 M parameters."""
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


class SmallCLAP(nn.Module):
    """A small CLAP whose weights have the names of those in LAION's checkpoints."""

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
        """Embed mel power ``[batch, frames, bands]``, with SpecAugment in training."""
        branch = self.audio_branch
        log_mel = 10 * torch.log10(mel.clamp(min=POWER_FLOOR)).unsqueeze(1)
        maps = branch.bn0(log_mel.transpose(1, 3)).transpose(1, 3)
        if self.training:
            maps = branch.spec_augmenter(maps)
        with torch.autocast(mel.device.type, torch.bfloat16):
            pooled = branch.forward_features(branch.reshape_wav2img(maps))["embedding"]
        return normalize(self.audio_projection(pooled.float()), dim=-1)

    def embed_text(self, tokens):
        """Embed the output of the tokenizer."""
        states = self.text_branch(tokens["input_ids"], tokens["attention_mask"])
        return normalize(self.text_projection(states.pooler_output), dim=-1)


def train_tokenizer(sentences, vocabulary=VOCABULARY):
    """Train a byte-level BPE tokenizer with the special tokens of RoBERTa on sentences."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(sentences, vocabulary, min_frequency=1, special_tokens=SPECIAL_TOKENS)
    bpe._tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
