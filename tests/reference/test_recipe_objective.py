"""The published loss and its gradient equal those of SpeechBrain's recipe.

The reference is the equation of the paper (Paissan et al., ICML 2024) and of its fine-tuning stage,
with the weights and reductions of the recipe, on modules of SpeechBrain:

    L = 4 CE(f(X_in), c) - 0.2 CE(f(X_out), c) + 0.4 (number of unguided clips) mean(M)
        + 4 mean_g BCE(M, [log1p|C| >= 0.35 max log1p|C|])

over the 425 of 431 frames that have a mask; the clips here have 105 of 111.
"""

from functools import partial

import pytest
import torch
import yaml
from torch.nn.functional import binary_cross_entropy, cross_entropy, pad

from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.training.pairs import guide_spectra
from speechbrain_lmac.utils.config import hparams_path, load_hparams
from tests.helpers.cnn14 import noise_clips, published_classifier, relative

TOLERANCE = 1e-5
"""Largest relative difference of the loss and of its gradient."""
BATCH, FRAMES, LEFT_OUT = 2, 111, 6
COVERED = FRAMES - LEFT_OUT


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Return SpeechBrain's modules of a classifier."""
    return published_classifier(tmp_path_factory.mktemp("published"), "recipe", dim=8)


@pytest.fixture(scope="module", params=[0.0, 4.0], ids=["L-MAC", "L-MAC-FT"])
def settings(request, published):
    """Return the settings of ``lmac_paper.yaml`` for a batch of two clips of 111 frames."""
    weights = {"sparsity": 0.4 * BATCH * FRAMES / COVERED}  # the file states those of 431 frames
    overrides = {
        **{"batch_size": BATCH, "guidance_weight": request.param, "loss_weights": weights},
        **{"audio_classifier": published.settings},
    }
    return load_hparams(str(hparams_path("lmac_paper.yaml")), yaml.safe_dump(overrides))


@pytest.fixture(scope="module")
def clips():
    """Return two clips with noise, and without it: the first resembles its clean clip more."""
    noisy = noise_clips(16000, (FRAMES - 1) * 186 / 16000, BATCH)
    clean = noise_clips(16000, (FRAMES - 1) * 186 / 16000, BATCH, seed=5)
    clean[0] = noisy[0]
    clean[1, : clean.shape[1] // 2] = 0
    return noisy, clean / clean.amax(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def mask():
    """Return a random mask of the covered frames, which needs a gradient."""
    generator = torch.Generator().manual_seed(3)
    uniform = torch.rand(BATCH, COVERED, 513, generator=generator)
    return (0.05 + 0.9 * uniform).requires_grad_()


def recipe_loss(published, clips, mask, guidance, bounded=False):
    """Return the loss of the equation, and the number of guided clips."""
    spectra, clean = (published.magnitude(wavs).log1p() for wavs in clips)
    target = published.classify(spectra.expm1())[0].argmax(dim=1)
    spectra, clean = spectra[:, :COVERED], clean[:, :COVERED]
    parts = [part * spectra for part in (mask, 1 - mask)]
    inside, outside = (cross_entropy(published.classify(p.expm1())[0], target) for p in parts)
    cosine = (parts[0] * clean).flatten(1).mean(1) / (
        parts[0].square().flatten(1).mean(1) * clean.square().flatten(1).mean(1)
    ).sqrt()
    guided = ((cosine >= 0.6) & (guidance > 0)).float()
    oracle = (clean >= 0.35 * clean.amax(dim=(1, 2), keepdim=True)).float()
    error = binary_cross_entropy(mask, oracle, reduction="none").mean(dim=(1, 2))
    loss = 4 * inside - 0.2 * outside + 0.4 * (1 - guided).sum() * mask.mean()
    return loss + guidance * (guided * error).mean(), int(guided.sum())


@pytest.fixture(scope="module")
def expected(published, settings, clips, mask):
    """Return the loss of the equation, its gradient, and the number of guided clips."""
    loss, guided = recipe_loss(published, clips, mask, settings["guidance_weight"])
    return loss, gradient(loss, mask), guided


def assert_differs(loss, mask, expected):
    """A loss and its gradient differ from those of the equation."""
    assert relative(loss, expected[0]) > 10 * TOLERANCE
    assert relative(gradient(loss, mask), expected[1]) > 10 * TOLERANCE


def loss_here(settings, clips, mask, **changes):
    """Return the loss of the settings."""
    network, objective = settings["model"], settings["objective"]
    classifier = network.classifier
    encoded = classifier.encode_clips(clips[0])
    queries = classifier.audio_classifier.head_queries
    target = classifier.logits(encoded.encoding.vector, queries).argmax(dim=1)
    target = target + changes.get("shift", 0)
    pairs = PromptPairs(
        encoded.encoding.vector,
        queries[target].unsqueeze(0),
        target.unsqueeze(0),
        classifier.competing(queries),
    )
    if "guidance" in objective.terms:
        pairs = pairs._replace(spectra=guide_spectra(classifier, encoded, clips[1]))
    masks = pad(mask, (0, 0, 0, LEFT_OUT)).unsqueeze(0)
    evaluate = partial(classifier.masked_objective, encoded, chunk_size=1)
    return objective(pairs, masks, masks, evaluate)[0]


def gradient(loss, mask):
    """Return the gradient of a loss with respect to the mask."""
    return torch.autograd.grad(loss, mask)[0]


def test_loss_and_gradient_equal_the_recipe(settings, clips, mask, expected):
    """Both stages, for a batch of which one clip is guided."""
    assert expected[2] == (1 if settings["guidance_weight"] else 0)
    loss = loss_here(settings, clips, mask)
    assert relative(loss, expected[0]) <= TOLERANCE
    assert relative(gradient(loss, mask), expected[1]) <= TOLERANCE


def test_other_class_differs(settings, clips, mask, expected):
    """The loss of another class than the predicted one is another."""
    assert_differs(loss_here(settings, clips, mask, shift=-1), mask, expected)


@pytest.mark.parametrize("term", ["mask_in_nll", "mask_out_log", "sparsity", "guidance"])
def test_each_term_counts(settings, clips, mask, expected, term):
    """With a smaller weight of a term, the loss and its gradient are others."""
    objective = settings["objective"]
    if term not in objective.terms:
        pytest.skip("not a term of this stage")
    weight = objective.weights[term]
    objective.weights[term] = 0.9 * weight
    try:
        wrong = loss_here(settings, clips, mask)
    finally:
        objective.weights[term] = weight
    assert_differs(wrong, mask, expected)
