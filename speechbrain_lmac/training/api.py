"""Training of an interpreter from Python, for instance for a classifier of the user."""

from pathlib import Path
from typing import Any

from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.training.given import SETTING, giving
from speechbrain_lmac.training.train import train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import InputError

SETTINGS_FILES = {"L-MAC": "lmac.yaml", "LMAC-ZS": "lmac_zs.yaml"}
"""Settings file for each family of methods."""

NUM_SCALES, DECODER_CHANNELS = 4, 32
"""Number of hidden maps for which the settings files state decoder channels, and the channels of
each scale for other numbers."""


def train_interpreter(
    classifier: AudioClassifier,
    data_folder: str | Path | None = None,
    masking: str = "stft",
    output_folder: str | Path = "results/own",
    hparams_file: str | Path | None = None,
    include_classifier: bool = False,
    **settings: Any,
) -> Path:
    """Train a mask decoder for a classifier, and evaluate it.

    An interrupted training resumes if it is called again with the same arguments.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier to explain, for instance a
        :class:`~speechbrain_lmac.models.classifiers.hooked.HookedClassifier`.
    data_folder : str or Path
        Folder with one subfolder per class, or another source of
        :func:`~speechbrain_lmac.data.datasets.read_clips`. Default: synthetic sounds.
    masking : str
        Masking domain, ``stft`` or ``mel``. Default: ``stft``.
    output_folder : str or Path
        Results folder. Default: ``results/own``.
    hparams_file : str or Path
        Settings file. Default: ``lmac.yaml`` for a supervised classifier, ``lmac_zs.yaml`` for a
        CLAP.
    include_classifier : bool
        Whether the weights of the classifier travel with the interpreter. Default: False.
    **settings
        Settings that replace those of the file, such as ``number_of_epochs=20``, and options of
        SpeechBrain, such as ``device="cpu"``.

    Returns
    -------
    Path
        ``output_folder``, for ``Interpreter.from_hparams`` with ``audio_classifier=classifier``.

    Raises
    ------
    InputError
        If a setting or the data are invalid.
    """
    if not isinstance(classifier, AudioClassifier):
        raise InputError(
            f"classifier must be an AudioClassifier, got {type(classifier).__name__}. Wrap a "
            "network of yours in HookedClassifier"
        )
    named: dict[str, Any] = {
        "data_folder": data_folder,
        "masking": masking,
        "output_folder": output_folder,
    }
    path = hparams_file or SETTINGS_FILES[classifier.method_family]
    if len(classifier.hidden_channels) != NUM_SCALES:
        named["decoder_channels"] = DECODER_CHANNELS
    words = [str(path), *as_arguments({**named, **settings})]
    with giving(classifier):
        train(
            words,
            command=["train_interpreter", *words],
            extra_overrides=SETTING,
            include_classifier=include_classifier,
        )
    return Path(output_folder)
