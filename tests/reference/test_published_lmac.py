"""L-MAC equals SpeechBrain's recipe on random weights in the official sizes.

The reference is written from the equations of the paper (Paissan et al., ICML 2024) with modules of
SpeechBrain: ``X_in = M log1p|X|``, ``X_out = (1 - M) log1p|X|``, both encoded by the classifier.
"""

import pytest
import torch
from speechbrain.lobes.models.Cnn14 import CNN14PSI_stft

from speechbrain_lmac.masking.domains import StftDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.log1p import Log1pStftDomain
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.psi_decoder import PsiDecoder
from speechbrain_lmac.models.classifiers.speechbrain_cnn14 import SpeechBrainCNN14
from tests.helpers.cnn14 import noise_clips, published_classifier, relative

TOLERANCE = 1e-6
"""Largest relative difference."""
SECONDS = 1.28
"""111 frames, of which the decoder leaves out 6, as of 5 s."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Return SpeechBrain's modules, and the network here with the same weights."""
    folder = tmp_path_factory.mktemp("published")
    published = published_classifier(folder, "recipe", dim=2048)
    torch.manual_seed(2)
    psi = CNN14PSI_stft(2048, 1)
    classifier = SpeechBrainCNN14(**published.settings)
    decoder = PsiDecoder(classifier.hidden_channels, classifier.query_dim)
    decoder.load_state_dict(psi.state_dict(), assign=True)  # 237 million weights, once in memory
    domain = Log1pStftDomain(classifier, left_out_frames=6)
    return published, psi, InterpreterNetwork(MaskedClassifier(domain), decoder)


@pytest.fixture(scope="module")
def reference(chain):
    """Return the clips, and the reference's mask and logits of both parts."""
    published, psi, _ = chain
    wavs = noise_clips(16000, SECONDS)
    with torch.no_grad():
        magnitude = published.magnitude(wavs)
        mask = psi(published.classify(magnitude)[1]).sigmoid().squeeze(1)
        covered = magnitude[:, : mask.shape[1]].log1p()
        parts = [published.classify((m * covered).expm1())[0] for m in (mask, 1 - mask)]
    return wavs, mask, parts


def part_logits(classifier, wavs, mask):
    """Return the logits of masked-in and masked-out part."""
    encoded = classifier.encode_clips(wavs)
    queries = classifier.audio_classifier.head_queries
    vectors = (classifier.encode_masked_vector(encoded, part) for part in (mask, 1 - mask))
    return [classifier.logits(vector, queries) for vector in vectors]


@torch.no_grad()
def test_mask_and_logits_equal_speechbrain(chain, reference):
    """The decoder's mask, and the logits of masked-in and masked-out part."""
    _, _, network = chain
    wavs, expected, parts = reference
    encoded = network.classifier.encode_clips(wavs)
    queries = network.classifier.audio_classifier.head_queries
    own = queries[network.classifier.logits(encoded.encoding.vector, queries).argmax(dim=1)]
    (mask,) = network(encoded, own.unsqueeze(0))
    assert mask.shape == encoded.power.shape and expected.shape[1] == mask.shape[1] - 6
    assert relative(mask[:, :-6], expected) <= TOLERANCE
    for logits, wanted in zip(part_logits(network.classifier, wavs, mask), parts):
        assert relative(logits, wanted) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize(
    "domain",
    [StftDomain, Log1pStftDomain],
    ids=["masked magnitude", "all frames"],
)
def test_other_domains_differ(chain, reference, domain):
    """A mask on magnitudes, and parts with all frames, give other logits."""
    _, _, network = chain
    wavs, mask, parts = reference
    mask = torch.nn.functional.pad(mask, (0, 0, 0, 6))
    classifier = MaskedClassifier(domain(network.classifier.audio_classifier))
    for logits, wanted in zip(part_logits(classifier, wavs, mask), parts):
        assert relative(logits, wanted) > 10 * TOLERANCE
