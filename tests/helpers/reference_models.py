"""Upstream's own models with random weights, saved as upstream saves them: for plumbing only."""

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


def laion_preparation():
    """How laion_clap fills ten seconds; its module makes three tokenizers that are not wanted."""
    laion_modules()
    names = ("BertTokenizer", "RobertaTokenizer", "BartTokenizer")
    with mock.patch.multiple("transformers", **dict.fromkeys(names, mock.MagicMock())):
        return importlib.import_module("training.data")


def laion_clap(name):
    """LAION's CLAP of one of its configurations, with a RoBERTa of two layers."""
    model = laion_modules().model
    config = Path(model.__file__).parent / "model_configs" / f"{name}.json"
    settings = json.loads(config.read_text())
    settings["text_cfg"]["model_type"] = "roberta"
    with mock.patch.object(model.RobertaModel, "from_pretrained", lambda *_: small_roberta()):
        clap = model.CLAP(**settings).eval()
    shaken(clap.audio_branch, 48000)
    return clap


def small_roberta():
    """RoBERTa's own settings, two layers."""
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
    """Microsoft's CLAP of 2022, with a BERT of two layers; skips without its package."""
    import pytest

    clap = pytest.importorskip("msclap.models.clap", reason="msclap: see `make oracles`")
    with mock.patch.object(clap.AutoModel, "from_pretrained", lambda *_: small_bert()):
        model = clap.CLAP(
            **{"audioenc_name": "Cnn14", "sample_rate": 44100, "window_size": 1024},
            **{"hop_size": 320, "mel_bins": 64, "fmin": 50, "fmax": 14000, "classes_num": 527},
            **{"out_emb": 2048, "text_model": "bert-base-uncased"},
            **{"transformer_embed_dim": 768, "d_proj": 1024},
        )
    shaken(model.audio_encoder.base, 44100)
    return model.eval()


def shaken(branch, sample_rate, seed=0):
    """Random weights to which no two clips are alike, and none of which can be left out.

    Fresh networks hardly hear their input: what they make of noise and of a tone is the same to
    seven digits. So layers get the gain that keeps signals alive, norms the statistics of real
    input, and everything that begins as one or zero is moved from there.
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
    """As LAION's training script leaves a checkpoint, numpy scalars and optimizer included."""
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514).unsqueeze(0)
    weight = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    held = {
        "epoch": 45,
        "name": "2023_01_01-model_HTSAT-tiny",
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "loss": np.float64(0.25),
        "step": np.int64(7),
        **changes,
    }
    torch.save(held, path)
    return path


def save_microsoft(model, path):
    """As Microsoft's checkpoint is laid out."""
    state = dict(model.state_dict())
    state["caption_encoder.base.embeddings.position_ids"] = torch.arange(512).unsqueeze(0)
    torch.save({"model": state, "epoch": 9, "best": np.float32(0.5)}, path)
    return path


def write_tokenizer(folder, vocabulary=VOCABULARY):
    """A byte-level BPE tokenizer in RoBERTa's manner, in Hugging Face's files."""
    sentences = [
        class_prompt(label, template) for label in audioset_labels() for template in TEMPLATES
    ]
    tokenizer(sentences, vocabulary).save_pretrained(folder)
    return folder


class Oracle(NamedTuple):
    """An adapter, and what upstream makes of the same weights."""

    clap: Any
    log_mel: Callable
    """Waveforms of the native length ``[batch, time]`` -> ``[batch, frames, bands]``."""
    embed: Callable
    """Waveforms of any length -> ``[batch, dim]``, by upstream's own preparation."""
    queries: Callable
    branch: Any
    """Of ours: what holds ``bn0``."""
    truth: Any
    """Upstream's model."""


def laion_oracle(name, folder):
    """LAION's adapter and model."""
    torch.manual_seed(0)
    model = laion_clap(name)
    clap = LaionCLAP(save_laion(model, folder / f"{name}.pt"), write_tokenizer(folder / "words"))

    def log_mel(wavs):
        branch = model.audio_branch
        return branch.logmel_extractor(branch.spectrogram_extractor(wavs)).squeeze(1)

    def embed(wavs):
        prepared = [
            laion_preparation().get_audio_features(
                {}, cropped(wav, 480000), 480000, "rand_trunc", "repeatpad", {}
            )
            for wav in wavs
        ]
        return model.get_audio_embedding([{"waveform": clip["waveform"]} for clip in prepared])

    def queries(prompts):
        tokens = clap.text_encoder.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        )
        return model.get_text_embedding(dict(tokens))

    body = clap.audio.encoder if name.startswith("HTSAT") else clap.audio
    return Oracle(clap, log_mel, embed, queries, body, model)


def transformers_oracle(folder):
    """The adapter of transformers' ClapModel, and that with its feature extractor set right."""
    clap = TransformersCLAP(write_transformers(folder))
    model = ClapModel.from_pretrained(folder).eval()
    extractor = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc")

    def log_mel(wavs):
        clips = [cropped(wav, 480000).numpy() for wav in wavs]
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
    """A ClapModel with a text encoder of two layers, and its tokenizer.

    ``like`` gives it the weights of a LaionCLAP.
    """
    torch.manual_seed(1)
    text = {"vocab_size": VOCABULARY, "num_hidden_layers": 2, "intermediate_size": 512}
    text["layer_norm_eps"] = 1e-5  # RoBERTa's; transformers' default is another
    model = ClapModel(ClapConfig(text_config=text, audio_config={}))
    shaken(model.audio_model.audio_encoder, 48000)
    if like is not None:
        model.audio_model.audio_encoder.load_state_dict(like.audio.encoder.state_dict())
        text = like.text_encoder.encoder.state_dict()
        model.text_model.load_state_dict(text, strict=False)  # but for position_ids
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
    """Microsoft's adapter and model; skips without the package msclap."""
    torch.manual_seed(2)
    model = microsoft_clap()
    path = save_microsoft(model, folder / "CLAP_weights_2022.pth")
    clap = MicrosoftCLAP(path, write_tokenizer(folder / "words"))
    length = 5 * 44100
    wrapper = importlib.import_module("msclap").CLAP
    stub = SimpleNamespace(args=SimpleNamespace(sampling_rate=44100, duration=5))

    def prepared(wav):
        stub.read_audio = lambda *_, **__: (cropped(wav, length), 44100)
        return wrapper.load_audio_into_tensor(stub, "clip.wav", 5)

    def log_mel(wavs):
        base = model.audio_encoder.base
        return base.logmel_extractor(base.spectrogram_extractor(wavs)).squeeze(1)

    def embed(wavs):
        clips = torch.stack([prepared(wav) for wav in wavs])
        return normalize(model.audio_encoder(clips)[0], dim=-1)

    def queries(prompts):
        tokens = clap.text_encoder.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=100, return_tensors="pt"
        )
        return normalize(model.caption_encoder(dict(tokens)), dim=-1)

    return Oracle(clap, log_mel, embed, queries, clap.audio, model)


def cropped(wav, length):
    """The middle of a longer clip: upstream would cut at random."""
    start = max(0, len(wav) - length) // 2
    hop = 320 if length == 5 * 44100 else 480
    return wav[start // hop * hop :][:length] if start else wav


ORACLES = {
    "laion-htsat": lambda folder: laion_oracle("HTSAT-tiny", folder),
    "laion-pann": lambda folder: laion_oracle("PANN-14", folder),
    "transformers": transformers_oracle,
    "microsoft": microsoft_oracle,
}
