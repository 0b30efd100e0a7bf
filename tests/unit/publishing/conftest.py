"""A finished run with random weights, and its repository."""

import pytest

from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.publishing.repository import write_repository
from tests.helpers.runs import finished_run

REPO = "me/maps"


@pytest.fixture
def model(clap):
    """Return an untrained interpreter network in one masking domain; publishing ignores it."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    return InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)


@pytest.fixture
def results(tmp_path, model, small_set):
    """Return the results folder of a finished run."""
    return finished_run(tmp_path / "results", model, small_set)


@pytest.fixture
def repository(results, tmp_path):
    """Return the repository folder of the run."""
    return write_repository(results, REPO, tmp_path / "hub")
