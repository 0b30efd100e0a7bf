"""Description of an interpreter that a command or a worker loads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechbrain_lmac.utils.device import check_device
from speechbrain_lmac.utils.errors import InputError

if TYPE_CHECKING:
    from speechbrain_lmac.inference.interpreter import Interpreter

DEFAULT_SOURCE = "mini-stft"
"""Interpreter of commands that name none."""


@dataclass(frozen=True)
class InterpreterSource:
    """Trained interpreter, or a classifier with an explainer that needs no training.

    Arguments
    ---------
    source : str
        Source, as for ``Interpreter.from_hparams``. Default: ``mini-stft``.
    revision : str or None
        Git revision of a Hub repository. Default: ``main``.
    device : str
        Torch device. Default: ``cpu``.
    classifier : str or None
        Classifier in place of a source, as for ``Interpreter.from_classifier``. Default: none.
    explainer : str or None
        Explainer without training. Default: the decoder of ``source``, or
        ``integrated-gradients`` of ``classifier``.
    masking : str or None
        Masking domain of ``classifier``. Default: ``stft``.
    """

    source: str = DEFAULT_SOURCE
    revision: str | None = None
    device: str = "cpu"
    classifier: str | None = None
    explainer: str | None = None
    masking: str | None = None

    def load(self) -> "Interpreter":
        """Load the interpreter; InputError if that is not possible."""
        from speechbrain_lmac.inference.interpreter import Interpreter
        from speechbrain_lmac.inference.training_free import EXPLAINER

        self._check()
        run_opts = {
            "device": "cuda:0" if self.device == "cuda" else self.device
        }  # SpeechBrain warns
        if self.classifier is not None:
            return Interpreter.from_classifier(
                self.classifier,
                self.masking or "stft",
                self.explainer or EXPLAINER,
                run_opts=run_opts,
            )
        interpreter = Interpreter.from_hparams(
            self.source, revision=self.revision, run_opts=run_opts
        )
        return interpreter.with_explainer(self.explainer) if self.explainer else interpreter

    def _check(self) -> None:
        """Raise InputError unless source and classifier exclude each other."""
        check_device(self.device)
        if self.classifier is None:
            if self.masking is not None:
                raise InputError("masking must be given with a classifier. A source has its own")
        elif self.source != DEFAULT_SOURCE or self.revision is not None:
            raise InputError("source and classifier must not both be given. Leave out one")
