"""Audio blocks of the published CLAPs."""

import pytest

from speechbrain_lmac.models.registry import load_clap
from tests.helpers.gradients import used_weights


@pytest.mark.parametrize("name", ["microsoft", "transformers"])
def test_audio_blocks_of_published_claps(published_settings, wavs, name):
    """The blocks have all weights that an embedding depends on, each once."""
    clap = load_clap(name, **published_settings(f"lmac_zs_{name}")["audio_classifier"])
    blocks = [id(weight) for block in clap.audio_blocks for weight in block.parameters()]
    assert len(set(blocks)) == len(blocks)
    assert used_weights(clap, lambda: clap(wavs[:1]).vector.sum()) == set(blocks)
