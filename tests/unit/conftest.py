"""One CLAP, and one supervised classifier, for unit tests."""

import pytest


@pytest.fixture(scope="session", params=["clap"])
def any_clap(request):
    """Return MiniCLAP; tests/integration/test_adapters.py has the other architectures."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=["clap", "hooked_cnn"])
def any_classifier(request):
    """Return MiniCLAP and a small network; tests/integration/test_adapters.py has the others."""
    return request.getfixturevalue(request.param)
