"""Files of the Hub, with the real client and a Hub on loopback."""

import json
import threading
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
    """The part of the Hub's API that downloads of public files need."""

    files: ClassVar = {}
    requests: ClassVar = []

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        if "user/" in self.path:  # the client sends other requests as well
            self.requests.append(self.path)
        if self.path == "/":
            return self.send(200, b"", body)
        if self.path.startswith("/api/models/user/words"):
            siblings = [{"rfilename": name} for name in self.files]
            page = {"id": "user/words", "sha": COMMIT, "siblings": siblings, "private": False}
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.files.items()
            ]
            answer = tree if "/tree/" in self.path else page
            return self.send(200, json.dumps(answer).encode(), body, "application/json")
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
    """Hub on loopback with one repository, and an empty cache."""
    words = reference_models.write_tokenizer(tmp_path / "words")
    Hub.files = {path.name: path.read_bytes() for path in words.iterdir()}
    Hub.requests = []
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    point_at(monkeypatch, f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
    yield Hub
    server.shutdown()
    server.server_close()


def test_load_tokenizer_uses_cache(hub):
    """A second call sends no request."""
    tokens = load_tokenizer("user/words", COMMIT)
    assert tokens("rain")["input_ids"] != tokens("a dog")["input_ids"]
    requests = len(hub.requests)
    load_tokenizer("user/words", COMMIT)
    assert len(hub.requests) == requests  # the cache is complete


def test_hub_file_is_downloaded(hub):
    """The file in the cache has the repository's content."""
    path = hub_file("user/words", "tokenizer.json", COMMIT)
    assert path.read_bytes() == hub.files["tokenizer.json"]


def test_hub_file_names_missing_file(hub):
    """The error names the repository and the file."""
    with pytest.raises(InputError, match="user/words on the Hugging Face Hub has no file gone"):
        hub_file("user/words", "gone.pt", COMMIT)


def test_hub_folder_names_missing_repository(hub):
    """The error ends with the remedy."""
    with pytest.raises(InputError, match=r"user/gone is not available.*\. Look elsewhere"):
        hub_folder("user/gone", ["*.json"], COMMIT, remedy="Look elsewhere")


def test_hub_error_hides_secrets(monkeypatch, tmp_path):
    """Users, passwords and queries of the endpoint are not in the error."""
    point_at(monkeypatch, "http://me:hunter2@127.0.0.1:9/?token=hunter2", tmp_path)
    with pytest.raises(InputError, match=r"127\.0\.0\.1") as error:
        load_tokenizer("FacebookAI/roberta-base")
    assert "hunter2" not in str(error.value)


def test_hub_offline_mode_is_named(monkeypatch, tmp_path):
    """The error names the environment variable."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        load_tokenizer("FacebookAI/roberta-base")


def test_load_tokenizer_refuses_empty_folder(tmp_path):
    """A folder without tokenizer files is an error."""
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)


def test_load_tokenizer_refuses_empty_vocabulary(tmp_path):
    """transformers 5 returns such a tokenizer when the vocabulary file is missing."""
    with pytest.raises(InputError, match=r"has no vocabulary \(300 tokens\)"):
        load_tokenizer(reference_models.write_tokenizer(tmp_path, vocabulary=300))


def test_hub_folder_uses_local_folder(tmp_path):
    """A complete local folder needs no network."""
    (tmp_path / "decoder.safetensors").touch()
    assert hub_folder("user/words", ["decoder.safetensors"], local_dir=tmp_path) == tmp_path


def test_hub_folder_completes_partial_cache(hub):
    """A repository of which some files are cached is completed."""
    hub_folder("user/words", ["tokenizer_config.json"], COMMIT)
    tokens = load_tokenizer("user/words", COMMIT)
    assert tokens("rain")["input_ids"] != tokens("a dog")["input_ids"]
