"""From a results folder to a Hub on loopback and back, with the real client."""

import re
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard, constants

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.publishing.repository import write_repository
from speechbrain_lmac.publishing.upload import push
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.fake_hub import TOKEN, FakeHub, point_at
from tests.helpers.runs import finished_run

REPO = "me/maps"
CPU = {"device": "cpu"}


@pytest.fixture
def model(clap):
    """One masking domain: the same is published for both."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    return InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)


@pytest.fixture
def results(tmp_path, model, small_set):
    return finished_run(tmp_path / "results", model, small_set)


@pytest.fixture
def repository(results, tmp_path):
    return write_repository(results, REPO, tmp_path / "hub")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    stand_in = FakeHub()
    point_at(monkeypatch, stand_in.endpoint, tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield stand_in
    stand_in.close()


def test_repository_is_complete_and_portable(repository, results):
    names = {path.name for path in repository.iterdir()}
    assert names == {
        *("README.md", "hyperparams.yaml", "decoder.safetensors", "training.json"),
        *("metrics.csv", "average_drop.png", "example.png", ".speechbrain-lmac.json"),
    }
    card = (repository / "README.md").read_text()
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert "library_name: speechbrain-lmac" in front and "lmac" in front
    assert f'source="{REPO}"' in body and "| synthetic sounds | 4 |" in body
    assert "The seed is 1, the number of epochs 2." in body and "2 clips (synthetic sounds)" in body
    assert "{{" not in body and "None" not in body
    for name in ("README.md", "hyperparams.yaml", "training.json"):
        text = (repository / name).read_text()
        assert not any(part in text for part in (str(results), str(Path.home()), "/tmp"))


def test_card_states_the_results(repository, model):
    """The metadata hold the results of the published method."""
    data = ModelCard.load(repository / "README.md").data
    assert {result.metric_type for result in data.eval_results} == {"ad", "ff", "fid-in"}
    assert all(result.metric_value == 1.0 for result in data.eval_results)
    assert data.eval_results[0].dataset_name == "synthetic sounds"
    text = (repository / "README.md").read_text()
    assert model.classifier.audio_classifier.reference.sha256[:16] in text


def test_published_interpreter_is_loaded(repository, hub, model, wavs):
    url = push(repository, REPO)
    assert url == f"{hub.endpoint}/{REPO}"
    assert hub.files(REPO)["metrics.csv"] == (repository / "metrics.csv").read_bytes()
    assert [line for line in hub.requests if line.startswith("PUT /large/")]  # and small ones
    (pin,) = re.findall(r'sha256="(\w+)"', hub.files(REPO)["README.md"].decode())
    loaded = Interpreter.from_hparams(
        source=REPO, revision=hub.head(REPO, "main"), sha256=pin, run_opts=CPU
    )
    for name, weight in model.decoder.state_dict().items():
        torch.testing.assert_close(loaded.model.decoder.state_dict()[name], weight, msg=name)
    (result,) = loaded.interpret_batch(wavs[:1], ["rain"])
    assert result.waveform.isfinite().all()


def test_push_again_adds_a_commit(repository, hub):
    push(repository, REPO)
    first = hub.head(REPO, "main")
    card = repository / "README.md"
    card.write_text(card.read_text() + "Another limit.\n")
    push(repository, REPO)
    assert hub.head(REPO, "main") != first
    assert hub.files(REPO)["README.md"].endswith(b"Another limit.\n")
    assert not hub.files(REPO, first)["README.md"].endswith(b"Another limit.\n")


@pytest.mark.parametrize(
    ("where", "status", "message"),
    [
        ("POST /api/repos/create", 401, "does not know you"),
        ("POST /api/repos/create", 404, "me/maps does not exist"),
        ("/commit/", 409, "me/maps was changed by someone else"),
        ("/preupload/", 403, "may not write"),
    ],
)
def test_push_explains_refusals(repository, hub, where, status, message):
    hub.faults = [(where, status)]
    with pytest.raises(InputError, match=message):
        push(repository, REPO)


def test_push_refuses_an_invalid_card(repository, hub):
    (repository / "README.md").write_text("no front matter")
    with pytest.raises(InputError, match="no front matter"):
        push(repository, REPO)


def test_push_needs_a_login(repository, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    with pytest.raises(InputError, match="hf auth login"):
        push(repository, REPO)
    assert not hub.files(REPO)


def test_push_retries_dropped_connections(repository, hub):
    hub.faults = [("PUT /large/", 0)]
    push(repository, REPO)
    assert "decoder.safetensors" in hub.files(REPO)


def test_push_resumes_an_interrupted_upload(repository, hub):
    """Large files that arrived before the failure are not sent again."""
    hub.faults = [("/commit/", 500)] * 9
    with pytest.raises(InputError, match="again"):
        push(repository, REPO)
    sent = [line for line in hub.requests if line.startswith("PUT /large/")]
    hub.faults, hub.requests = [], []
    push(repository, REPO)
    assert sent and not [line for line in hub.requests if line.startswith("PUT /large/")]
    assert "decoder.safetensors" in hub.files(REPO)


@pytest.mark.parametrize("repo", ["maps", "me/maps/too", "me/ma ps", "-/-"])
def test_invalid_repo_ids_are_refused_first(results, tmp_path, repo):
    with pytest.raises(InputError, match="no Hub id"):
        write_repository(results, repo, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_unfinished_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        write_repository(tmp_path, REPO, tmp_path / "hub")


def test_results_folder_is_not_replaced(results):
    before = sorted(results.rglob("*"))
    for folder in (results, results / "interpreter"):
        with pytest.raises(InputError, match="was not written by publish"):
            write_repository(results, REPO, folder)
    assert sorted(results.rglob("*")) == before


def test_repository_folder_is_replaced(results, repository):
    assert write_repository(results, REPO, repository) == repository
    assert len(list(repository.parent.glob(".speechbrain-lmac*"))) == 0


@pytest.mark.parametrize("name", ["notes.txt", "README.md"])
def test_user_files_are_not_replaced(results, repository, name):
    """An additional file, and an edited one."""
    (repository / name).write_text("mine")
    with pytest.raises(InputError, match="was not written by speechbrain-lmac, or has changed"):
        write_repository(results, REPO, repository)
    assert (repository / name).read_text() == "mine"


def test_other_folders_are_not_replaced(results, tmp_path):
    """The folder of another tool may hold a training.json, too."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "training.json").write_text("{}")
    with pytest.raises(InputError, match="was not written by publish"):
        write_repository(results, REPO, tmp_path / "other")
    assert (tmp_path / "other" / "training.json").read_text() == "{}"


def test_git_clones_are_not_replaced(results, repository):
    (repository / ".git").mkdir()
    with pytest.raises(InputError, match="is a git repository"):
        write_repository(results, REPO, repository)
    assert (repository / ".git").is_dir()


def test_user_folders_are_not_replaced(results, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match="was not written by publish"):
        write_repository(results, REPO, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep me"
