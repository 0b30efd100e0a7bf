"""Interpreter: load a trained interpreter, explain sounds."""

import warnings
from pathlib import Path
from typing import Any, ClassVar

import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.inference.interfaces import Pretrained

from speechbrain_lmac.audio import check_samples, load_audio
from speechbrain_lmac.errors import InputError
from speechbrain_lmac.export import DECODER_FILE, HPARAMS_FILE, load_decoder
from speechbrain_lmac.hub import hub_folder
from speechbrain_lmac.interpretation import Interpretation
from speechbrain_lmac.safe_yaml import check_tags

SHIPPED = Path(__file__).parent / "assets" / "interpreters"
"""Interpreters in the package, by name."""


class Interpreter(Pretrained):
    """Explain why a CLAP finds a sound similar to a prompt.

    Example
    -------
    >>> from speechbrain_lmac.data.synthetic import mixture
    >>> interpreter = Interpreter.from_hparams(source="embedded-stft")
    >>> wavs = mixture("siren", "rain", seed=3).mixture.unsqueeze(0)
    >>> (why,) = interpreter.interpret_batch(wavs, ["the sound of siren", "the sound of rain"])
    >>> why.waveform.shape
    torch.Size([2, 160000])
    """

    HPARAMS_NEEDED: ClassVar = ["clap_sha256"]
    MODULES_NEEDED: ClassVar = ["model"]

    @classmethod
    def from_hparams(
        cls,
        source: str | Path,
        overrides: dict | str | None = None,
        revision: str | None = None,
        savedir: str | Path | None = None,
        **kwargs,
    ) -> "Interpreter":
        """Load an interpreter.

        Its ``hyperparams.yaml`` may build an interpreter's own parts and nothing else; weights
        are safetensors. ``overrides`` are yours and not checked.

        Arguments
        ---------
        source : str or Path
            A results folder, its ``interpreter/`` folder, the name of a shipped interpreter
            (``embedded-stft``, ``embedded-mel``) or a Hugging Face Hub id ``user/name``.
        overrides : dict or str
            Changes to the hyperparameters.
        revision : str
            Of the Hub repository.
        savedir : str or Path
            Where Hub files are put; the Hub's own cache by default.
        **kwargs
            ``run_opts`` and what else ``speechbrain.inference.interfaces.Pretrained`` takes.

        Returns
        -------
        Interpreter

        Raises
        ------
        InputError
            If there is no interpreter at ``source``, or it was trained on another CLAP.
        """
        folder = find_interpreter(source, revision, savedir)
        text = (folder / HPARAMS_FILE).read_text(encoding="utf-8")
        check_tags(text, str(folder / HPARAMS_FILE))
        hparams = load_hyperpyyaml(text, overrides)
        model = hparams["modules"]["model"]
        check_clap(hparams, model.classifier.clap, folder)
        load_decoder(model.decoder, folder / DECODER_FILE)
        return cls(hparams["modules"], hparams, **kwargs)

    @property
    def model(self) -> Any:
        """The :class:`~speechbrain_lmac.listenable_map.ListenableMap` in use."""
        return self.mods["model"]

    @property
    def sample_rate(self) -> int:
        """Rate that the CLAP hears at, in Hz."""
        return self.model.classifier.clap.sample_rate

    def interpret_file(self, path: str | Path, prompts: str | list[str]) -> Interpretation:
        """Explain a sound file.

        Arguments
        ---------
        path : str or Path
            Any rate, length and number of channels: it is resampled and its channels averaged.
        prompts : str or list of str
            Free text; each is explained.

        Returns
        -------
        Interpretation
        """
        wav = load_audio(path, self.sample_rate)
        return self._interpret(wav, _as_prompts(prompts))

    def interpret_batch(
        self,
        wavs: torch.Tensor,
        prompts: str | list[str],
        wav_lens: torch.Tensor | None = None,
    ) -> list[Interpretation]:
        """Explain waveforms.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]`` at :attr:`sample_rate`.
        prompts : str or list of str
            Free text; each is explained for each clip.
        wav_lens : torch.Tensor
            Relative lengths ``[batch]``, as SpeechBrain has them; what lies beyond is padding.

        Returns
        -------
        list of Interpretation
            One per clip, of its own length.
        """
        prompts = _as_prompts(prompts)
        if wavs.dim() != 2:
            raise InputError(f"wavs must be [batch, time], not {list(wavs.shape)}")
        lengths = torch.ones(len(wavs)) if wav_lens is None else wav_lens.cpu()
        samples = (lengths * wavs.shape[1]).round().long().tolist()
        return [
            self._interpret(check_samples(wav[:length].cpu(), f"clip {i}"), prompts)
            for i, (wav, length) in enumerate(zip(wavs, samples))
        ]

    @torch.no_grad()
    def _interpret(self, wav, prompts):
        """Explain one clip ``[time]``."""
        classifier = self.model.classifier
        self._warn_of_what_is_not_heard(len(wav))
        wavs = wav.unsqueeze(0).to(self.device)
        analysis = classifier.analyse(wavs)
        text = classifier.clap.embed_text(prompts)
        masks = self.model(analysis, text.unsqueeze(1))
        similarity = classifier.logits(analysis.encoding.embedding, text).squeeze(0).cpu()
        return Interpretation(
            original=wav,
            waveform=classifier.listen(analysis, masks).squeeze(1).cpu(),
            mask=masks.squeeze(1).cpu(),
            similarity=similarity,
            target=similarity.argmax().item(),
            prompts=tuple(prompts),
            sample_rate=self.sample_rate,
            model=self.model,
        )

    def _warn_of_what_is_not_heard(self, samples):
        start, stop = self.model.classifier.clap.window.extent(samples)
        if samples - (stop - start) >= self.sample_rate / 100:
            seconds = [f"{count / self.sample_rate:.1f}" for count in (samples, start, stop)]
            warnings.warn(
                "of this clip of {} s the CLAP hears {} to {} s, and only that is explained; cut "
                "the clip to explain the rest".format(*seconds),
                stacklevel=2,
            )


def find_interpreter(source, revision=None, savedir=None):
    """Folder of an interpreter's two files, downloaded if need be.

    Arguments
    ---------
    source, revision, savedir
        As for :meth:`Interpreter.from_hparams`.

    Returns
    -------
    Path
    """
    for folder in (SHIPPED / str(source), Path(source) / "interpreter", Path(source)):
        if (folder / HPARAMS_FILE).is_file() and (folder / DECODER_FILE).is_file():
            return folder
    shipped = sorted(folder.name for folder in SHIPPED.glob("*"))
    if Path(source).exists() or str(source).count("/") != 1 or str(source).startswith("."):
        raise InputError(
            f"no interpreter at {source}: give a results folder of train.py, "
            f"a shipped one ({', '.join(shipped)}) or a Hub id user/name"
        )
    return _download(str(source), revision, savedir)


def _download(repo_id, revision, savedir):
    files = [HPARAMS_FILE, DECODER_FILE]
    found = hub_folder(repo_id, files, revision, savedir, remedy="it is no folder here either")
    missing = [name for name in files if not (found / name).is_file()]
    if missing:
        raise InputError(f"{repo_id} is no interpreter: it has no {' and no '.join(missing)}")
    return found


def check_clap(hparams, clap, folder):
    """Refuse an interpreter that was trained on other CLAP weights than are loaded."""
    found = clap.reference
    if hparams["clap_sha256"] != found.sha256:
        raise InputError(
            f"{folder} was trained on the CLAP {hparams['clap_name']} revision "
            f"{hparams['clap_revision']}, not on the one loaded ({found.name} {found.revision}); "
            "its masks would mean nothing"
        )


def _as_prompts(prompts):
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not prompts or not all(isinstance(text, str) and text.strip() for text in prompts):
        raise InputError("give at least one prompt, none of them empty")
    return prompts
