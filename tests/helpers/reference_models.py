"""Upstream models with random weights in upstream's file formats, for plumbing only."""

import importlib
import json
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn
from transformers import (
    ClapConfig,
    ClapModel,
    RobertaConfig,
    RobertaModel,
)
from transformers.models.clap.modeling_clap import ClapAudioEncoder

from experiments.paper_table.miniature import small_bert
from experiments.small_htsat.small_htsat import laion_modules, train_tokenizer
from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.prompts import TEMPLATES, class_prompt

VOCABULARY = 1500
"""Number of tokens of the tokenizers."""


def laion_preprocessing():
    """Import laion_clap's preprocessing without the three tokenizers that it downloads."""
    laion_modules()
    names = ("BertTokenizer", "RobertaTokenizer", "BartTokenizer")
    with mock.patch.multiple("transformers", **dict.fromkeys(names, mock.MagicMock())):
        return importlib.import_module("training.data")


def laion_clap(name):
    """Build LAION's CLAP of a named configuration, with a RoBERTa of two layers."""
    model = laion_modules().model
    config = Path(model.__file__).parent / "model_configs" / f"{name}.json"
    settings = json.loads(config.read_text())
    settings["text_cfg"]["model_type"] = "roberta"
    with mock.patch.object(model.RobertaModel, "from_pretrained", lambda *_: small_roberta()):
        clap = model.CLAP(**settings).eval()
    randomize(clap.audio_branch, 48000)
    return clap


def small_roberta():
    """Build a RoBERTa with its default settings and two layers."""
    return RobertaModel(
        RobertaConfig(
            vocab_size=VOCABULARY,
            num_hidden_layers=2,
            intermediate_size=512,
            max_position_embeddings=514,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
        )
    )


def microsoft_clap():
    """Build Microsoft's CLAP of 2022 with a BERT of two layers; skip without msclap."""
    import pytest

    clap = pytest.importorskip("msclap.models.clap", reason="msclap: see `make oracles`")
    with mock.patch.object(clap.AutoModel, "from_pretrained", lambda *_: small_bert()):
        model = clap.CLAP(
            **{"audioenc_name": "Cnn14", "sample_rate": 44100, "window_size": 1024},
            **{"hop_size": 320, "mel_bins": 64, "fmin": 50, "fmax": 14000, "classes_num": 527},
            **{"out_emb": 2048, "text_model": "bert-base-uncased"},
            **{"transformer_embed_dim": 768, "d_proj": 1024},
        )
    randomize(model.audio_encoder.base, 44100)
    return model.eval()


def randomize(branch, sample_rate, seed=0):
    """Draw weights for which the output depends on the input and on every weight.

    An untrained network gives the same output for noise and for a tone, to seven digits. Layers
    therefore get a gain that preserves the variance, and batch norms get the statistics of real
    input. All weights that are initialized to one or zero change.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(weight, std, mean=0.0):
        weight.data.copy_(mean + std * torch.randn(weight.shape, generator=generator))

    for name, module in branch.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)) and "extractor" not in name:
            normal(module.weight, (2 / module.weight[0].numel()) ** 0.5)
            if module.bias is not None:
                normal(module.bias, 0.1)
        elif isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            normal(module.weight, 0.1, mean=1.0)
            normal(module.bias, 0.1)
        if hasattr(module, "relative_position_bias_table"):
            normal(module.relative_position_bias_table, 0.5)
    branch.eval()
    norms = [module for module in branch.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train().momentum = 1.0
    noise = torch.randn(4, 5 * sample_rate, generator=generator) * torch.logspace(-3, 0, 4)[:, None]
    with torch.no_grad():
        if "clap_module" in type(branch).__module__:
            branch({"waveform": noise})
        elif isinstance(branch, ClapAudioEncoder):
            branch(20 * torch.randn(4, 1, 1001, 64, generator=generator) - 40)
        else:
            branch(noise)
    for norm in norms:
        norm.eval().momentum = 0.1
    return branch


def save_laion(model, path, **changes):
    """Save a checkpoint as LAION's training script does, with numpy scalars and optimizer."""
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514).unsqueeze(0)
    weight = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 45,
        "name": "2023_01_01-model_HTSAT-tiny",
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "loss": np.float64(0.25),
        "step": np.int64(7),
        **changes,
    }
    torch.save(checkpoint, path)
    return path


def save_microsoft(model, path):
    """Save a checkpoint in the layout of Microsoft's."""
    state = dict(model.state_dict())
    state["caption_encoder.base.embeddings.position_ids"] = torch.arange(512).unsqueeze(0)
    torch.save({"model": state, "epoch": 9, "best": np.float32(0.5)}, path)
    return path


def write_tokenizer(folder, vocabulary=VOCABULARY):
    """Write a byte-level BPE tokenizer like RoBERTa's, in files of Hugging Face."""
    sentences = [
        class_prompt(label, template) for label in audioset_labels() for template in TEMPLATES
    ]
    train_tokenizer(sentences, vocabulary).save_pretrained(folder)
    return folder


def write_transformers(folder, like=None):
    """Write a ClapModel with a text encoder of two layers, and its tokenizer.

    ``like`` is a LaionCLAP whose weights the model gets.
    """
    torch.manual_seed(1)
    text = {"vocab_size": VOCABULARY, "num_hidden_layers": 2, "intermediate_size": 512}
    text["layer_norm_eps"] = 1e-5  # RoBERTa's value; ClapConfig has another default
    model = ClapModel(ClapConfig(text_config=text, audio_config={}))
    randomize(model.audio_model.audio_encoder, 48000)
    if like is not None:
        model.audio_model.audio_encoder.load_state_dict(like.audio.encoder.state_dict())
        text = like.text_encoder.encoder.state_dict()
        model.text_model.load_state_dict(text, strict=False)  # has no position_ids
        for ours, theirs in (
            (like.audio_projection, model.audio_projection),
            (like.text_encoder.projection, model.text_projection),
        ):
            theirs.linear1.load_state_dict(ours[0].state_dict())
            theirs.linear2.load_state_dict(ours[2].state_dict())
        model.logit_scale_a.data.copy_(like.scale.log())
    model.save_pretrained(folder)
    return write_tokenizer(folder)
