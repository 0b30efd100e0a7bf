"""One CLAP for unit tests."""

import pytest


@pytest.fixture(scope="session", params=["clap"])
def any_clap(request):
    """Return MiniCLAP; tests/integration/test_clap_adapters.py has the other architectures."""
    return request.getfixturevalue(request.param)
