"""The publish command, from a results folder to a Hub on loopback."""

import os
import subprocess
import sys

import pytest

from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from tests.helpers.fake_hub import TOKEN, FakeHub
from tests.helpers.runs import finished_run

REPO = "me/maps"


@pytest.fixture
def results(clap, small_set, tmp_path):
    """Results folder of a decoder with random weights."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    return finished_run(tmp_path / "results", model, small_set)


@pytest.fixture
def hub():
    """Local Hub."""
    fake_hub = FakeHub()
    yield fake_hub
    fake_hub.close()


def test_publish_uploads_repository(results, hub, tmp_path):
    """A dry run uploads nothing; then the repository is complete."""
    environment = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_TOKEN": TOKEN}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "speechbrain_lmac", "publish", str(results), "--repo", REPO]
    command += ["--output", str(tmp_path / "out")]
    for options in (["--dry-run"], []):
        assert REPO not in hub.commits
        done = subprocess.run(
            [*command, *options], env={**os.environ, **environment}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{hub.endpoint}/{REPO}"
    assert "hyperparams.yaml" in hub.files(REPO)
    assert ".speechbrain-lmac.json" not in hub.files(REPO)
