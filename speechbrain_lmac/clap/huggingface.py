"""CLAPs in transformers' format, ``ClapModel``: from the Hugging Face Hub or a local folder."""

import json
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torchaudio.functional import melscale_fbanks
from transformers import ClapModel

from speechbrain_lmac.clap import checkpoint
from speechbrain_lmac.clap.base import ClapReference, lasting
from speechbrain_lmac.clap.htsat import Htsat
from speechbrain_lmac.clap.laion import FRONT_END, LONGEST
from speechbrain_lmac.clap.pretrained import PretrainedClap
from speechbrain_lmac.clap.sentences import FILES, VOCABULARIES, Sentences, load_tokenizer
from speechbrain_lmac.download import digest
from speechbrain_lmac.errors import InputError, first_line
from speechbrain_lmac.hub import hub_folder

HUB_ID = "laion/clap-htsat-unfused"
REVISION = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files that hold a model, the one preferred first."""

REMEDY = "fetch it elsewhere and give its folder as `source`"
FAILURES = (*checkpoint.FAILURES, SafetensorError, StrictDataclassError)
"""What transformers raises on files that are not, or not whole, what they should be."""

GEOMETRY = ("position_ids", "token_type_ids", "relative_position_index")
"""Buffers that hold nothing learnt; files of some versions have them and of others have not."""

LOWEST_HZ, HIGHEST_HZ = 50.0, 14000.0
"""Of the mel bands that LAION trained on; the feature extractor's own default, 0 Hz, is wrong for
these weights by up to 17 dB."""


class TransformersClap(PretrainedClap):
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
        check_extractor(folder, highest_hz)
        words = load_tokenizer(folder if tokenizer is None else tokenizer)
        folder, weights = find_weights(source, folder, revision)
        model = load_model(folder)
        bands = model.config.audio_config.num_mel_bins
        filterbank = melscale_fbanks(
            FRONT_END.n_fft // 2 + 1,
            lowest_hz,
            highest_hz,
            bands,
            FRONT_END.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        sentences = Sentences(
            words,
            model.text_model,
            model.text_projection,
            lambda states: states.pooler_output,
            LONGEST,
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
        self.weights = weights
        self.settings = {
            "source": lasting(source),
            "tokenizer": None if tokenizer is None else lasting(tokenizer),
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
        return ClapReference("transformers", self.settings["source"], digest(self.weights))


def find_settings(source, revision, any_of):
    """Folder of a model's configuration and tokenizer, and in it one of the files ``any_of``."""
    if Path(source).is_dir():
        return Path(source)
    if str(source).count("/") != 1 or str(source).startswith((".", "/")):
        raise InputError(f"no such folder: {source}; give one, or a Hub id user/name")
    files = ["config.json", *FILES]
    return hub_folder(str(source), files, pinned(source, revision), any_of=any_of, remedy=REMEDY)


def find_weights(source, folder, revision):
    """Folder and file of a model's weights, which are fetched last, for they are large."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder, folder / name
    if not Path(source).is_dir():
        for name in WEIGHTS:
            found = hub_folder(str(source), [name], pinned(source, revision), remedy=REMEDY)
            if (found / name).is_file():
                return found, found / name
    raise InputError(f"{source} holds no weights of transformers: {' or '.join(WEIGHTS)}")


def pinned(source, revision):
    """The revision to fetch: of the model that is the default, one that is known."""
    return REVISION if revision is None and str(source) == HUB_ID else revision


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


def check_config(folder):
    """Refuse a configuration that does more than describe the model."""
    held = [read_mapping(folder / "config.json")]
    while held:
        part = held.pop()
        if steering := sorted(set(part) & set(STEERING)):
            raise InputError(f"{folder}: {steering[0]} in its config.json is refused")
        held.extend(value for value in part.values() if isinstance(value, dict))


def read_mapping(path):
    """A JSON file that holds a mapping."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no description: no mapping of names to values")
    return found


def load_model(folder):
    """transformers' model, strictly: every weight, every shape, no code of the repository."""
    check_config(folder)
    try:
        model, info = ClapModel.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except FAILURES as error:
        raise InputError(
            f"{folder} does not hold a CLAP of transformers: {first_line(error)}"
        ) from error
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
    if model.config.audio_config.enable_fusion:
        raise InputError(
            f"{folder} is a CLAP with feature fusion, which is not supported; "
            f"{HUB_ID} is one without"
        )
    return model
