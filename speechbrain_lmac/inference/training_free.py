"""Interpreters without a trained decoder: any classifier and a training-free explainer."""

import hashlib
from typing import Any

from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.masking import domains
from speechbrain_lmac.masking.base import MaskingDomain
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.models.registry import load_described
from speechbrain_lmac.utils.errors import InputError

EXPLAINER = "integrated-gradients"
"""Default explainer: the lowest average drop of those that need no training."""


def build_domain(classifier: AudioClassifier | str, masking: str) -> MaskingDomain:
    """Return the masking domain of a classifier, or of a classifier's description.

    Arguments
    ---------
    classifier : AudioClassifier or str
        Classifier, or its description; see
        :func:`~speechbrain_lmac.models.registry.load_described`.
    masking : str
        ``stft`` or ``mel``.

    Raises
    ------
    InputError
        If the classifier cannot be loaded, or no domain has that name.
    """
    if masking not in domains.DOMAINS:
        raise InputError(f"masking must be {' or '.join(domains.DOMAINS)}, got {masking!r}")
    if isinstance(classifier, str):
        classifier = load_described(classifier)
    if not isinstance(classifier, AudioClassifier):
        raise InputError(
            "classifier must be an AudioClassifier or the name of one, got "
            f"{type(classifier).__name__}. Adapt a network by HookedClassifier"
        )
    return domains.build(masking, classifier)


def training_free(domain: MaskingDomain, explainer: str) -> tuple[dict[str, Any], str]:
    """Return hyperparameters and fingerprint of an interpreter without a decoder.

    Arguments
    ---------
    domain : MaskingDomain
        Masking domain of the classifier.
    explainer : str
        Name of an explainer, a key of
        :data:`~speechbrain_lmac.explainers.network.TRAINING_FREE`.

    Returns
    -------
    dict, str
        Hyperparameters with the built ``modules``, and the SHA-256 of the classifier, the domain
        and the explainer.
    """
    reference = domain.audio_classifier.reference
    model = ExplainerNetwork(MaskedClassifier(domain), explainer)
    identity = (reference.sha256, type(domain).__name__, domain.settings, model.explainer)
    hparams = {
        "method": explainer,
        "classifier_name": reference.name,
        "classifier_revision": reference.revision,
        "classifier_sha256": reference.sha256,
        "modules": {"model": model},
    }
    return hparams, hashlib.sha256(repr(identity).encode()).hexdigest()
