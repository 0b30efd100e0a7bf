"""Classes of the synthetic sounds."""

import pytest

from speechbrain_lmac.data.synthetic import KINDS
from speechbrain_lmac.evaluation.scoring import ClassPrompts


@pytest.fixture(scope="session")
def prompts(clap):
    """Return the classes of all synthetic sounds."""
    return ClassPrompts(tuple(KINDS), clap.class_queries(tuple(KINDS), ["this is the sound of {}"]))
