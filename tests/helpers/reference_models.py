"""Upstream models with random weights in upstream's file formats, for plumbing only."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    RobertaConfig,
    RobertaModel,
)
from transformers.models.clap.modeling_clap import ClapAudioEncoder

from experiments.paper_table.miniature import small_bert
from experiments.small_htsat.small_htsat import laion_modules, tokenizer
from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.prompts import TEMPLATES, class_prompt
from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.models.clap.microsoft import MicrosoftCLAP
from speechbrain_lmac.models.clap.transformers import TransformersCLAP

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
    tokenizer(sentences, vocabulary).save_pretrained(folder)
    return folder


class Oracle(NamedTuple):
    """Adapter of a CLAP, and the upstream model with the same weights."""

    clap: Any
    log_mel: Callable
    """Waveforms of the input length ``[batch, time]`` -> ``[batch, frames, bands]``."""
    embed: Callable
    """Waveforms of any length -> ``[batch, dim]``, with upstream's preprocessing."""
    queries: Callable
    """Prompts -> ``[prompts, dim]``."""
    branch: Any
    """Module of the adapter that contains ``bn0``."""
    upstream: Any
    """Upstream model."""


def laion_oracle(name, folder):
    """Build LAION's adapter and model."""
    torch.manual_seed(0)
    model = laion_clap(name)
    clap = LaionCLAP(save_laion(model, folder / f"{name}.pt"), write_tokenizer(folder / "words"))

    def log_mel(wavs):
        branch = model.audio_branch
        return branch.logmel_extractor(branch.spectrogram_extractor(wavs)).squeeze(1)

    def embed(wavs):
        clips = [
            laion_preprocessing().get_audio_features(
                {}, crop(wav, 480000), 480000, "rand_trunc", "repeatpad", {}
            )
            for wav in wavs
        ]
        return model.get_audio_embedding([{"waveform": clip["waveform"]} for clip in clips])

    def queries(prompts):
        tokens = clap.text_encoder.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        )
        return model.get_text_embedding(dict(tokens))

    body = clap.audio.encoder if name.startswith("HTSAT") else clap.audio
    return Oracle(clap, log_mel, embed, queries, body, model)


def transformers_oracle(folder):
    """Build the adapter of ClapModel, and the model with a corrected feature extractor."""
    clap = TransformersCLAP(write_transformers(folder))
    model = ClapModel.from_pretrained(folder).eval()
    extractor = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc")

    def log_mel(wavs):
        clips = [crop(wav, 480000).numpy() for wav in wavs]
        features = extractor(clips, sampling_rate=48000, return_tensors="pt")["input_features"]
        return features.squeeze(1).float()

    def embed(wavs):
        return model.get_audio_features(input_features=log_mel(wavs)[:, None]).pooler_output

    def queries(prompts):
        tokens = clap.text_encoder.tokenizer(prompts, padding=True, return_tensors="pt")
        tokens.pop("token_type_ids", None)
        return model.get_text_features(**tokens).pooler_output

    return Oracle(clap, log_mel, embed, queries, clap.audio.encoder, model)


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


def microsoft_oracle(folder):
    """Build Microsoft's adapter and model; skip without msclap."""
    torch.manual_seed(2)
    model = microsoft_clap()
    path = save_microsoft(model, folder / "CLAP_weights_2022.pth")
    clap = MicrosoftCLAP(path, write_tokenizer(folder / "words"))
    length = 5 * 44100
    wrapper = importlib.import_module("msclap").CLAP
    stub = SimpleNamespace(args=SimpleNamespace(sampling_rate=44100, duration=5))

    def preprocess(wav):
        stub.read_audio = lambda *_, **__: (crop(wav, length), 44100)
        return wrapper.load_audio_into_tensor(stub, "clip.wav", 5)

    def log_mel(wavs):
        base = model.audio_encoder.base
        return base.logmel_extractor(base.spectrogram_extractor(wavs)).squeeze(1)

    def embed(wavs):
        clips = torch.stack([preprocess(wav) for wav in wavs])
        return normalize(model.audio_encoder(clips)[0], dim=-1)

    def queries(prompts):
        tokens = clap.text_encoder.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=100, return_tensors="pt"
        )
        return normalize(model.caption_encoder(dict(tokens)), dim=-1)

    return Oracle(clap, log_mel, embed, queries, clap.audio, model)


def crop(wav, length):
    """Cut out the middle of a longer clip. Upstream would cut at a random place."""
    start = max(0, len(wav) - length) // 2
    hop = 320 if length == 5 * 44100 else 480
    return wav[start // hop * hop :][:length] if start else wav


ORACLES = {
    "laion-htsat": lambda folder: laion_oracle("HTSAT-tiny", folder),
    "laion-pann": lambda folder: laion_oracle("PANN-14", folder),
    "transformers": transformers_oracle,
    "microsoft": microsoft_oracle,
}
