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
    """A finished run of a decoder with random weights."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    return finished_run(tmp_path / "results", model, small_set)


@pytest.fixture
def hub():
    stand_in = FakeHub()
    yield stand_in
    stand_in.close()


def test_publish_command(results, hub, tmp_path):
    """A dry run uploads nothing; then the repository is complete."""
    here = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_TOKEN": TOKEN}
    here |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "speechbrain_lmac", "publish", str(results), "--repo", REPO]
    command += ["--output", str(tmp_path / "out")]
    for more in (["--dry-run"], []):
        assert REPO not in hub.commits
        done = subprocess.run(
            [*command, *more], env={**os.environ, **here}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{hub.endpoint}/{REPO}"
    assert "hyperparams.yaml" in hub.files(REPO)
    assert ".speechbrain-lmac.json" not in hub.files(REPO)
