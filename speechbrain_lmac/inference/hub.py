"""Interpreters on the Hugging Face Hub, by the signatures of huggingface_hub's ``ModelHubMixin``.

The mixin itself is not used: it stores ``config.json``, and reads it before a file is checked.
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any, Self

from speechbrain_lmac.inference.frozen import FrozenInterpreter
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.card import interpreter_card
from speechbrain_lmac.pretrained.checkpoint import load_interpreter
from speechbrain_lmac.pretrained.config import HPARAMS_FILE, read_interpreter_config
from speechbrain_lmac.pretrained.export import export_folder, write_interpreter
from speechbrain_lmac.utils.device import check_device, in_float32
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub import HubAccess
from speechbrain_lmac.utils.hub_upload import CARD_FILE, check_id, commit_folder


class HubInterpreter(FrozenInterpreter):
    """Interpreter that is loaded from the Hub or a folder, and saved to either."""

    @classmethod
    @in_float32
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        device: str | None = None,
        sha256: str | None = None,
        overrides: dict[str, Any] | str | None = None,
        audio_classifier: AudioClassifier | None = None,
    ) -> Self:
        """Load an interpreter from the Hub or a folder.

        The files are checked as by ``from_hparams``: they cannot run code. If the Hub cannot be
        reached, files in the cache are used.

        Arguments
        ---------
        pretrained_model_name_or_path : str or Path
            Hub repository ``user/name``, folder, or name of a pretrained interpreter such as
            ``mini-stft``.
        force_download : bool
            Whether files in the cache are downloaded again. Default: False.
        token : str or bool
            Access token, False for none. Default: that of ``hf auth login`` or ``HF_TOKEN``.
        cache_dir : str or Path
            Cache folder. Default: the cache of the Hub.
        local_files_only : bool
            Whether nothing is downloaded. Default: False.
        revision : str
            Git revision: commit, tag or branch. Default: the newest commit of ``main``.
        device : str
            Torch device, such as ``cuda``. Default: ``cpu``.
        sha256, overrides, audio_classifier
            As for ``from_hparams``.

        Returns
        -------
        Interpreter

        Raises
        ------
        InputError
            As for ``from_hparams``, or if the device does not exist.

        Example
        -------
        >>> from speechbrain_lmac import Interpreter
        >>> Interpreter.from_pretrained("mini-stft").sample_rate
        32000
        """
        check_device(device)
        access = HubAccess(token, cache_dir, local_files_only, force_download, newest=True)
        hparams, fingerprint = load_interpreter(
            pretrained_model_name_or_path,
            overrides,
            revision,
            sha256=sha256,
            audio_classifier=audio_classifier,
            access=access,
        )
        # SpeechBrain warns of a GPU without a number
        run_opts = {"device": "cuda:0" if device == "cuda" else device or "cpu"}
        return cls._built(hparams, fingerprint, run_opts=run_opts)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        license: str | None = None,
        include_classifier: bool = False,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Write the interpreter and a model card to a folder.

        Arguments
        ---------
        save_directory : str or Path
            Folder to write. An earlier one is replaced if it has not changed since.
        repo_id : str
            Hub repository ``user/name``. Default: the name of the folder, which cannot be pushed.
        push_to_hub : bool
            Whether to call :meth:`push_to_hub`, too. Default: False.
        license : str
            License of the decoder, as an id of the Hub. Default: not stated.
        include_classifier : bool
            Whether to write the weights of a user's own classifier. Default: False.
        **push_to_hub_kwargs
            Additional arguments of :meth:`push_to_hub`.

        Returns
        -------
        str or None
            Address of the commit; None if nothing is pushed.

        Raises
        ------
        InputError
            If the interpreter has no decoder, or the folder holds other files. As for
            :meth:`push_to_hub`.
        """
        folder = Path(save_directory)
        name = repo_id or folder.resolve().name
        if push_to_hub:
            check_id(name)
        with export_folder(folder) as partial:
            self._write(partial, name, license, include_classifier, portable=False)
        if not push_to_hub:
            return None
        return self.push_to_hub(
            name, license=license, include_classifier=include_classifier, **push_to_hub_kwargs
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        license: str | None = None,
        include_classifier: bool = False,
    ) -> str:
        """Upload the interpreter and a model card to the Hub.

        A model card that the repository has stays. The results of a training are published by
        :func:`~speechbrain_lmac.publishing.api.publish`.

        Arguments
        ---------
        repo_id : str
            Repository ``user/name``. It is created if it does not exist.
        commit_message : str
            Message of the commit. Default: it names this package and its version.
        private : bool
            Whether a new repository is private. Default: as the owner has set.
        token : str
            Access token. Default: that of ``hf auth login`` or ``HF_TOKEN``.
        branch : str
            Branch, created if it does not exist. Default: ``main``.
        create_pr : bool
            Whether to open a pull request instead of changing the branch. Default: False.
        license, include_classifier
            As for :meth:`save_pretrained`.

        Returns
        -------
        str
            Address of the commit.

        Raises
        ------
        InputError
            If others cannot load the interpreter, or the Hub refuses the upload.
        """
        check_id(repo_id)
        if license is None:
            warnings.warn(
                "license is not stated, so others may not use the decoder. Give license='mit' or "
                "another id of the Hub",
                stacklevel=2,
            )
        options = (commit_message, token, branch, create_pr)
        with tempfile.TemporaryDirectory() as folder:
            self._write(Path(folder), repo_id, license, include_classifier, portable=True)
            return commit_folder(folder, repo_id, private, *options, replace_card=False)

    def _write(
        self,
        folder: Path,
        name: str,
        license: str | None,
        include_classifier: bool,
        portable: bool,
    ) -> None:
        """Write the interpreter and its card; InputError if a portable one could not be loaded."""
        if not isinstance(self.model, InterpreterNetwork):
            raise InputError(
                f"an interpreter must have a trained decoder to be saved, got {self.explainer_name}"
                ". Name its classifier in Interpreter.from_classifier instead"
            )
        classifier, method = self.audio_classifier, self.explainer_name
        settings = classifier.portable_settings if portable else classifier.settings
        write_interpreter(self.model, method, folder, settings, include_classifier)
        if portable:
            text = (folder / HPARAMS_FILE).read_text(encoding="utf-8")
            read_interpreter_config(text, HPARAMS_FILE, downloaded=True)
        masking = type(self.model.classifier.domain).__name__.removesuffix("Domain").upper()
        card = interpreter_card(folder, name, method, masking, classifier, license)
        (folder / CARD_FILE).write_text(card.content + "\n", encoding="utf-8")
