"""Published interpreters of L-MAC: the three checkpoints of SpeechBrain's recipe as an interpreter.

No licence is stated for the published files: they are read by path and never downloaded.
"""

from pathlib import Path
from typing import Any

from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.log1p import Log1pStftDomain
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.psi_decoder import PsiDecoder
from speechbrain_lmac.models.classifiers.speechbrain_cnn14 import SpeechBrainCNN14
from speechbrain_lmac.pretrained.decoder_weights import load_decoder
from speechbrain_lmac.pretrained.export import export_interpreter

LEFT_OUT_FRAMES = 6
"""Frames of a clip of 5 s for which the published decoder predicts no mask."""


def published_network(
    weights: str | Path, head: str | Path, decoder: str | Path, **settings: Any
) -> InterpreterNetwork:
    """Build the network of a published or retrained L-MAC.

    Arguments
    ---------
    weights, head : str or Path
        ``embedding_model.ckpt`` and ``classifier.ckpt`` of the classifier.
    decoder : str or Path
        ``psi_model.ckpt`` of the interpreter.
    **settings
        Additional arguments of
        :class:`~speechbrain_lmac.models.classifiers.speechbrain_cnn14.SpeechBrainCNN14`.

    Returns
    -------
    InterpreterNetwork

    Raises
    ------
    InputError
        If a file belongs to another model.
    """
    classifier = SpeechBrainCNN14(weights, head, **settings)
    domain = Log1pStftDomain(classifier, left_out_frames=LEFT_OUT_FRAMES)
    psi = PsiDecoder(classifier.hidden_channels, classifier.query_dim)
    load_decoder(psi, decoder)
    return InterpreterNetwork(MaskedClassifier(domain), psi).eval()


def export_published(
    weights: str | Path,
    head: str | Path,
    decoder: str | Path,
    folder: str | Path,
    method: str = "L-MAC",
    **settings: Any,
) -> Path:
    """Write a published L-MAC as an interpreter that ``Interpreter.from_hparams`` loads.

    Arguments
    ---------
    weights, head, decoder, **settings
        As for :func:`published_network`.
    folder : str or Path
        Folder to write. It names the classifier's files and contains the decoder.
    method : str
        Name of the method in result tables. Default: ``L-MAC``.

    Returns
    -------
    Path
        ``folder``.
    """
    network = published_network(weights, head, decoder, **settings)
    return export_interpreter(network, method, folder)
