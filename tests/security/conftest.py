"""Local Hub with honest and hostile interpreters.

A hostile part that is executed creates the file ``marker``. Tests check that it does not exist.
"""

from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors.torch import save

from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.pretrained.export import DECODER_FILE, HPARAMS_FILE, hyperparams_text
from tests.helpers.fake_hub import FakeHub, point_at

CPU = {"device": "cpu"}
REPO = "mallory/maps"
ENORMOUS = b'{"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
"""Header of a safetensors file with a tensor of 4 TB."""


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def encode_weights(decoder):
    """Return a decoder's weights as the contents of a safetensors file."""
    return save({name: value.contiguous() for name, value in decoder.state_dict().items()})


def put(hub, files):
    """Commit files of text or bytes to the repository ``REPO``; return the revision."""
    return hub.put(REPO, {k: v.encode() if isinstance(v, str) else v for k, v in files.items()})


@pytest.fixture(scope="session")
def honest(clap):
    """Files of an honest interpreter with random weights."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    text = hyperparams_text(model, "LMAC-ZS-D", {})
    return {HPARAMS_FILE: text, DECODER_FILE: encode_weights(decoder)}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Local Hub, without repositories."""
    fake_hub = FakeHub()
    point_at(monkeypatch, fake_hub.endpoint, tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield fake_hub
    fake_hub.close()


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """Path that a successful attack would create, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "marker"
