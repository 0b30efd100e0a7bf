"""Weights of a mask decoder: read from safetensors, checked and loaded strictly."""

import math
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch.nn.functional import normalize

from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.gradients import CHANNELS
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.masking.psi_decoder import PsiDecoder
from speechbrain_lmac.models.checkpoints import read_checkpoint
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.single_read import read_bounded

DECODER_FILE = "decoder.safetensors"
MAX_DECODER_BYTES, MAX_DOWNLOADED_BYTES = 1 << 30, 1 << 28
"""Maximum size of a decoder's weights, and of one that is downloaded. The pretrained decoders have
half a megabyte, the published one of L-MAC has 947 MB."""
Decoder = MaskDecoder | PsiDecoder
DECODERS: dict[str, type[Decoder]] = {
    "masking.decoder.MaskDecoder": MaskDecoder,
    "masking.psi_decoder.PsiDecoder": PsiDecoder,
}
"""Classes of decoders by their names in ``hyperparams.yaml``."""
READ_ERRORS = (
    *(OSError, SafetensorError, ValueError, LookupError, TypeError, RuntimeError, OverflowError),
)
"""Errors that safetensors raises on other files."""
PROBE_SIZE, PROBE_GAINS = 4, (0.01, 1.0, 100.0)
"""Frames and bins of the random features that a decoder is tested with, and their gains."""


def read_decoder_weights(
    kind: str, settings: dict[str, Any], data: bytes, path: Path
) -> dict[str, torch.Tensor]:
    """Read the weights of a decoder and check their names, shapes and types.

    Arguments
    ---------
    kind : str
        Key of ``DECODERS``.
    settings : dict
        Arguments of the decoder.
    data : bytes
        Contents of the weights file.
    path : Path
        Path of the weights file in error messages.

    Returns
    -------
    dict
        Name -> tensor.

    Raises
    ------
    InputError
        If the weights are not exactly those of a decoder with these settings.
    """
    try:
        with torch.device("meta"):
            state = DECODERS[kind](**settings).state_dict()
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"{path.parent} describes no decoder: {first_line(error)}") from error
    expected = {name: list(weight.shape) for name, weight in state.items()}
    count = sum(math.prod(shape) for shape in expected.values())
    if 4 * count > MAX_DECODER_BYTES:
        raise InputError(f"{path.parent} describes a decoder of {count} weights: too large")
    weights = parse_safetensors(data, path)
    shapes = {name: list(weight.shape) for name, weight in weights.items()}
    wrong = sorted(set(shapes) ^ set(expected))
    wrong = wrong or [name for name in shapes if shapes[name] != expected[name]]
    if wrong:
        fault = f"{wrong[0]} is missing, unknown or of another shape"
        raise InputError(f"{path} does not hold this decoder's weights: {fault}")
    if {weight.dtype for weight in weights.values()} != {torch.float32}:
        raise InputError(f"{path} does not hold this decoder's weights: they must be float32")
    return weights


def parse_safetensors(data: bytes, path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors in the contents of a safetensors file: name -> tensor."""
    try:
        return load(data)
    except READ_ERRORS as error:
        raise InputError(f"{path} cannot be read as safetensors: {first_line(error)}") from error


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file or of a ``torch.save`` checkpoint, by name."""
    if zipfile.is_zipfile(path):
        return read_checkpoint(path, "model")
    return parse_safetensors(read_bounded(path, MAX_DECODER_BYTES), path)


def load_decoder(
    decoder: Decoder, path: str | Path, weights: dict[str, torch.Tensor] | None = None
) -> None:
    """Load weights into a decoder, strictly.

    Arguments
    ---------
    decoder : MaskDecoder or PsiDecoder
        Decoder to load into.
    path : str or Path
        Weights file: safetensors, or a ``torch.save`` checkpoint as the published
        ``psi_model.ckpt``.
    weights : dict
        Contents of the file if it has been read before. Default: read the file.

    Raises
    ------
    InputError
        If the weights are those of another decoder, or its masks are not finite.
    """
    try:
        if weights is None:
            weights = read_weights(path)
        decoder.load_state_dict(weights)
    except (InputError, RuntimeError) as error:
        fault = first_line(error)
        raise InputError(f"{path} does not hold this decoder's weights: {fault}") from error
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise InputError(f"weights in {path} must be finite. Train the decoder again")
    if not _masks_are_finite(decoder):
        raise InputError(f"weights in {path} must give finite masks: they are too large")


@torch.no_grad()
def _masks_are_finite(decoder: Decoder) -> bool:
    """Return True if masks for random features of several gains are finite."""
    generator = torch.Generator().manual_seed(0)
    like = next(decoder.parameters())
    axis = torch.linspace(0, 1, PROBE_SIZE)
    grid = Grid(axis.unsqueeze(0).to(like), axis.to(like), torch.ones(PROBE_SIZE).to(like))
    config: dict[str, Any] = decoder.config
    queries = torch.randn(2, 1, config["query_dim"], generator=generator)
    queries = normalize(queries, dim=-1).to(like)
    shape = (PROBE_SIZE, PROBE_SIZE)
    for gain in PROBE_GAINS:
        hidden, (log_power,) = (
            [gain * torch.randn(1, size, *shape, generator=generator) for size in sizes]
            for sizes in (config["hidden_channels"], [1])
        )
        features = DecoderFeatures(
            tuple(maps.to(like) for maps in hidden),
            log_power[0].to(like),
            _random_gradients(decoder, generator),
        )
        if not decoder(features, queries, grid).isfinite().all():
            return False
    return True


def _random_gradients(decoder: Decoder, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Random relevance maps for two queries; normalized, so they have no gain."""
    shape = (2, 1, CHANNELS, PROBE_SIZE, PROBE_SIZE)
    like = next(decoder.parameters())
    drawn = [torch.randn(shape, generator=generator) for _ in range(decoder.gradient_features)]
    return tuple(maps.to(like) for maps in drawn)
