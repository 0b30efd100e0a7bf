"""Interpreter with a classifier of a third party, of which one part is hostile."""

import hashlib
import io
import json
import os

import torch
from safetensors.torch import load, save
from transformers import ClapConfig, ClapModel

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.models.text.transformer import KNOWN
from speechbrain_lmac.pretrained.export import DECODER_FILE, HPARAMS_FILE, TEMPLATE
from tests.helpers import reference_models
from tests.security.conftest import CPU, REPO, put

THIRD = "models.clap.transformers.TransformersCLAP"
EVE = "eve/clap"
SMALL = {
    "text_config": {
        **{"vocab_size": reference_models.VOCABULARY, "hidden_size": 64, "num_hidden_layers": 1},
        **{"num_attention_heads": 1, "intermediate_size": 64, "max_position_embeddings": 514},
    },
    "audio_config": {
        **{"patch_embeds_hidden_size": 16, "depths": [1, 1, 1, 1], "hidden_size": 128},
        "num_attention_heads": [1, 2, 4, 8],
    },
    "projection_dim": 32,
}


def write_third_party(folder, tokenizer_folder):
    """Write a small CLAP with random weights and its tokenizer; return the files of each."""
    torch.manual_seed(0)
    ClapModel(ClapConfig(**SMALL)).save_pretrained(folder)
    reference_models.write_tokenizer(tokenizer_folder)
    return tuple(
        {path.name: path.read_bytes() for path in written.iterdir()}
        for written in (folder, tokenizer_folder)
    )


WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
ROBERTA = "FacebookAI/roberta-base"


class Guest:
    """Interpreter with a CLAP of a third party, honest until a part is changed."""

    def __init__(self, hub, third):
        self.hub, (files, tokenizer) = hub, third
        self.clap, self.tokenizer = dict(files), dict(tokenizer)
        self.settings = {"source": EVE, "tokenizer": ROBERTA}
        self.kind = THIRD
        settings = {"hidden_channels": [128, 64, 32, 16], "query_dim": 32, "channels": 8}
        torch.manual_seed(0)
        self.decoder = MaskDecoder(**settings).state_dict()
        self.config = settings

    def setting(self, part, **changes):
        """Change config.json of the CLAP."""
        described = json.loads(self.clap["config.json"])
        (described[part] if part else described).update(changes)
        self.clap["config.json"] = json.dumps(described).encode()

    def hyperparams(self, commit):
        settings = {"revision": commit, **self.settings}
        lines = "".join(f"\n    {k}: {v}" for k, v in settings.items() if v is not None)
        (file,) = [name for name in self.clap if name in WEIGHT_FILES] or ["config.json"]
        digest = hashlib.sha256(self.clap[file]).hexdigest()
        return TEMPLATE.format(
            method="LMAC-ZS-D",
            notes=["LMAC-ZS-D", "transformers", commit, f'"{digest}"'],
            masking="mel",
            classifier_class=f"speechbrain_lmac.{self.kind}",
            classifier_settings=lines,
            domain_class="speechbrain_lmac.masking.domains.MelDomain",
            domain_settings="",
            decoder_class="speechbrain_lmac.masking.decoder.MaskDecoder",
            decoder_config="".join(f"\n    {k}: {v}" for k, v in self.config.items()),
        )

    def load(self):
        commit = self.hub.put(EVE, self.clap)
        self.hub.commits[ROBERTA] = [(KNOWN[ROBERTA], self.tokenizer)]
        state = {name: value.contiguous() for name, value in self.decoder.items()}
        put(self.hub, {HPARAMS_FILE: self.hyperparams(commit), DECODER_FILE: save(state)})
        return Interpreter.from_hparams(source=REPO, run_opts=CPU)


def changed_config(part, /, **changes):
    """Change settings in config.json."""
    return lambda guest, _: guest.setting(part, **changes)


def replaced_file(name, content):
    """Replace a file of the CLAP."""
    return lambda guest, _: guest.clap.update({name: content})


def changed_settings(**settings):
    """Change settings of the CLAP in hyperparams.yaml."""
    return lambda guest, _: guest.settings.update(settings)


def another_class(kind, **settings):
    """Replace the class of the CLAP in hyperparams.yaml."""

    def change(guest, _):
        guest.kind, guest.settings = kind, {"revision": None, **settings}

    return change


def changed_weights(change):
    """Change the weights in their safetensors file."""

    def spoil(guest, _):
        state = load(guest.clap["model.safetensors"])
        change(state)
        guest.clap["model.safetensors"] = save(state)

    return spoil


def pickled_weights(make, old=False):
    """Replace the safetensors file by a hostile ``pytorch_model.bin``."""

    def spoil(guest, marker):
        state = load(guest.clap.pop("model.safetensors"))
        make(state, marker)
        buffer = io.BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=not old)
        guest.clap["pytorch_model.bin"] = buffer.getvalue()

    return spoil


def scaled_decoder(factor, ending):
    """Multiply weights of the decoder."""

    def spoil(guest, _):
        for name, value in guest.decoder.items():
            if name.endswith(ending):
                value.add_(0.1).mul_(factor)

    return spoil


def with_pipe(name, change):
    """Create a pipe with the name of a setting in the current folder."""

    def spoil(guest, marker):
        path = marker.parent / name
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
        change(guest, marker)

    return spoil


def changed_tokenizer(change):
    """Change tokenizer.json."""

    def spoil(guest, _):
        described = json.loads(guest.tokenizer["tokenizer.json"])
        change(described)
        guest.tokenizer["tokenizer.json"] = json.dumps(described).encode()

    return spoil
