"""CLAPs in transformers' format, ``ClapModel``: from the Hugging Face Hub or a local folder."""

from pathlib import Path
from typing import Any

import torch
from torchaudio.functional import melscale_fbanks

from speechbrain_lmac.models import checkpoints
from speechbrain_lmac.models.backbones.htsat import Htsat
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.clap.laion import FRONT_END, MAX_TOKENS
from speechbrain_lmac.models.clap.pretrained import PretrainedCLAP
from speechbrain_lmac.models.clap.transformers_files import (
    HUB_ID,
    check_extractor,
    find_settings,
    find_weights,
    load_model,
    read_config,
)
from speechbrain_lmac.models.lazy_transformers import ClapConfig, ClapModel
from speechbrain_lmac.models.text.transformer import VOCABULARIES, Sentences, load_tokenizer
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import absolute_if_exists

LOWEST_HZ, HIGHEST_HZ = 50.0, 14000.0
"""Edges of the mel bands that LAION trained on. The feature extractor's own default of 0 Hz is
wrong for these weights by up to 17 dB."""


class TransformersCLAP(PretrainedCLAP):
    """CLAP of transformers without fusion, at 48 kHz with an encoder input of 10 s.

    Arguments
    ---------
    source : str or Path
        Hugging Face Hub id, or a folder of ``ClapModel.save_pretrained`` with the tokenizer.
        Default: ``laion/clap-htsat-unfused``.
    tokenizer : str or Path
        Folder or Hub id of the tokenizer. Default: ``source``.
    revision : str
        Git revision of the Hub repository. Default: a known commit of the default model, else the
        latest, which an interpreter then pins.
    lowest_hz, highest_hz : float
        Edges of the mel bands that the model was trained on, in Hz. Default: LAION's.
    bfloat16 : bool
        Whether the audio encoder runs in bfloat16, for GPUs. Default: False.

    Raises
    ------
    InputError
        If the model or the tokenizer cannot be loaded, or is not supported.
    """

    def __init__(
        self,
        source: str | Path = HUB_ID,
        tokenizer: str | Path | None = None,
        revision: str | None = None,
        lowest_hz: float = LOWEST_HZ,
        highest_hz: float = HIGHEST_HZ,
        bfloat16: bool = False,
    ):
        folder = find_settings(source, revision, () if tokenizer else VOCABULARIES)
        if str(source) != HUB_ID and not Path(source).is_dir():
            revision = revision or checkpoints.commit_of(folder / "config.json")
        check_extractor(folder, highest_hz)
        check_band(lowest_hz, highest_hz)
        config = read_config(folder)
        words = load_tokenizer(folder if tokenizer is None else tokenizer)
        path = find_weights(source, folder, revision)
        model, sha256 = load_clap(config, path)
        super().__init__(
            FRONT_END,
            mel_filterbank(lowest_hz, highest_hz, model.config.audio_config.num_mel_bins),
            Htsat(model.audio_model.audio_encoder),
            model.audio_projection,
            text_encoder_of(model, words),
            model.config.projection_dim,
            model.logit_scale_a,
            bfloat16,
        )
        self.weights, self.sha256 = path, sha256
        self.settings = {
            "source": absolute_if_exists(source),
            "tokenizer": None if tokenizer is None else absolute_if_exists(tokenizer),
            "revision": revision,
            "lowest_hz": lowest_hz,
            "highest_hz": highest_hz,
        }

    @property
    def portable_settings(self) -> dict[str, Any]:
        portable = super().portable_settings
        return checkpoints.published_settings(portable, self.settings["source"])

    @property
    def reference(self) -> WeightsReference:
        return WeightsReference("transformers", self.settings["source"], self.sha256)


def load_clap(config: dict[str, Any], path: Path) -> tuple[Any, str]:
    """Load a ``ClapModel``; InputError if it has feature fusion.

    Arguments
    ---------
    config : dict
        Configuration of the model.
    path : Path
        Path of the weights file.

    Returns
    -------
    ClapModel, str
        Model, and the SHA-256 of the weights file in hex.
    """
    kinds = (ClapConfig, ClapModel)
    model, sha256 = load_model(config, path, kinds, "a CLAP of transformers")
    if model.config.audio_config.enable_fusion:
        raise InputError(
            f"{path.parent} is a CLAP with feature fusion, which is not supported. Give one "
            f"without it, for example {HUB_ID}"
        )
    return model, sha256


def text_encoder_of(model: Any, words: Any) -> Sentences:
    """Text encoder of a ``ClapModel`` with a tokenizer."""
    return Sentences(
        words,
        model.text_model,
        model.text_projection,
        lambda states: states.pooler_output,
        MAX_TOKENS,
    )


def mel_filterbank(lowest_hz: float, highest_hz: float, bands: int) -> torch.Tensor:
    """Slaney mel filters, ``[n_fft // 2 + 1, bands]``."""
    rate, bins = FRONT_END.sample_rate, FRONT_END.n_fft // 2 + 1
    return melscale_fbanks(
        bins, lowest_hz, highest_hz, bands, rate, norm="slaney", mel_scale="slaney"
    )


def check_band(lowest_hz: float, highest_hz: float) -> None:
    """Raise InputError if the edges of the mel bands are not in order."""
    if not 0 <= lowest_hz < highest_hz <= FRONT_END.sample_rate / 2:
        raise InputError(
            "lowest_hz and highest_hz must be frequencies in order, at most "
            f"{FRONT_END.sample_rate // 2}, got {lowest_hz} and {highest_hz}. Give the edges that "
            "the model was trained on"
        )
