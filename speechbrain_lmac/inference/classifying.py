"""Classification of sounds by the classifier of an interpreter."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from speechbrain_lmac.data.prompts import TEMPLATE, as_prompts
from speechbrain_lmac.inference.classification import Classification
from speechbrain_lmac.inference.inputs import as_clips, as_source, check_finite
from speechbrain_lmac.inference.loading import PretrainedInterpreter
from speechbrain_lmac.inference.prediction import (
    class_probabilities,
    probable_prompts,
    recording_probabilities,
)
from speechbrain_lmac.inference.quality import level_warnings
from speechbrain_lmac.inference.recording import WINDOW_SECONDS, needs_windowing
from speechbrain_lmac.utils.device import in_float32


class ClassifyingInterpreter(PretrainedInterpreter):
    """Interpreter that classifies sounds.

    :class:`~speechbrain_lmac.inference.interpreter.Interpreter` adds the methods that explain
    sounds.
    """

    @in_float32
    def classify_file(
        self,
        sound: Any,
        labels: Sequence[str] | None = None,
        template: str = TEMPLATE,
        sample_rate: int | None = None,
    ) -> Classification:
        """Classify a sound among labels.

        Arguments
        ---------
        sound : str, Path, file object, numpy.ndarray or torch.Tensor
            Sound to classify.
        labels : list of str
            Labels, at least two. Default: the classes of the classifier, or the 50 classes of
            ESC-50 if any text is a prompt.
        template : str
            Prompt of a label, which replaces ``{}``. A classifier with classes of its own ignores
            it. Default: ``"this is the sound of {}"``.
        sample_rate : int
            Sample rate of an array, in Hz.

        Returns
        -------
        Classification
        """
        names, queries = self.label_queries(labels, template)
        wav = as_source(sound, sample_rate).read(self.sample_rate)
        self._warn_of_partial_input(len(wav))
        with torch.no_grad():
            vector = self.audio_classifier(self.encoder_input(wav)).vector
            result = self._classification(names, queries, vector)
        for warning in level_warnings(wav):
            warnings.warn(warning, stacklevel=3)
        return result

    @in_float32
    @torch.no_grad()
    def encode_batch(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Encode waveforms.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms at :attr:`sample_rate`, ``[batch, time]``.
        wav_lens : torch.Tensor
            Length of each clip as a fraction of the longest, ``[batch]``, as in SpeechBrain.
            Default: no padding.

        Returns
        -------
        torch.Tensor
            Vectors of the clips without padding, ``[batch, dim]``, on the CPU; of unit norm for a
            CLAP.
        """
        clips = as_clips(wavs, wav_lens)
        vectors = [self.audio_classifier(self.encoder_input(clip)).vector for clip in clips]
        return torch.cat(vectors).cpu()

    @in_float32
    @torch.no_grad()
    def classify_batch(
        self,
        wavs: torch.Tensor,
        wav_lens: torch.Tensor | None = None,
        labels: Sequence[str] | None = None,
        template: str = TEMPLATE,
    ) -> list[Classification]:
        """Classify waveforms among labels.

        Arguments
        ---------
        wavs, wav_lens
            As for :meth:`encode_batch`.
        labels, template
            As for :meth:`classify_file`.

        Returns
        -------
        list of Classification
            One per clip.
        """
        names, queries = self.label_queries(labels, template)
        return [
            self._classification(names, queries, vector)
            for vector in self.encode_batch(wavs, wav_lens).to(self.device).split(1)
        ]

    def _classification(
        self, names: tuple[str, ...], queries: torch.Tensor, vector: torch.Tensor
    ) -> Classification:
        """Return the classification of a clip with a vector ``[1, dim]``."""
        logits = self.audio_classifier.logits(vector, queries).squeeze(0)
        probabilities = self.audio_classifier.probabilities(vector, queries).squeeze(0)
        check_finite("scores", logits)
        return Classification(names, logits.cpu(), probabilities.cpu())

    @in_float32
    @torch.no_grad()
    def predicted_prompts(
        self,
        sound: Any,
        min_probability: float | None = None,
        sample_rate: int | None = None,
    ) -> list[str]:
        """Return the prompt of the predicted class, and of other probable classes.

        A recording that is explained in windows is also classified in windows: the probability of
        a class is its highest one.

        Arguments
        ---------
        sound : str, Path, file object, numpy.ndarray or torch.Tensor
            Sound to classify.
        min_probability : float
            Probability from which classes are returned, such as 0.5 for all classes that a
            multi-label classifier recognizes. Default: only the most probable class is returned.
        sample_rate : int
            Sample rate of an array, in Hz.

        Returns
        -------
        list of str
            Class names, or prompts of a CLAP for class names of ESC-50, most probable first. The
            most probable class is always among them.
        """
        source = as_source(sound, sample_rate)
        classifier = self.audio_classifier
        if needs_windowing(self, source):
            hop = round(WINDOW_SECONDS / 2 * self.sample_rate)
            probabilities = recording_probabilities(self, source, hop)
        else:
            wav = source.read(self.sample_rate)
            probabilities = class_probabilities(
                classifier, classifier(self.encoder_input(wav)).vector
            )
        return probable_prompts(classifier, probabilities, min_probability)

    def _warn_of_partial_input(self, samples: int) -> None:
        """Warn if the encoder input does not cover a clip of this length."""
        if self.fits_input_window(samples):
            return
        span = self.audio_classifier.window.span(samples)
        length, start, stop = (f"{count / self.sample_rate:.1f}" for count in (samples, *span))
        warnings.warn(
            f"the classifier encodes {start} to {stop} s of this clip of {length} s, so only that "
            "part is explained. Use interpret_recording to explain all of it",
            stacklevel=4,
        )

    def _spelled(
        self, prompts: str | Sequence[str] | None, against: str | None
    ) -> tuple[list[str] | None, str | None]:
        """Return prompts and ``against`` as the classifier spells them."""
        spell = self.audio_classifier.spell
        texts = None if prompts is None else spell(as_prompts(prompts))
        return texts, None if against is None else spell([against])[0]
