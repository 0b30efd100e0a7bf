"""Every architecture and kind of classifier fulfils the contract.

The weights are random, except those of MiniCLAP. Unit tests that take ``any_clap`` or
``any_classifier`` are repeated here with all adapters.
"""

import itertools

import pytest

from speechbrain_lmac.utils.errors import InputError
from tests.conftest import CLASSIFIERS
from tests.unit.metrics import test_insertion_deletion as curves
from tests.unit.metrics import test_randomization as randomization
from tests.unit.models import test_adapters as adapters

test_classifier_is_frozen = adapters.test_classifier_is_frozen
test_clap_vectors_have_unit_norm = adapters.test_clap_vectors_have_unit_norm
test_queries_have_unit_norm = adapters.test_queries_have_unit_norm
test_hidden_maps_are_as_declared = adapters.test_hidden_maps_are_as_declared
test_vector_ignores_the_batch = adapters.test_vector_ignores_the_batch
test_gradient_equals_finite_differences = adapters.test_gradient_equals_finite_differences
test_leads_agrees_with_the_presence = adapters.test_leads_agrees_with_the_presence
test_classifier_encodes_any_length = adapters.test_classifier_encodes_any_length
test_mask_of_ones_is_identity = adapters.test_mask_of_ones_is_identity
test_masks_agree_in_both_domains = adapters.test_masks_agree_in_both_domains
test_decoder_fits_the_classifier = adapters.test_decoder_fits_the_classifier
test_gradient_features_fit_the_classifier = adapters.test_gradient_features_fit_the_classifier
explained = adapters.explained
test_explainer_runs_on_the_classifier = adapters.test_explainer_runs_on_the_classifier

test_audio_blocks_hold_every_used_weight = randomization.test_audio_blocks_hold_every_used_weight
test_audio_blocks_run_from_the_output = randomization.test_audio_blocks_run_from_the_output

encoded_clips = curves.encoded_clips
ranks = curves.ranks
test_curve_ends_are_clip_and_fill = curves.test_curve_ends_are_clip_and_fill
test_curve_ignores_the_batch = curves.test_curve_ignores_the_batch
test_fills_use_valid_frames_only = curves.test_fills_use_valid_frames_only


SLOW = "laion_htsat"
"""Classifier of 10 s, whose search of areas is left to ``make exhaustive``."""


@pytest.mark.parametrize(
    ("any_classifier", "masking"),
    [
        pytest.param(*pair, marks=pytest.mark.exhaustive if SLOW in pair else ())
        for pair in itertools.product(CLASSIFIERS, ("mel", "stft"))
    ],
    indirect=["any_classifier"],
)
def test_areas_certify_the_classifier(any_classifier, masking):
    """The areas of a question hold for its sounds, in both masking domains."""
    adapters.test_areas_certify_the_classifier(any_classifier, masking)


@pytest.fixture
def fixed_length_clap(laion_htsat):
    """Return a CLAP whose encoder input has 10 s."""
    return laion_htsat


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
