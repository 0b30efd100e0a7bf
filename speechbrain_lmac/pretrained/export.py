"""What training leaves for others, a small folder that an Interpreter loads, and back."""

import json
import math
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch.nn.functional import normalize

from speechbrain_lmac.masking.decoder import DecoderFeatures, MaskDecoder, logits_to_mask
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.ownership import check_folder, owned_folder
from speechbrain_lmac.utils.single_read import read_once

HPARAMS_FILE = "hyperparams.yaml"
DECODER_FILE = "decoder.safetensors"
MAX_DECODER_BYTES = 1 << 28
"""No decoder is larger; those that ship have half a megabyte."""
BROKEN = (OSError, SafetensorError, ValueError, LookupError, TypeError, RuntimeError, OverflowError)
"""What parsing raises on what is no safetensors file."""
PROBE, PROBE_GAINS = 4, (0.01, 1.0, 100.0)
"""Cells a side, and gains, of the made-up clips that a decoder is tried on."""

KIND = "export"
"""Of the folder, for its ledger."""
OLDER = "domain. Only scalars and classes of speechbrain_lmac."
"""In the first line of every ``hyperparams.yaml``."""

HPARAMS = """\
# {method}, masks in the {masking} domain. Only scalars and classes of speechbrain_lmac.
method: {notes[0]}
classifier_name: {notes[1]}
classifier_revision: {notes[2]}
classifier_sha256: {notes[3]}

audio_classifier: !new:{classifier_class}
{classifier_settings}
domain: !new:{domain_class}
    audio_classifier: !ref <audio_classifier>
classifier: !new:speechbrain_lmac.masking.masked_classifier.MaskedClassifier
    domain: !ref <domain>
decoder: !new:speechbrain_lmac.masking.decoder.MaskDecoder
{decoder_config}
model: !new:speechbrain_lmac.masking.interpreter_network.InterpreterNetwork
    classifier: !ref <classifier>
    decoder: !ref <decoder>
modules:
    model: !ref <model>
"""


def export_interpreter(model, method, folder):
    """Write ``hyperparams.yaml`` and ``decoder.safetensors``, whole or not at all.

    The CLAP's weights are not in it, only their name, revision and sha256.

    Arguments
    ---------
    model : InterpreterNetwork
        Trained.
    method : str
        Name of the method, as in the tables.
    folder : str or Path
        Replaced if it was written here.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    InputError
        As of :func:`check_exportable`.
    """
    folder = Path(folder)
    with owned_folder(folder, KIND, _is_older) as built:
        state = {n: weight.cpu().contiguous() for n, weight in model.decoder.state_dict().items()}
        save_file(state, built / DECODER_FILE)
        text = hyperparams(model, method, model.classifier.audio_classifier.settings)
        (built / HPARAMS_FILE).write_text(text, encoding="utf-8")
    return folder


def check_exportable(folder):
    """Raise InputError if a folder holds what was not exported here, or has changed since."""
    check_folder(folder, KIND, _is_older)


def _is_older(folder):
    """Whether a folder is an interpreter that was exported before exports had a ledger."""
    if sorted(path.name for path in folder.iterdir()) != [DECODER_FILE, HPARAMS_FILE]:
        return False
    return OLDER in (folder / HPARAMS_FILE).read_text(encoding="utf-8", errors="replace")[:300]


def check_decoder(settings, data, path):
    """Weights of a decoder; refused unless they are all of those, and no others, that a decoder of
    these settings has.

    Arguments
    ---------
    settings : dict
        Arguments of ``MaskDecoder``.
    data : bytes
        Contents of its weights' file.
    path : Path
        What to call that file in an error.

    Returns
    -------
    dict
        Name -> tensor.
    """
    try:
        with torch.device("meta"):
            wanted = {k: list(w.shape) for k, w in MaskDecoder(**settings).state_dict().items()}
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"{path.parent} describes no decoder: {first_line(error)}") from error
    numbers = sum(math.prod(shape) for shape in wanted.values())
    if 4 * numbers > MAX_DECODER_BYTES:
        raise InputError(f"{path.parent} describes a decoder of {numbers} numbers: too large")
    weights = parse_weights(data, path)
    found = {name: list(weight.shape) for name, weight in weights.items()}
    kinds = {weight.dtype for weight in weights.values()}
    if found != wanted or kinds != {torch.float32}:
        strange = sorted(set(found) ^ set(wanted)) or [k for k in found if found[k] != wanted[k]]
        what = f"{strange[0]} is missing, foreign or of another shape" if strange else "no float32"
        raise InputError(f"{path} does not hold this decoder's weights: {what}")
    return weights


def parse_weights(data, path):
    """Tensors of a safetensors file's contents: name -> tensor."""
    try:
        return load(data)
    except BROKEN as error:
        raise InputError(f"{path} cannot be read as safetensors: {first_line(error)}") from error


def load_decoder(decoder, path, weights=None):
    """Load weights that an interpreter was exported with, strictly: every key, every shape.

    Arguments
    ---------
    decoder : MaskDecoder
        Gets them.
    path : str or Path
        Their file.
    weights : dict
        What it held, where it has been read.

    Raises
    ------
    InputError
        If they are another decoder's, or its masks would be no numbers.
    """
    try:
        if weights is None:
            weights = parse_weights(read_once(path, MAX_DECODER_BYTES), path)
        decoder.load_state_dict(weights)
    except (InputError, RuntimeError) as error:
        why = first_line(error)
        raise InputError(f"{path} does not hold this decoder's weights: {why}") from error
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise InputError(f"{path} holds weights that are no numbers: the training went wrong")
    if not _masks_are_numbers(decoder):
        raise InputError(f"{path} holds weights so large that masks are no numbers")


@torch.no_grad()
def _masks_are_numbers(decoder):
    """Whether masks of small made-up clips are finite, faint and loud ones."""
    generator = torch.Generator().manual_seed(0)
    kept = next(decoder.parameters())
    axis = torch.linspace(0, 1, PROBE)
    grid = Grid(axis.unsqueeze(0).to(kept), axis.to(kept), torch.ones(PROBE).to(kept))
    text = torch.randn(2, 1, decoder.config["query_dim"], generator=generator)
    for gain in PROBE_GAINS:
        hidden, level = (
            [gain * torch.randn(1, size, PROBE, PROBE, generator=generator) for size in sizes]
            for sizes in (decoder.config["hidden_channels"], [1])
        )
        evidence = DecoderFeatures(tuple(maps.to(kept) for maps in hidden), level[0][0].to(kept))
        masks = logits_to_mask(decoder(evidence, normalize(text, dim=-1).to(kept), grid), grid)
        if not masks.isfinite().all():
            return False
    return True


def hyperparams(model, method, classifier_settings):
    """What ``hyperparams.yaml`` says of a model: str.

    Arguments
    ---------
    model : InterpreterNetwork
        Trained.
    method : str
        Its name.
    classifier_settings : dict
        Arguments, as scalars, that build its CLAP again.
    """
    domain, clap = model.classifier.domain, model.classifier.audio_classifier
    return HPARAMS.format(
        method=method,
        notes=[json.dumps(str(text)) for text in (method, *clap.reference)],
        masking=type(domain).__name__.removesuffix("Domain").lower(),
        reference=clap.reference,
        classifier_class=_path(clap),
        classifier_settings=_indented(classifier_settings, flow=False),
        domain_class=_path(domain),
        decoder_config=_indented(model.decoder.config),
    )


def _indented(values, flow=None):
    """Plain values as the body of a YAML mapping; PyYAML's flow style."""
    if not values:
        return ""
    lines = yaml.safe_dump(values, default_flow_style=flow, sort_keys=False).splitlines()
    return "\n".join("    " + line for line in lines)


def _path(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
