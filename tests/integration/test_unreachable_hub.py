"""A Hub that does not answer."""

import socket
import time

import pytest

from speechbrain_lmac.models.text.transformer import load_tokenizer
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.fake_hub import point_at


@pytest.fixture
def silent_hub(monkeypatch, tmp_path):
    """Run a server that accepts connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    point_at(monkeypatch, f"http://127.0.0.1:{port}", tmp_path / "cache")
    yield
    listener.close()


@pytest.mark.usefixtures("silent_hub")
def test_load_tokenizer_fails_fast_offline():
    """A server that never answers is an error within ten seconds."""
    start = time.monotonic()
    with pytest.raises(InputError, match=r"does not answer.*[Gg]ive `tokenizer`: a folder"):
        load_tokenizer("FacebookAI/roberta-base")
    assert time.monotonic() - start < 10
