"""The publish command, from a results folder to a Hub on loopback."""

import pytest

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from tests.helpers.runs import finished_run

REPO = "me/maps"


@pytest.fixture
def results(clap, small_set, tmp_path):
    """Results folder of a decoder with random weights."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    return finished_run(tmp_path / "results", model, small_set)


def test_publish_uploads_repository(results, hub, tmp_path, capsys):
    """Neither a dry run nor a missing license uploads; then the repository is complete."""
    command = ["publish", str(results), "--repo", REPO, "--output", str(tmp_path / "out")]
    assert main([*command, "--dry-run"]) == 0
    with pytest.raises(SystemExit):
        main(command)
    assert REPO not in hub.commits
    assert main([*command, "--license", "mit"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"{hub.endpoint}/{REPO}"
    assert printed.err.startswith("warning: license must be stated")
    assert b"license: mit" in hub.files(REPO)["README.md"]
    assert "hyperparams.yaml" in hub.files(REPO)
    assert ".speechbrain-lmac.json" not in hub.files(REPO)
