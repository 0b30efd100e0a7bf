"""Adapters of published CLAPs and the upstream models with the same random weights."""

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch.nn.functional import normalize
from transformers import (
    ClapFeatureExtractor,
    ClapModel,
)

from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.models.clap.microsoft import MicrosoftCLAP
from speechbrain_lmac.models.clap.transformers import TransformersCLAP
from tests.helpers.reference_models import (
    laion_clap,
    laion_preprocessing,
    microsoft_clap,
    save_laion,
    save_microsoft,
    write_tokenizer,
    write_transformers,
)


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
