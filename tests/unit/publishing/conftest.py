"""A finished run with random weights, and its repository: made once, and copied for each test."""

import shutil

import pytest

from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.publishing.repository import write_repository
from tests.helpers.runs import finished_run

REPO = "me/maps"


@pytest.fixture(scope="session")
def model(clap):
    """Return an untrained interpreter network in one masking domain; publishing ignores it."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    return InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)


@pytest.fixture(scope="session")
def published(tmp_path_factory, model, small_set):
    """Return a folder with the results folder of a finished run and its repository."""
    folder = tmp_path_factory.mktemp("published")
    results = finished_run(folder / "results", model, small_set)
    write_repository(results, REPO, folder / "hub")
    return folder


@pytest.fixture
def results(published, tmp_path):
    """Return the results folder of a finished run."""
    return shutil.copytree(published / "results", tmp_path / "results")


@pytest.fixture
def repository(published, results, tmp_path):
    """Return the repository folder of the run."""
    return shutil.copytree(published / "hub", tmp_path / "hub")
