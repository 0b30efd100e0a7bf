"""Repository folders for the Hub; tests/integration/test_push.py pushes them."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from speechbrain_lmac.publishing.repository import write_repository
from speechbrain_lmac.utils.errors import InputError
from tests.unit.publishing.conftest import REPO


def test_repository_is_complete_and_portable(repository, results):
    """All files are present, and no text contains a local path."""
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


@pytest.mark.parametrize("repo", ["maps", "me/maps/too", "me/ma ps", "-/-"])
def test_invalid_repo_ids_are_refused_first(results, tmp_path, repo):
    """Nothing is written."""
    with pytest.raises(InputError, match="no Hub id"):
        write_repository(results, repo, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_unfinished_run_is_refused(tmp_path):
    """The folder has no results."""
    with pytest.raises(InputError, match="no finished run"):
        write_repository(tmp_path, REPO, tmp_path / "hub")


def test_results_folder_is_not_replaced(results):
    """The results folder and its interpreter stay as they are."""
    before = sorted(results.rglob("*"))
    for folder in (results, results / "interpreter"):
        with pytest.raises(InputError, match="was not written by publish"):
            write_repository(results, REPO, folder)
    assert sorted(results.rglob("*")) == before


def test_repository_folder_is_replaced(results, repository):
    """A second call replaces the first repository."""
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
    """The history of a clone is not deleted."""
    (repository / ".git").mkdir()
    with pytest.raises(InputError, match="is a git repository"):
        write_repository(results, REPO, repository)
    assert (repository / ".git").is_dir()


def test_user_folders_are_not_replaced(results, tmp_path):
    """A folder with files of the user stays."""
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match="was not written by publish"):
        write_repository(results, REPO, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep me"
