"""Repository folders for the Hub; tests/integration/test_push.py pushes them."""

import dataclasses
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from huggingface_hub import ModelCard, ModelCardData, metadata_eval_result

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.publishing.repository import write_repository
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.runs import finished_run
from tests.helpers.small_networks import hooked
from tests.unit.publishing.conftest import REPO


@pytest.fixture(scope="module", params=["model", "labels_network"])
def any_model(request):
    """Interpreter network of a CLAP, and of a supervised classifier."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def any_repository(any_model, small_set, tmp_path_factory):
    """Results folder and repository folder of a run of either kind of classifier."""
    folder = tmp_path_factory.mktemp("run")
    results = finished_run(folder / "results", any_model, small_set)
    return results, write_repository(results, REPO, folder / "hub")


def test_repository_is_complete_and_portable(any_repository):
    """All files are present, and no text contains a local path."""
    results, repository = any_repository
    names = {path.name for path in repository.iterdir()}
    assert names == {
        *("README.md", "hyperparams.yaml", "decoder.safetensors", "training.json"),
        *("metrics.csv", "average_drop.png", "example.png", ".speechbrain-lmac.json"),
        *("example.mp3", "example-1.mp3", "example-2.mp3"),
    }
    card = (repository / "README.md").read_text()
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert "library_name: speechbrain\n" in front and "lmac" in front
    assert f'from_pretrained("{REPO}")' in body and "| synthetic sounds | 4 |" in body
    assert "The seed is 1, the number of epochs 2." in body and "2 clips (synthetic sounds)" in body
    assert "{{" not in body and "None" not in body
    for name in ("README.md", "hyperparams.yaml", "training.json"):
        text = (repository / name).read_text()
        assert not any(part in text for part in (str(results), str(Path.home()), "/tmp"))


def test_card_states_the_results(any_model, small_set, tmp_path):
    """The metadata are the means of the run's own table, in the form that the Hub reads."""
    results = finished_run(tmp_path / "results", any_model, small_set)
    rows = pd.read_csv(results / "metrics.csv")
    rows["value"] = [round(0.1234567 * place, 7) for place in range(len(rows))]
    rows.to_csv(results / "metrics.csv", index=False)
    repository = write_repository(results, REPO, tmp_path / "hub", "cc-by-4.0")
    data = ModelCard.load(repository / "README.md").data
    method = f"{any_model.classifier.audio_classifier.method_family}-D"
    own = rows[(rows.method == method) & (rows.fraction > 0)]
    names = ("AD", "FF", "Fid-In")
    expected = {metric: own[own.metric == metric].value.mean() for metric in names}
    stated = {result.metric_type: result for result in data.eval_results}
    assert set(stated) == {metric.lower() for metric in expected}
    for metric, value in expected.items():
        result = stated[metric.lower()]
        assert result.metric_value == pytest.approx(value, abs=5e-5) and result.verified is None
        entry = metadata_eval_result(
            model_pretty_name="maps",
            task_pretty_name=None,
            task_id="audio-classification",
            metrics_pretty_name=result.metric_name,
            metrics_id=metric.lower(),
            metrics_value=result.metric_value,
            dataset_pretty_name="synthetic sounds",
            dataset_id="synthetic-sounds",
            dataset_split="test",
        )
        (loaded,) = ModelCardData(**entry).eval_results
        assert dataclasses.replace(loaded, verified=None) == result
    assert (data.library_name, data.license, data.model_name) == (
        "speechbrain",
        "cc-by-4.0",
        "maps",
    )
    text = (repository / "README.md").read_text()
    assert any_model.classifier.audio_classifier.reference.sha256[:16] in text


def test_samples_are_played_by_the_card(any_repository):
    """Each audio tag names a file of the repository: a small MP3 of five seconds."""
    _, repository = any_repository
    text = (repository / "README.md").read_text()
    names = re.findall(rf'<audio controls [^>]*src="\S+/{REPO}/resolve/main/(\S+)"></audio>', text)
    assert names == ["example.mp3", "example-1.mp3", "example-2.mp3"]
    for name in names:
        sound = soundfile.info(repository / name)
        assert sound.format == "MP3" and sound.duration == pytest.approx(5.0, abs=0.1)
        assert (repository / name).stat().st_size < 100_000


@pytest.mark.parametrize("license", ["CC BY 4.0", "mit\nlanguage: en", ""])
def test_licenses_are_ids(results, tmp_path, license):
    """Nothing is written."""
    with pytest.raises(InputError, match="license must be an id of the Hub"):
        write_repository(results, REPO, tmp_path / "hub", license)
    assert not (tmp_path / "hub").exists()


def test_card_names_the_paper_of_the_method(any_repository, any_model):
    """Tags, words and citation follow the classifier; its class names are listed."""
    classifier = any_model.classifier.audio_classifier
    text = (any_repository[1] / "README.md").read_text()
    tags = ModelCard.load(any_repository[1] / "README.md").data.tags
    assert f"This {classifier.method_family} interpreter" in text
    assert f"**{classifier.method_family}-D**" in text
    supervised = classifier.class_names is not None
    assert ("zero-shot-audio-classification" in tags) != supervised
    assert ("audio-classification" in tags) == supervised
    assert ("paissan2024lmac," in text) == supervised
    assert ("a sound\nand a class" in text) == supervised
    assert ("`Crying baby`" in text or "`Baby cry, infant cry`" in text) == supervised
    example = ["the sound of a siren", "rain"] if not supervised else classifier.class_names[:2]
    assert f'interpret_file("street.wav", {json.dumps(list(example))})' in text


def test_repository_of_an_own_classifier(small_set, tmp_path):
    """Class names and weights travel, and the card shows how to give the classifier."""
    classifier = hooked()
    decoder = MaskDecoder(classifier.hidden_channels, classifier.query_dim, channels=4)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(classifier)), decoder)
    results = finished_run(tmp_path / "results", model, small_set)
    export_interpreter(model, "L-MAC-D", results / "interpreter", include_classifier=True)
    with pytest.raises(InputError, match="audio_classifier="):
        write_repository(results, REPO, tmp_path / "hub")
    folder = write_repository(results, REPO, tmp_path / "hub", audio_classifier=classifier)
    assert (folder / "labels.txt").read_text() == "siren\nrain\ndog\n"
    text = (folder / "README.md").read_text()
    assert "audio_classifier=classifier)" in text and "and the weights of the classifier" in text
    assert "The 3 classes are `siren`, `rain`, `dog`." in text
    loaded = Interpreter.from_hparams(source=folder, audio_classifier=hooked())
    assert loaded.fingerprint in text


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
