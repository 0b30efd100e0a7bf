"""CLAPs in transformers' format, ``ClapModel``: from the Hugging Face Hub or a local folder."""

import json
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torchaudio.functional import melscale_fbanks
from transformers import ClapConfig, ClapModel

from speechbrain_lmac.models import checkpoints
from speechbrain_lmac.models.backbones.htsat import Htsat
from speechbrain_lmac.models.base import WeightsReference, absolute_if_exists
from speechbrain_lmac.models.clap.laion import FRONT_END, MAX_TOKENS
from speechbrain_lmac.models.clap.pretrained import PretrainedCLAP
from speechbrain_lmac.models.text.transformer import FILES, VOCABULARIES, Sentences, load_tokenizer
from speechbrain_lmac.utils import single_read
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_folder
from speechbrain_lmac.utils.single_read import read_once

HUB_ID = "laion/clap-htsat-unfused"
REVISION = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files that hold a model, the one preferred first."""

MOST_DESCRIPTION, MOST_NUMBER, MAX_ITEMS = 1 << 20, 1 << 20, 16
"""Bytes of a JSON file; a number in it; numbers of a list."""
MAX_WEIGHTS = 1 << 33
"""Bytes of a file of weights that is fetched."""

REMEDY = "fetch it elsewhere and give its folder as `source`"
FAILURES = (*checkpoints.FAILURES, SafetensorError, StrictDataclassError)
"""What transformers raises on files that are not, or not whole, what they should be."""

GEOMETRY = ("position_ids", "token_type_ids", "relative_position_index")
"""Buffers that hold nothing learnt; files of some versions have them and of others have not."""

LOWEST_HZ, HIGHEST_HZ = 50.0, 14000.0
"""Of the mel bands that LAION trained on; the feature extractor's own default, 0 Hz, is wrong for
these weights by up to 17 dB."""


class TransformersCLAP(PretrainedCLAP):
    """A CLAP of transformers without fusion; 48 kHz, 10 s at a time.

    Arguments
    ---------
    source : str or Path
        A Hugging Face Hub id, or a folder of ``ClapModel.save_pretrained`` with the tokenizer.
    tokenizer : str or Path
        Where it lies, if not beside the model.
    revision : str
        Of the Hub repository.
    lowest_hz, highest_hz : float
        Edges of the mel bands that the model was trained on.
    bfloat16 : bool
        Run the audio encoder in bfloat16; for GPUs.

    Raises
    ------
    InputError
        If the model or the tokenizer cannot be had, or are not what they should be.
    """

    def __init__(
        self,
        source=HUB_ID,
        tokenizer=None,
        revision=None,
        lowest_hz=LOWEST_HZ,
        highest_hz=HIGHEST_HZ,
        bfloat16=False,
    ):
        folder = find_settings(source, revision, () if tokenizer else VOCABULARIES)
        if str(source) != HUB_ID and not Path(source).is_dir():
            revision = revision or checkpoints.commit_of(
                folder / "config.json"
            )  # weights of it too
        check_extractor(folder, highest_hz)
        check_band(lowest_hz, highest_hz)
        config = read_config(folder)
        words = load_tokenizer(folder if tokenizer is None else tokenizer)
        weights = find_weights(source, folder, revision)
        model, sha256 = load_model(config, weights)
        bands = model.config.audio_config.num_mel_bins
        filterbank = mel_filterbank(lowest_hz, highest_hz, bands)
        sentences = Sentences(
            words,
            model.text_model,
            model.text_projection,
            lambda states: states.pooler_output,
            MAX_TOKENS,
        )
        super().__init__(
            FRONT_END,
            filterbank,
            Htsat(model.audio_model.audio_encoder),
            model.audio_projection,
            sentences,
            model.config.projection_dim,
            model.logit_scale_a,
            bfloat16,
        )
        self.weights, self.sha256 = weights, sha256
        self.settings = {
            "source": absolute_if_exists(source),
            "tokenizer": None if tokenizer is None else absolute_if_exists(tokenizer),
            "revision": revision,
            "lowest_hz": lowest_hz,
            "highest_hz": highest_hz,
        }

    @property
    def portable_settings(self):
        found = super().portable_settings
        if "source" not in found:
            raise InputError(
                f"the CLAP was loaded from {self.settings['source']}, which others do not have: "
                "load it by its Hub id"
            )
        return found

    @property
    def reference(self):
        return WeightsReference("transformers", self.settings["source"], self.sha256)


def find_settings(source, revision, any_of):
    """Folder of a model's configuration and tokenizer, and in it one of the files ``any_of``."""
    if Path(source).is_dir():
        return Path(source)
    if str(source).count("/") != 1 or str(source).startswith((".", "/")):
        raise InputError(f"no such folder: {source}; give one, or a Hub id user/name")
    files = ["config.json", *(FILES if any_of else ["preprocessor_config*.json"])]
    return hub_folder(
        str(source),
        files,
        pinned(source, revision),
        any_of=any_of,
        remedy=REMEDY,
        largest=dict.fromkeys(("config.json", "preprocessor_config.json"), MOST_DESCRIPTION),
    )


def find_weights(source, folder, revision):
    """File of a model's weights, which are fetched last, for they are large.

    Raises
    ------
    InputError
        If there is none, or more than one: which is the model's is then no more than a guess.
    """
    if not any((folder / name).is_file() for name in WEIGHTS) and not Path(source).is_dir():
        for name in WEIGHTS:
            folder = hub_folder(
                str(source),
                [name],
                pinned(source, revision),
                remedy=REMEDY,
                largest={name: MAX_WEIGHTS},
            )
            if (folder / name).is_file():
                break
    found = [name for name in WEIGHTS if (folder / name).is_file()]
    others = sorted(path.name for path in folder.glob("*.index.json"))
    if not found and not others:
        raise InputError(f"{source} holds no weights of transformers: {' or '.join(WEIGHTS)}")
    if len(found) != 1 or others:
        raise InputError(
            f"{folder} must hold one file of weights, but holds {' and '.join([*found, *others])}. "
            "Give a folder that holds one"
        )
    return folder / found[0]


def pinned(source, revision):
    """The revision to fetch: of the model that is the default, one that is known."""
    return REVISION if revision is None and str(source) == HUB_ID else revision


def mel_filterbank(lowest_hz, highest_hz, bands):
    """Slaney mel filters, ``[n_fft // 2 + 1, bands]``."""
    rate, bins = FRONT_END.sample_rate, FRONT_END.n_fft // 2 + 1
    return melscale_fbanks(
        bins, lowest_hz, highest_hz, bands, rate, norm="slaney", mel_scale="slaney"
    )


def check_band(lowest_hz, highest_hz):
    """Refuse edges between which there is no band."""
    if not 0 <= lowest_hz < highest_hz <= FRONT_END.sample_rate / 2:
        raise InputError(
            "lowest_hz and highest_hz must be frequencies in order, at most "
            f"{FRONT_END.sample_rate // 2}, got {lowest_hz} and {highest_hz}"
        )


def check_extractor(folder, highest_hz):
    """Refuse a model whose feature extractor says that it hears otherwise than LAION's do.

    Of its lowest frequency nothing is asked: published ones say 0 Hz, and are wrong.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no model of transformers: it has no config.json")
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return
    found = read_mapping(path)
    expected = {
        "sampling_rate": FRONT_END.sample_rate,
        "fft_window_size": FRONT_END.n_fft,
        "hop_length": FRONT_END.hop_length,
        "max_length_s": FRONT_END.seconds,
        "frequency_max": highest_hz,
    }
    for name, value in expected.items():
        if found.get(name, value) != value:
            raise InputError(f"{path} says {name} {found[name]}; only {value} is supported here")


STEERING = (
    *("attn_implementation", "_attn_implementation", "experts_implementation", "auto_map"),
    *("quantization_config", "transformers_weights"),
)
"""Settings by which a model's own file would have transformers run other code, or other weights."""


def read_config(folder):
    """A model's configuration; refused if it does more than describe it, or describes more than
    any CLAP is.
    """
    config = read_mapping(folder / "config.json")
    held = [config]
    while held:
        part = held.pop()
        if steering := sorted(set(part) & set(STEERING)):
            raise InputError(f"{folder}: {steering[0]} in its config.json is refused")
        for name, value in part.items():
            held.extend([value] if isinstance(value, dict) else [])
            check_setting(name, value, folder)
    return config


def check_setting(name, value, folder):
    """Refuse a number, or one of a list, that is beyond any CLAP's."""
    numbers = value if isinstance(value, list) else [value]
    numbers = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
    most = checkpoints.MOST.get(name, MOST_NUMBER)
    if len(numbers) > MAX_ITEMS or not all(abs(n) <= most for n in numbers):  # nor NaN
        raise InputError(f"{folder}: {name} in its config.json is refused: at most {most} is read")
    if name == "depths" and sum(numbers) > most:
        raise InputError(f"{folder}: depths in its config.json are refused: {most} layers at most")


def read_mapping(path):
    """A JSON file that holds a mapping."""
    try:
        found = json.loads(read_once(path, MOST_DESCRIPTION).decode("utf-8"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no description: no mapping of names to values")
    return found


def load_model(description, weights):
    """transformers' model, strictly: every weight, every shape, no code of the repository.

    transformers is given tensors, never a folder in which it might find others.

    Arguments
    ---------
    description : dict
        Of :func:`read_config`.
    weights : Path
        File of its weights.

    Returns
    -------
    ClapModel, str
        And the SHA-256 of that file, in hex.
    """
    folder = weights.parent
    try:
        with single_read.held(weights) as file:
            state = read_tensors(file.name, weights)
        config = ClapConfig.from_dict(description)
        checkpoints.check_within(lambda: ClapModel(config), state, str(folder))
        model, info = ClapModel.from_pretrained(
            None,
            config=config,
            state_dict=state,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except FAILURES as error:
        raise InputError(
            f"{folder} does not hold a CLAP of transformers: {first_line(error)}"
        ) from error
    check_loaded(info, folder)
    if model.config.audio_config.enable_fusion:
        raise InputError(
            f"{folder} is a CLAP with feature fusion, which is not supported; "
            f"{HUB_ID} is one without"
        )
    return model, file.sha256


def check_loaded(info, folder):
    """Refuse what transformers could not load strictly."""
    wrong = {
        "lacks": info["missing_keys"],
        "holds what it should not": info["unexpected_keys"],
        "holds of another shape": [key for key, *_ in info["mismatched_keys"]],
    }
    learnt = {
        how: sorted(key for key in keys if not key.endswith(GEOMETRY))
        for how, keys in wrong.items()
    }
    problems = [f"{how} {keys[0]}" for how, keys in learnt.items() if keys]
    if problems:
        raise InputError(f"{folder} does not hold a CLAP of transformers: {'; '.join(problems)}")


def read_tensors(name, weights):
    """Tensors of the file ``name``, by the format that ``weights`` says: name -> tensor."""
    if weights.suffix == ".safetensors":
        return load_file(name)
    state = checkpoints.load_tensors(name, weights)
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise InputError(f"{weights} holds no dictionary of tensors")
    checkpoints.check_dense(state, weights)
    return state
