"""The Hub's cache, a Hub that answers, one that does not: on loopback, by the real client."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from huggingface_hub import constants

from speechbrain_lmac.models.text.transformer import load_tokenizer
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub import hub_file, hub_folder
from tests.helpers import reference_models
from tests.helpers.fake_hub import point_at

COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's API as fetching a public file needs."""

    files: ClassVar = {}
    asked: ClassVar = []

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        if "user/" in self.path:  # the client asks other things as well
            self.asked.append(self.path)
        if self.path == "/":
            return self.send(200, b"", body)
        if self.path.startswith("/api/models/user/words"):
            siblings = [{"rfilename": name} for name in self.files]
            page = {"id": "user/words", "sha": COMMIT, "siblings": siblings, "private": False}
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.files.items()
            ]
            found = tree if "/tree/" in self.path else page
            return self.send(200, json.dumps(found).encode(), body, "application/json")
        name = self.path.split("?")[0].rpartition("/")[2]
        if self.path.startswith(f"/user/words/resolve/{COMMIT}/") and name in self.files:
            return self.send(200, self.files[name], body)
        return self.send(404, b"", body)

    def send(self, status, data, body, kind="application/octet-stream"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hash(data) & 0xFFFFFF:x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on loopback that holds one repository, and an empty cache."""
    words = reference_models.write_tokenizer(tmp_path / "words")
    Hub.files = {path.name: path.read_bytes() for path in words.iterdir()}
    Hub.asked = []
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    point_at(monkeypatch, f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
    yield Hub
    server.shutdown()
    server.server_close()


def test_a_tokenizer_is_fetched_once_and_works(hub):
    tokens = load_tokenizer("user/words", COMMIT)
    assert tokens("rain")["input_ids"] != tokens("a dog")["input_ids"]
    asked = len(hub.asked)
    load_tokenizer("user/words", COMMIT)
    assert len(hub.asked) == asked  # the cache is enough: not even a question


def test_one_file(hub):
    path = hub_file("user/words", "tokenizer.json", COMMIT)
    assert path.read_bytes() == hub.files["tokenizer.json"]


def test_a_file_that_is_not_there(hub):
    with pytest.raises(InputError, match="user/words on the Hugging Face Hub has no file gone"):
        hub_file("user/words", "gone.pt", COMMIT)


def test_a_repository_that_is_not_there(hub):
    with pytest.raises(InputError, match=r"user/gone is not available.*\. Look elsewhere"):
        hub_folder("user/gone", ["*.json"], COMMIT, remedy="Look elsewhere")


@pytest.fixture
def silent(monkeypatch, tmp_path):
    """A Hub that takes calls and says nothing."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    point_at(monkeypatch, f"http://127.0.0.1:{port}", tmp_path / "cache")
    yield
    listener.close()


@pytest.mark.usefixtures("silent")
def test_without_a_network_the_remedy_comes_within_ten_seconds():
    start = time.monotonic()
    with pytest.raises(InputError, match=r"does not answer.*[Gg]ive `tokenizer`: a folder"):
        load_tokenizer("FacebookAI/roberta-base")
    assert time.monotonic() - start < 10


def test_secrets_of_an_endpoint_are_not_said(monkeypatch, tmp_path):
    point_at(monkeypatch, "http://me:hunter2@127.0.0.1:9/?token=hunter2", tmp_path)
    with pytest.raises(InputError, match=r"127\.0\.0\.1") as said:
        load_tokenizer("FacebookAI/roberta-base")
    assert "hunter2" not in str(said.value)


def test_offline_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        load_tokenizer("FacebookAI/roberta-base")


def test_a_folder_without_a_vocabulary(tmp_path):
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_to_which_all_prompts_are_alike(tmp_path):
    """As transformers 5 hands out when a vocabulary is missing."""
    with pytest.raises(InputError, match=r"has no vocabulary \(300 tokens\)"):
        load_tokenizer(reference_models.write_tokenizer(tmp_path, vocabulary=300))


def test_a_folder_of_ones_own_is_used_without_a_network(tmp_path):
    (tmp_path / "decoder.safetensors").touch()
    assert hub_folder("user/words", ["decoder.safetensors"], local_dir=tmp_path) == tmp_path


def test_what_was_half_fetched_is_completed(hub):
    hub_folder("user/words", ["tokenizer_config.json"], COMMIT)
    tokens = load_tokenizer("user/words", COMMIT)
    assert tokens("rain")["input_ids"] != tokens("a dog")["input_ids"]
