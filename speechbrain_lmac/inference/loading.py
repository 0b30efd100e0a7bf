"""Loading of a trained interpreter, as SpeechBrain's ``Pretrained``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch

from speechbrain_lmac.audio.source import fetch_audio
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.explainers.network import find_explainer
from speechbrain_lmac.inference.hub import HubInterpreter
from speechbrain_lmac.inference.prompts import PromptQuery, label_queries, prompt_query
from speechbrain_lmac.inference.speechbrain_options import read_options
from speechbrain_lmac.inference.training_free import EXPLAINER, build_domain, training_free
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.checkpoint import load_interpreter, read_interpreter
from speechbrain_lmac.pretrained.config import HPARAMS_FILE
from speechbrain_lmac.utils.device import in_float32
from speechbrain_lmac.utils.errors import InputError


class PretrainedInterpreter(HubInterpreter):
    """Interpreter loaded from the package, a folder or the Hugging Face Hub.

    :class:`~speechbrain_lmac.inference.interpreter.Interpreter` adds the methods that classify and
    explain sounds.
    """

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
            ``run_opts`` and ``freeze_params`` of ``speechbrain.inference.interfaces.Pretrained``,
            ``fetch_config``, ``local_strategy`` and ``download_only``, as there. Values that are
            not supported are an error; see :mod:`speechbrain_lmac.inference.speechbrain_options`.

        Returns
        -------
        Interpreter
            None with ``download_only``, as in SpeechBrain: files are downloaded and checked.

        Raises
        ------
        InputError
            If ``source`` is not an interpreter, was trained on another classifier, or an argument
            of SpeechBrain is not supported.
        """
        if hparams_file != HPARAMS_FILE:
            raise InputError(f"hparams_file must be {HPARAMS_FILE}, got {hparams_file!r}")
        revision, download_only, options = read_options(kwargs, revision, savedir)
        if download_only:
            read_interpreter(source, revision, savedir, sha256, audio_classifier is not None)
            return cast("Self", None)
        loading = (source, overrides, revision, savedir, sha256, trust_source, audio_classifier)
        hparams, fingerprint = load_interpreter(*loading)
        return cls._built(hparams, fingerprint, **options)

    @classmethod
    @in_float32
    def from_classifier(
        cls,
        classifier: AudioClassifier | str,
        masking: str = "stft",
        explainer: str = EXPLAINER,
        **kwargs: Any,
    ) -> Self:
        """Explain a classifier by an explainer that needs no training.

        Arguments
        ---------
        classifier : AudioClassifier or str
            Classifier, or its description: ``mini``, ``laion:FILE``, a Hub id or a folder of a CLAP
            of transformers; see :func:`~speechbrain_lmac.models.registry.load_described`.
        masking : str
            Masking domain, ``stft`` or ``mel``. Default: ``stft``.
        explainer : str
            Explainer, such as ``gradcam++``; see
            :data:`~speechbrain_lmac.explainers.network.TRAINING_FREE`. Default:
            ``integrated-gradients``.
        **kwargs
            ``run_opts`` and ``freeze_params``, as for :meth:`from_hparams`.

        Returns
        -------
        Interpreter

        Raises
        ------
        InputError
            If the classifier cannot be loaded, or no domain or explainer has that name.

        Example
        -------
        >>> from speechbrain_lmac import Interpreter
        >>> from speechbrain_lmac.data.synthetic import synthesize
        >>> interpreter = Interpreter.from_classifier("mini", explainer="gradcam++")
        >>> interpreter.interpret(synthesize("siren", 0, seconds=1.0), "siren").waveform.shape
        torch.Size([1, 32000])
        """
        find_explainer(explainer)
        domain = build_domain(classifier, masking)
        return cls._built(*training_free(domain, explainer), **kwargs)

    def with_explainer(self, explainer: str) -> Self:
        """Return an interpreter of the same classifier with an explainer without training.

        Arguments
        ---------
        explainer : str
            Explainer, as for :meth:`from_classifier`.

        Returns
        -------
        Interpreter
        """
        hparams, fingerprint = training_free(self.model.classifier.domain, explainer)
        return self._built(hparams, fingerprint, run_opts={"device": self.device})

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
