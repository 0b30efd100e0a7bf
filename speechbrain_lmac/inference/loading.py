"""Loading of a trained interpreter, as SpeechBrain's ``Pretrained``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from speechbrain.inference.interfaces import Pretrained

from speechbrain_lmac.audio.source import fetch_audio
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.inference.prompts import PromptQuery, label_queries, prompt_query
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.checkpoint import load_interpreter
from speechbrain_lmac.pretrained.config import HPARAMS_FILE
from speechbrain_lmac.utils.device import in_float32
from speechbrain_lmac.utils.errors import InputError

PRETRAINED_OPTIONS = ("run_opts", "freeze_params")
"""Arguments of SpeechBrain's ``Pretrained`` that are passed on."""


class PretrainedInterpreter(Pretrained):
    """Interpreter loaded from the package, a folder or the Hugging Face Hub.

    :class:`~speechbrain_lmac.inference.interpreter.Interpreter` adds the methods that classify and
    explain sounds.
    """

    fingerprint: str | None = None
    """SHA-256 of the files that the interpreter was loaded from."""
    device: str
    """Device of the modules."""
    HPARAMS_NEEDED: ClassVar = ["classifier_sha256"]
    MODULES_NEEDED: ClassVar = ["model"]

    @classmethod
    @in_float32
    def from_hparams(
        cls,
        source: str | Path,
        overrides: dict[str, Any] | str | None = None,
        revision: str | None = None,
        savedir: str | Path | None = None,
        sha256: str | None = None,
        trust_source: bool = False,
        audio_classifier: AudioClassifier | None = None,
        hparams_file: str = HPARAMS_FILE,
        **kwargs: Any,
    ) -> Self:
        """Load an interpreter.

        Its ``hyperparams.yaml`` can describe only an interpreter, and its weights are safetensors.
        Neither can run code; see :mod:`speechbrain_lmac.pretrained.config`. ``overrides`` are not
        checked for safety.

        Arguments
        ---------
        source : str or Path
            Results folder, its ``interpreter/`` folder, name of a pretrained interpreter
            (``mini-stft``, ``mini-mel``, ``efficientat-labels-stft``, ``efficientat-labels-mel``)
            or Hub repository ``user/name``.
        overrides : dict or str
            Settings of parts that replace those of the file, also as YAML, such as
            ``{"audio_classifier": {"weights": "here.pt"}}``. Default: none.
        revision : str
            Git revision of the Hub repository. Default: ``main``.
        savedir : str or Path
            Folder for downloaded files, in a subfolder per repository and revision. Default: the
            cache of the Hub.
        sha256 : str
            Required SHA-256 of ``hyperparams.yaml``, ``decoder.safetensors`` and, if there is one,
            ``labels.txt``, concatenated; see :attr:`fingerprint`. Default: any.
        trust_source : bool
            Whether the file may run code, as with SpeechBrain's own interfaces. Default: False.
        audio_classifier : AudioClassifier
            Classifier to explain, for interpreters of a user's own classifier. Weights that travel
            with the interpreter are loaded into it. Its weights and class names must be those that
            the interpreter was trained on. Default: built as the file describes it.
        hparams_file : str
            Argument of SpeechBrain, which must be ``hyperparams.yaml``.
        **kwargs
            ``run_opts`` and ``freeze_params`` of ``speechbrain.inference.interfaces.Pretrained``.

        Returns
        -------
        Interpreter

        Raises
        ------
        InputError
            If ``source`` is not an interpreter, was trained on another classifier, or an argument
            of SpeechBrain is not supported.
        """
        if hparams_file != HPARAMS_FILE:
            raise InputError(f"hparams_file must be {HPARAMS_FILE}, got {hparams_file!r}")
        if unknown := sorted(set(kwargs) - set(PRETRAINED_OPTIONS)):
            raise InputError(
                f"arguments of SpeechBrain must be {' or '.join(PRETRAINED_OPTIONS)}, got "
                f"{unknown[0]}. See savedir and revision for downloads"
            )
        loading = (source, overrides, revision, savedir, sha256, trust_source, audio_classifier)
        hparams, fingerprint = load_interpreter(*loading)
        interpreter = cls(hparams["modules"], hparams, **kwargs)
        interpreter.fingerprint = fingerprint
        interpreter.mods.eval()  # also if parameters are not frozen
        return interpreter

    @in_float32
    def load_audio(self, path: Any, savedir: str | Path | None = None) -> torch.Tensor:
        """Load a sound at the sample rate of the classifier.

        Arguments
        ---------
        path : str, Path or file object
            Local file, web address, or file of the Hub as ``user/name/file.wav``.
        savedir : str or Path
            Folder for a file from a web address. Default: a temporary folder.

        Returns
        -------
        torch.Tensor
            Mono samples, ``[time]``, on the device of the interpreter.

        Raises
        ------
        InputError
            If the sound cannot be downloaded, read or explained.
        """
        return fetch_audio(path, savedir, self.sample_rate).to(self.device)

    def train(self, mode: bool = True) -> Self:
        """Refuse training mode, which would change the frozen encoders."""
        if mode:
            raise InputError("an interpreter cannot be trained. Train a decoder by train.py")
        return super().train(mode)

    def _apply(self, fn: Any, *args: Any, **kwargs: Any) -> Self:
        """Move to another device; refuse another precision."""
        moved = fn(torch.zeros(1, dtype=torch.float32, device=self.device))
        if moved.dtype != torch.float32:
            raise InputError(
                f"an interpreter must be in float32, got {moved.dtype}. On GPUs, set the "
                "classifier's bfloat16 instead"
            )
        super()._apply(fn, *args, **kwargs)
        self.device = str(moved.device)
        return self

    @property
    def model(self) -> InterpreterNetwork:
        """Network of the interpreter: the classifier and the mask decoder."""
        return self.mods["model"]

    @property
    def sample_rate(self) -> int:
        """Sample rate of the classifier, in Hz."""
        return self.audio_classifier.sample_rate

    @property
    def audio_classifier(self) -> AudioClassifier:
        """Classifier that is explained."""
        return self.model.classifier.audio_classifier

    def fits_input_window(self, samples: int) -> bool:
        """Return True if the encoder input covers a clip of this length, up to 10 ms."""
        start, stop = self.audio_classifier.window.span(samples)
        return samples - (stop - start) < self.sample_rate / 100

    def encoder_input(self, wav: torch.Tensor) -> torch.Tensor:
        """Return a clip ``[time]`` without offset and hum, ``[1, time]``, on the device."""
        return self.audio_classifier.without_offset(wav.unsqueeze(0)).to(self.device)

    @in_float32
    def query(self, prompts: str | Sequence[str], against: str | None = None) -> PromptQuery:
        """Return query vectors, as :func:`~speechbrain_lmac.inference.prompts.prompt_query`."""
        return prompt_query(self.audio_classifier, prompts, against)

    @in_float32
    def label_queries(
        self, labels: Sequence[str] | None = None, template: str = TEMPLATE
    ) -> tuple[tuple[str, ...], torch.Tensor]:
        """Return labels and query vectors, as in :mod:`speechbrain_lmac.inference.prompts`."""
        return label_queries(self.audio_classifier, labels, template)
