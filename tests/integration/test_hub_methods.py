"""huggingface_hub's three methods of an interpreter, with the real client and a Hub on loopback."""

import inspect

import pytest
import torch
from huggingface_hub import ModelCard, ModelHubMixin

from speechbrain_lmac import Interpreter
from speechbrain_lmac.utils.errors import InputError

REPO = "me/maps"
LICENSE = "apache-2.0"
CARD = b"---\ntags: [mine]\n---\nMy words.\n"


def same_decoder(one, other):
    """Whether two interpreters have the same decoder weights."""
    states = one.model.decoder.state_dict(), other.model.decoder.state_dict()
    return all(torch.equal(weight, states[1][name]) for name, weight in states[0].items())


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("from_pretrained", {"model_kwargs"}),
        ("save_pretrained", {"config", "model_card_kwargs"}),
        (
            "push_to_hub",
            {"config", "model_card_kwargs"}
            | {f"{kind}_patterns" for kind in ("allow", "ignore", "delete")},
        ),
    ],
)
def test_signatures_are_those_of_the_mixin(method, missing):
    """Parameters have the mixin's names, kinds and order of positions; added ones are optional."""
    ours, theirs = (
        inspect.signature(getattr(kind, method)).parameters for kind in (Interpreter, ModelHubMixin)
    )
    assert set(theirs) - set(ours) == missing
    for name in set(theirs) & set(ours):
        assert ours[name].kind == theirs[name].kind, name
    assert all(
        ours[name].default is not inspect.Parameter.empty for name in set(ours) - set(theirs)
    )


def test_saved_interpreter_is_loaded(interpreter, tmp_path):
    """A folder holds the interpreter and a card without results; user files are not replaced."""
    folder = tmp_path / "maps"
    for _ in range(2):  # the second call replaces the first folder
        assert interpreter.save_pretrained(folder, license=LICENSE) is None
    loaded = Interpreter.from_pretrained(folder, device="cpu")
    assert same_decoder(loaded, interpreter)
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == LICENSE and card.data.eval_results is None
    assert loaded.fingerprint in card.text and "{" not in card.text.split("```bibtex")[0]
    assert "Evaluation" not in card.text and "Training data" not in card.text
    (folder / "README.md").write_text("mine")
    with pytest.raises(InputError, match="was not written by speechbrain-lmac, or has changed"):
        interpreter.save_pretrained(folder)
    assert (folder / "README.md").read_text() == "mine"


def test_pushed_interpreter_is_loaded(interpreter, hub, tmp_path):
    """Privacy, message, branch and token reach the Hub; the address is that of the commit."""
    options = {"private": True, "commit_message": "Mine", "license": LICENSE}
    url = interpreter.push_to_hub(REPO, **options)
    assert url == f"{hub.endpoint}/{REPO}/commit/{hub.head(REPO, 'main')}"
    assert hub.messages == ["Mine"] and hub.private == {REPO}
    cache = {"cache_dir": tmp_path / "mine"}
    with pytest.raises(InputError, match="not available"):
        Interpreter.from_pretrained(REPO, token=False, **cache)
    assert same_decoder(Interpreter.from_pretrained(REPO, **cache), interpreter)
    assert (tmp_path / "mine" / "models--me--maps").is_dir()
    assert not (tmp_path / "cache").exists()
    interpreter.save_pretrained(
        tmp_path / "saved", repo_id=REPO, push_to_hub=True, branch="next", license=LICENSE
    )
    assert f"POST /api/models/{REPO}/branch/next" in hub.requests
    assert f"POST /api/models/{REPO}/commit/next" in hub.requests


@pytest.mark.filterwarnings("error:license is not stated")
def test_push_keeps_an_existing_card(interpreter, hub):
    """Somebody's words are not overwritten; a missing license is a warning."""
    hub.put(REPO, {"README.md": CARD})
    with pytest.warns(UserWarning, match="the model card of me/maps stays"):
        interpreter.push_to_hub(REPO, license=LICENSE)
    assert hub.files(REPO)["README.md"] == CARD
    assert "decoder.safetensors" in hub.files(REPO)
    with pytest.raises(UserWarning, match="license is not stated"):
        interpreter.push_to_hub(REPO)


def test_from_pretrained_follows_the_branch(interpreter, hub):
    """The newest commit is loaded, and the cached one if the Hub is not asked or silent."""
    interpreter.push_to_hub(REPO, license=LICENSE)
    first = hub.head(REPO, "main")
    assert same_decoder(Interpreter.from_pretrained(REPO), interpreter)
    settings = hub.files(REPO)["hyperparams.yaml"]
    hub.put(REPO, {"hyperparams.yaml": settings.replace(b"method: ", b"method: new-", 1)})
    hub.requests.clear()
    old = Interpreter.from_pretrained(REPO, local_files_only=True)
    pinned = Interpreter.from_pretrained(REPO, revision=first)
    assert not hub.requests and "new" not in old.explainer_name + pinned.explainer_name
    assert "new" in Interpreter.from_pretrained(REPO).explainer_name
    hub.requests.clear()
    Interpreter.from_pretrained(REPO, force_download=True)
    assert any(line.endswith("decoder.safetensors") for line in hub.requests)
    hub.close()
    assert "new" in Interpreter.from_pretrained(REPO).explainer_name


def test_uncached_repository_is_refused_offline(hub, tmp_path):
    """The message names the option."""
    with pytest.raises(InputError, match="local_files_only is set"):
        Interpreter.from_pretrained(REPO, local_files_only=True)
    assert not hub.requests


def test_interpreter_without_decoder_is_refused(interpreter, tmp_path):
    """There is nothing to save; no folder is left."""
    with pytest.raises(InputError, match=r"must have a trained decoder.*gradcam\+\+"):
        interpreter.with_explainer("gradcam++").save_pretrained(tmp_path / "maps")
    assert not (tmp_path / "maps").exists()
