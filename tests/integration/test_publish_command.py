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
    """A dry run uploads nothing; then the repository is complete."""
    command = ["publish", str(results), "--repo", REPO, "--output", str(tmp_path / "out")]
    for options in (["--dry-run"], []):
        assert REPO not in hub.commits
        assert main([*command, *options]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{hub.endpoint}/{REPO}"
    assert "hyperparams.yaml" in hub.files(REPO)
    assert ".speechbrain-lmac.json" not in hub.files(REPO)
