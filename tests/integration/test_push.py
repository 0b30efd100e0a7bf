"""A repository is pushed to a Hub on loopback and loaded from it, with the real client."""

import re

import pytest
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub_upload import push
from tests.unit.publishing import conftest as publishing

CPU = {"device": "cpu"}
REPO = publishing.REPO

model = publishing.model
published = publishing.published
results = publishing.results
repository = publishing.repository


def large_uploads(hub):
    """Return the uploads of large files."""
    return [line for line in hub.requests if line.startswith("PUT /large/")]


def test_pushed_interpreter_is_loaded(repository, hub, model, wavs):
    """Large and small files arrive; the revision and the hash of the card select the decoder."""
    url = push(repository, REPO)
    assert url == f"{hub.endpoint}/{REPO}"
    assert hub.files(REPO)["metrics.csv"] == (repository / "metrics.csv").read_bytes()
    assert large_uploads(hub)
    (pin,) = re.findall(r'sha256="(\w+)"', hub.files(REPO)["README.md"].decode())
    loaded = Interpreter.from_hparams(
        source=REPO, revision=hub.head(REPO, "main"), sha256=pin, run_opts=CPU
    )
    for name, weight in model.decoder.state_dict().items():
        torch.testing.assert_close(loaded.model.decoder.state_dict()[name], weight, msg=name)
    (result,) = loaded.interpret_batch(wavs[:1], ["rain"])
    assert result.waveform.isfinite().all()


def test_second_push_adds_a_commit(repository, hub):
    """The first commit keeps its files."""
    push(repository, REPO)
    first = hub.head(REPO, "main")
    card = repository / "README.md"
    card.write_text(card.read_text() + "Another limit.\n")
    push(repository, REPO)
    assert hub.head(REPO, "main") != first
    assert hub.files(REPO)["README.md"].endswith(b"Another limit.\n")
    assert not hub.files(REPO, first)["README.md"].endswith(b"Another limit.\n")


@pytest.mark.parametrize(
    ("request_line", "status", "message"),
    [
        ("POST /api/repos/create", 401, "does not know you"),
        ("POST /api/repos/create", 404, "me/maps does not exist"),
        ("/commit/", 409, "me/maps was changed by someone else"),
        ("/preupload/", 403, "may not write"),
    ],
)
def test_push_explains_refusals(repository, hub, request_line, status, message):
    """Each status of the Hub has its own message."""
    hub.faults = [(request_line, status)]
    with pytest.raises(InputError, match=message):
        push(repository, REPO)


def test_push_refuses_an_invalid_card(repository, hub):
    """The Hub's own message is shown."""
    (repository / "README.md").write_text("no front matter")
    with pytest.raises(InputError, match="no front matter"):
        push(repository, REPO)


def test_push_needs_a_login(repository, hub, monkeypatch):
    """The error names the command that logs in; nothing is uploaded."""
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    with pytest.raises(InputError, match="hf auth login"):
        push(repository, REPO)
    assert not hub.files(REPO)


def test_push_retries_dropped_connections(repository, hub):
    """One dropped connection does not fail the upload."""
    hub.faults = [("PUT /large/", 0)]
    push(repository, REPO)
    assert "decoder.safetensors" in hub.files(REPO)


def test_push_resumes_an_interrupted_upload(repository, hub):
    """Large files that arrived before the failure are not sent again."""
    hub.faults = [("/commit/", 500)] * 9
    with pytest.raises(InputError, match="again"):
        push(repository, REPO)
    sent = large_uploads(hub)
    hub.faults, hub.requests = [], []
    push(repository, REPO)
    assert sent and not large_uploads(hub)
    assert "decoder.safetensors" in hub.files(REPO)
