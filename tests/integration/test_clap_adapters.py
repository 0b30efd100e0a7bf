"""CLAP adapters of every architecture: MiniCLAP, EfficientAT CLAP and LAION's HTSAT.

The weights of EfficientAT CLAP and HTSAT are random. Unit tests that take ``any_clap`` are repeated
here with all adapters.
"""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.masking.domains import StftDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.utils.errors import InputError
from tests.unit.explainers.conftest import assert_maps
from tests.unit.metrics import test_insertion_deletion as curves
from tests.unit.metrics import test_randomization as randomization
from tests.unit.models.clap import test_mini as mini

test_clap_is_frozen = mini.test_clap_is_frozen
test_embeddings_have_unit_norm = mini.test_embeddings_have_unit_norm
test_hidden_maps_are_as_declared = mini.test_hidden_maps_are_as_declared
test_clip_embedding_ignores_the_batch = mini.test_clip_embedding_ignores_the_batch
test_gradient_equals_finite_differences = mini.test_gradient_equals_finite_differences
test_clap_encodes_any_length = mini.test_clap_encodes_any_length

test_audio_blocks_hold_every_used_weight = randomization.test_audio_blocks_hold_every_used_weight
test_audio_blocks_run_from_the_output = randomization.test_audio_blocks_run_from_the_output

encoded_clips = curves.encoded_clips
ranks = curves.ranks
test_curve_ends_are_clip_and_fill = curves.test_curve_ends_are_clip_and_fill
test_curve_ignores_the_batch = curves.test_curve_ignores_the_batch
test_fills_use_valid_frames_only = curves.test_fills_use_valid_frames_only

FEW_PASSES = {
    "saliency": {},
    "smoothgrad": {"samples": 1},
    "integrated-gradients": {"steps": 1},
    "gradcam": {},
    "gscorecam": {"fraction": 1e-3},
    "optimized": {"steps": 1},
}


@pytest.fixture
def fixed_length_clap(laion_htsat):
    """Return a CLAP whose encoder input has 10 s."""
    return laion_htsat


@pytest.mark.parametrize("name", FEW_PASSES)
def test_explainer_maps_have_the_clips_frames(name, any_clap):
    """A clip of 0.7 s, which HTSAT repeats 14 times."""
    generator = torch.Generator().manual_seed(0)
    model = InterpreterNetwork(MaskedClassifier(StftDomain(any_clap)), None)
    wavs = 0.1 * torch.randn(1, round(0.7 * any_clap.sample_rate), generator=generator)
    classes = normalize(torch.randn(3, any_clap.query_dim, generator=generator), dim=1)
    encoded = model.classifier.encode_clips(wavs)
    inputs = ExplainerInputs(classes[:1], (5,), classes)
    maps = replace(EXPLAINERS[name], **FEW_PASSES[name])(model, encoded, inputs)
    assert_maps(maps, encoded)
    assert maps.max() > 0 or "cam" in name  # a CAM is empty if all channels are negative


def test_byte_level_tokenizers_are_checked(laion_htsat):
    """They have a token for every letter; invisible text is refused."""
    for unseen in ("\u200b\u200d", "\ud800", "<s>", "<pad></s>"):
        with pytest.raises(InputError):
            laion_htsat.queries([unseen, "rain"])
    with pytest.raises(InputError, match="are the same"):
        laion_htsat.queries(["rain falls", "rain\u200b falls"])
    with pytest.warns(UserWarning, match="only the beginning"):
        laion_htsat.queries(["it falls " * 100])
    assert laion_htsat.queries(["Rain", "rain", "🐕"]).shape == (3, laion_htsat.query_dim)
