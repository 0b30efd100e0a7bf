"""Interpreter: load a trained interpreter, classify and explain sounds."""

import warnings
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml
from hyperpyyaml import load_hyperpyyaml
from speechbrain.inference.interfaces import Pretrained

from speechbrain_lmac.audio.io import check_samples
from speechbrain_lmac.audio.source import AudioSource, fetched
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.inference.classification import Classification
from speechbrain_lmac.inference.interpretation import (
    UNSURE,
    Interpretation,
    audible,
    check_named,
    level_notes,
)
from speechbrain_lmac.inference.long_audio import explain_recording
from speechbrain_lmac.inference.presence import PresenceClassifier
from speechbrain_lmac.inference.prompts import PromptQuery, as_prompts, choice, question
from speechbrain_lmac.inference.timeline import ABSENT, THRESHOLD, Timeline, check_threshold
from speechbrain_lmac.pretrained.checkpoint import (
    as_text,
    check_classifier,
    check_fit,
    find_interpreter,
    read_files,
    read_interpreter,
)
from speechbrain_lmac.pretrained.config import build
from speechbrain_lmac.pretrained.export import (
    DECODER_FILE,
    HPARAMS_FILE,
    load_decoder,
    parse_weights,
)
from speechbrain_lmac.utils.device import in_float32
from speechbrain_lmac.utils.errors import InputError, first_line

OPTIONS = ("run_opts", "freeze_params")
"""Arguments of SpeechBrain's ``Pretrained`` that are passed on."""


class Interpreter(Pretrained):
    """Explain why a CLAP finds a sound similar to a prompt.

    Sounds are paths, open files, NumPy arrays or tensors with their ``sample_rate``, or files of
    the Hugging Face Hub (``hf://user/name/dog.wav``):
    :class:`~speechbrain_lmac.audio.source.AudioSource`.

    Example
    -------
    >>> from speechbrain_lmac.data.synthetic import mixture
    >>> interpreter = Interpreter.from_hparams(source="mini-stft")
    >>> wavs = mixture("siren", "rain", seed=3).mixture.unsqueeze(0)
    >>> (why,) = interpreter.interpret_batch(wavs, ["the sound of siren", "the sound of rain"])
    >>> why.waveform.shape
    torch.Size([2, 160000])
    """

    fingerprint: str | None = None
    """SHA-256 of the two files that it was loaded from; None if it was not."""
    HPARAMS_NEEDED: ClassVar = ["classifier_sha256"]
    MODULES_NEEDED: ClassVar = ["model"]

    @classmethod
    @in_float32
    def from_hparams(
        cls,
        source: str | Path,
        overrides: dict | str | None = None,
        revision: str | None = None,
        savedir: str | Path | None = None,
        sha256: str | None = None,
        trust_source: bool = False,
        hparams_file: str = HPARAMS_FILE,
        **kwargs,
    ) -> "Interpreter":
        """Load an interpreter.

        Its ``hyperparams.yaml`` may describe an interpreter and nothing else, weights are
        safetensors: neither can run anything, see :mod:`speechbrain_lmac.pretrained.config`.
        ``overrides`` are yours and not checked.

        Arguments
        ---------
        source : str or Path
            A results folder, its ``interpreter/`` folder, the name of a shipped interpreter
            (``mini-stft``, ``mini-mel``) or a Hugging Face Hub id ``user/name``.
        overrides : dict or str
            Other settings of its parts, also as YAML, such as
            ``{"audio_classifier": {"weights": "here.pt"}}``.
        revision : str
            Of the Hub repository.
        savedir : str or Path
            Where Hub files are put, in a folder for each repository and revision; the Hub's own
            cache by default.
        sha256 : str
            Of ``hyperparams.yaml`` and ``decoder.safetensors``, one after the other, which must
            have it: :attr:`fingerprint`.
        trust_source : bool
            Run whatever the file says, as SpeechBrain's own interfaces do.
        hparams_file : str
            As SpeechBrain has it; an interpreter's is ``hyperparams.yaml`` and no other.
        **kwargs
            ``run_opts`` and ``freeze_params``, as ``speechbrain.inference.interfaces.Pretrained``
            takes them.

        Returns
        -------
        Interpreter

        Raises
        ------
        InputError
            If there is no interpreter at ``source``, it was trained on another CLAP, or an
            argument of SpeechBrain's has no meaning here.
        """
        if hparams_file != HPARAMS_FILE:
            raise InputError(f"hparams_file must be {HPARAMS_FILE}, got {hparams_file!r}")
        if strange := sorted(set(kwargs) - set(OPTIONS)):
            raise InputError(
                f"from_hparams takes {', '.join(OPTIONS)} of SpeechBrain's arguments, got "
                f"{strange[0]}. Nothing but two files is fetched: see savedir and revision"
            )
        if trust_source:
            folder, _ = find_interpreter(source, revision, savedir)
            files, weights, path = read_files(folder, sha256), None, folder / HPARAMS_FILE
            warnings.warn(f"trust_source: whatever {path} says is run, unread", stacklevel=2)
            hparams = load_hyperpyyaml(as_text(files.hparams, path), overrides)
        else:
            folder, blueprint, files, weights = read_interpreter(source, revision, savedir, sha256)
            hparams = build(blueprint, _plain(overrides))
            hparams["modules"] = {"model": hparams["model"]}
        model = hparams["modules"]["model"]
        check_classifier(hparams, model.classifier.audio_classifier, folder)
        check_fit(model, folder)
        path = folder / DECODER_FILE
        load_decoder(model.decoder, path, weights or parse_weights(files.decoder, path))
        loaded = cls(hparams["modules"], hparams, **kwargs)
        loaded.fingerprint = files.fingerprint
        loaded.mods.eval()  # also where parameters are not frozen
        return loaded

    @in_float32
    def load_audio(self, path: Any, savedir: str | Path | None = None) -> torch.Tensor:
        """Load a sound as this interpreter's CLAP encodes it.

        Arguments
        ---------
        path : str, Path or file object
            A local file, a web address, or a file of the Hub as ``user/name/file.wav``.
        savedir : str or Path
            Folder in which what is fetched from a web address is kept; not kept by default.

        Returns
        -------
        torch.Tensor
            Mono ``[time]`` at :attr:`sample_rate`, on this interpreter's device.

        Raises
        ------
        InputError
            If it cannot be fetched, read or explained.
        """
        return fetched(path, savedir, self.sample_rate).to(self.device)

    def forward(
        self,
        wavs: torch.Tensor,
        prompts: str | list[str],
        wav_lens: torch.Tensor | None = None,
        against: str | None = None,
    ) -> list[Interpretation]:
        """Explain waveforms, as :meth:`interpret_batch`."""
        return self.interpret_batch(wavs, prompts, wav_lens, against)

    def train(self, mode: bool = True) -> "Interpreter":
        """Refuse training mode, in which the frozen encoders would answer otherwise."""
        if mode:
            raise InputError("an interpreter cannot be trained. Train a decoder by train.py")
        return super().train(mode)

    def _apply(self, fn, *args, **kwargs):
        """Follow a move to another device; refuse another precision."""
        moved = fn(torch.zeros(1, dtype=torch.float32, device=self.device))
        if moved.dtype != torch.float32:
            raise InputError(
                f"an interpreter must stay in float32, got {moved.dtype}. Set the CLAP's bfloat16 "
                "for GPUs"
            )
        super()._apply(fn, *args, **kwargs)
        self.device = str(moved.device)
        return self

    @property
    def model(self) -> Any:
        """The :class:`~speechbrain_lmac.masking.interpreter_network.InterpreterNetwork` in use."""
        return self.mods["model"]

    @property
    def sample_rate(self) -> int:
        """Rate that the CLAP hears at, in Hz."""
        return self.model.classifier.audio_classifier.sample_rate

    def fits_input_window(self, samples: int) -> bool:
        """Whether the CLAP hears all of a clip of so many samples, but for a hundredth second."""
        start, stop = self.model.classifier.audio_classifier.window.span(samples)
        return samples - (stop - start) < self.sample_rate / 100

    @cached_property
    def background(self) -> PresenceClassifier:
        """The everyday sounds that a prompt is weighed against."""
        return PresenceClassifier(self.model.classifier.audio_classifier)

    @in_float32
    def classify_file(
        self,
        sound: Any,
        names: list[str] | None = None,
        template: str = TEMPLATE,
        sample_rate: int | None = None,
    ) -> Classification:
        """Ask the CLAP which of several names fits a sound best.

        Arguments
        ---------
        sound : str, Path, file object, numpy.ndarray or torch.Tensor
            Any rate, length and number of channels: it is resampled and its channels averaged.
        names : list of str
            At least two; the 50 class names of ESC-50 by default.
        template : str
            Sentence that names are put into, at ``{}``; ``"{}"`` for prompts as they are.
        sample_rate : int
            Of an array, in Hz.

        Returns
        -------
        Classification
        """
        chosen, text = self.choice(names, template)
        clap = self.model.classifier.audio_classifier
        wav = AudioSource(sound, sample_rate).read(self.sample_rate)
        self._warn_of_what_is_not_heard(len(wav))
        with torch.no_grad():
            embedding = clap(self._encodable(wav)).vector
            logits = self.model.classifier.logits(embedding, text)
        check_finite("scores", logits)
        for note in level_notes(wav):
            warnings.warn(note, stacklevel=2)
        return Classification(chosen, logits.squeeze(0).cpu())

    @in_float32
    def interpret_file(
        self,
        sound: Any,
        prompts: str | list[str],
        against: str | None = None,
        sample_rate: int | None = None,
        save_to: str | Path | None = None,
        threshold: float = THRESHOLD,
    ) -> Interpretation | Timeline:
        """Explain a sound.

        Arguments
        ---------
        sound : str, Path, file object, numpy.ndarray or torch.Tensor
            Any rate, length and number of channels: it is resampled and its channels averaged.
        prompts : str or list of str
            Free text; each is explained.
        against : str
            Explain why each prompt rather than this one.
        sample_rate : int
            Of an array, in Hz.
        save_to : str or Path
            A folder: explain the sound window by window, however long it is, and write the
            explanations there as they come. Memory does not grow with the length. Where the CLAP
            hardly hears a prompt, nothing is kept for it.
        threshold : float
            With ``save_to``: evidence from which on a stretch is a region, 0 to 1.

        Returns
        -------
        Interpretation, or Timeline with ``save_to``
        """
        asked = as_prompts(prompts)
        opened = sound if isinstance(sound, AudioSource) else AudioSource(sound, sample_rate)
        check_threshold(threshold)
        if save_to is not None:
            check_named(save_to)
            return explain_recording(self, opened, asked, against, Path(save_to), threshold)
        wav = opened.read(self.sample_rate)
        self._warn_of_what_is_not_heard(len(wav))
        return replace(self.interpret(wav, asked, against), file=opened.path)

    @in_float32
    def interpret_batch(
        self,
        wavs: torch.Tensor,
        prompts: str | list[str],
        wav_lens: torch.Tensor | None = None,
        against: str | None = None,
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
        against : str
            Explain why each prompt rather than this one.

        Returns
        -------
        list of Interpretation
            One per clip, of its own length.
        """
        asked, wavs = as_prompts(prompts), as_floats(wavs)
        if wavs.dim() != 2 or not len(wavs):
            raise InputError(f"wavs must be [batch, time], not {list(wavs.shape)}")
        lengths = torch.ones(len(wavs)) if wav_lens is None else as_dense(wav_lens)
        if lengths.shape != wavs.shape[:1] or not ((lengths > 0) & (lengths <= 1)).all():
            raise InputError(
                f"wav_lens are {len(wavs)} shares of the longest, above 0 and at most 1, not "
                f"{lengths.tolist()}"
            )
        samples = (lengths * wavs.shape[1]).round().long().tolist()
        clips = [
            check_samples(wav[:length].float().cpu(), f"clip {i}")
            for i, (wav, length) in enumerate(zip(wavs, samples))
        ]
        self._warn_of_what_is_not_heard(max(samples))
        return [self.interpret(clip, asked, against) for clip in clips]

    @in_float32
    @torch.no_grad()
    def interpret(
        self,
        wav: torch.Tensor,
        prompts: str | list[str],
        against: str | None = None,
        look_again: bool = True,
    ) -> Interpretation:
        """Explain one clip ``[time]`` at :attr:`sample_rate`, as the CLAP hears it.

        With ``against`` the decoder is asked about the difference of the two texts. A prompt that
        is absent from the clip is looked for again in what its mask keeps, unless ``look_again`` is
        False, as in the windows of a long recording.
        """
        wav = as_floats(wav)
        if wav.dim() != 1:
            raise InputError(f"a clip is [time], not {list(wav.shape)}")
        prompts = as_prompts(prompts)
        classifier, wav = self.model.classifier, check_samples(wav.float())
        encoded = classifier.encode_clips(self._encodable(wav))
        embedding = encoded.encoding.vector
        text, asked, rival = self.question(prompts, against)
        masks = self.model(encoded, asked.unsqueeze(1))
        similarity = classifier.logits(embedding, text).squeeze(0).cpu()
        presence = self.background.probability(embedding, text).squeeze(0).cpu()
        sounds = classifier.apply_mask(encoded, masks).squeeze(1).cpu()
        check_finite("scores", similarity, presence)
        check_finite("masks", masks, sounds)
        absent = (presence < ABSENT) & (against is None)
        if look_again:
            absent = self._still_absent(absent, sounds, text)
        return Interpretation(
            original=wav,
            waveform=audible(presence, absent).unsqueeze(1) * sounds,
            mask=masks.squeeze(1).cpu(),
            similarity=similarity,
            presence=presence,
            absent=absent,
            target=similarity.argmax().item(),
            prompts=tuple(prompts),
            against=against,
            sample_rate=self.sample_rate,
            model=self.model,
            background=self.background,
            rival_similarity=(
                None if rival is None else classifier.logits(embedding, rival[None]).item()
            ),
        )

    @in_float32
    def choice(
        self, names: list[str] | None = None, template: str = TEMPLATE
    ) -> tuple[tuple[str, ...], torch.Tensor]:
        """Names and their embeddings, as :func:`~speechbrain_lmac.inference.prompts.choice`."""
        return choice(self.model.classifier.audio_classifier, names, template)

    @in_float32
    def question(self, prompts: str | list[str], against: str | None = None) -> PromptQuery:
        """What is asked, embedded, as :func:`~speechbrain_lmac.inference.prompts.question`."""
        return question(self.model.classifier.audio_classifier, prompts, against)

    def _encodable(self, wav):
        """``wav`` ``[time]`` without offset and hum, ``[1, time]`` on this interpreter's device."""
        return self.model.classifier.audio_classifier.without_offset(wav.unsqueeze(0)).to(
            self.device
        )

    def _still_absent(self, absent, sounds, text):
        """Whether prompts are neither in a clip nor in what their masks keep, ``[prompts]``."""
        absent = absent.clone()
        for i in absent.nonzero().flatten().tolist():
            embedding = self.model.classifier.audio_classifier(
                sounds[i : i + 1].to(self.device)
            ).vector
            again = self.background.probability(embedding, text[i : i + 1])
            absent[i] = again.item() < UNSURE
        return absent

    def _warn_of_what_is_not_heard(self, samples):
        if not self.fits_input_window(samples):
            start, stop = self.model.classifier.audio_classifier.window.span(samples)
            seconds = [f"{count / self.sample_rate:.1f}" for count in (samples, start, stop)]
            warnings.warn(
                "of this clip of {} s the CLAP hears {} to {} s, and only that is explained; give "
                "save_to to explain all of it".format(*seconds),
                stacklevel=3,
            )


def as_floats(values: Any) -> torch.Tensor:
    """Samples as a dense tensor of floats on the CPU; InputError if they are none."""
    found = as_dense(values)
    if not found.is_floating_point():
        raise InputError(
            f"wavs must be floats of full scale 1, got {found.dtype}. Divide integers by theirs"
        )
    return found


def as_dense(values: Any) -> torch.Tensor:
    """Values as a dense tensor on the CPU; InputError if they are no array of numbers."""
    try:
        found = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"wavs must be an array of numbers: {first_line(error)}") from error
    if found.layout != torch.strided:
        raise InputError(f"wavs must be dense, got {found.layout}")
    return found


def check_finite(what: str, *values: torch.Tensor) -> None:
    """Raise InputError, naming what a model gives, if any of it is NaN or infinite."""
    if not all(value.isfinite().all() for value in values):
        raise InputError(
            f"the {what} of this model are not finite; check its weights, and the sound's level"
        )


def _plain(overrides: dict | str | None) -> Any:
    if not isinstance(overrides, str):
        return overrides
    try:
        return yaml.safe_load(overrides)
    except yaml.YAMLError as error:
        raise InputError(f"overrides are no YAML: {first_line(error)}") from error
