"""Interpreter: classify sounds and explain the scores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.inference.classifying import ClassifyingInterpreter
from speechbrain_lmac.inference.clip import explain_clip
from speechbrain_lmac.inference.clip_batches import explain_clips
from speechbrain_lmac.inference.inputs import (
    as_clip,
    as_clips,
    as_source,
    check_folder_name,
    check_rule,
)
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.prompts import BatchPrompts, prompts_per_clip
from speechbrain_lmac.inference.recording import explain_recording
from speechbrain_lmac.inference.timeline import MERGE_GAP, MIN_DURATION, THRESHOLD, Timeline
from speechbrain_lmac.reports.annotations import RegionRule
from speechbrain_lmac.utils.device import in_float32


class Interpreter(ClassifyingInterpreter):
    """Explains an audio classifier's scores of sounds for prompts.

    Prompts of a supervised classifier are names of its classes, in any case. Without prompts, the
    prediction is explained: the most probable class. A CLAP predicts one of the 50 classes of
    ESC-50; see :meth:`predicted_prompts` for all probable classes.

    Sounds are paths, open files, arrays with their ``sample_rate``, or files of the Hugging Face
    Hub (``hf://user/name/dog.wav``), as for
    :class:`~speechbrain_lmac.audio.source.AudioSource`. They may have any sample rate, length and
    number of channels: they are resampled and mixed to mono.

    Example
    -------
    >>> from speechbrain_lmac.data.synthetic import mixture
    >>> interpreter = Interpreter.from_hparams(source="mini-stft")
    >>> wavs = mixture("siren", "rain", seed=3).mixture.unsqueeze(0)
    >>> prompts = ["the sound of siren", "the sound of rain"]
    >>> (interpretation,) = interpreter.interpret_batch(wavs, prompts)
    >>> interpretation.waveform.shape
    torch.Size([2, 160000])
    """

    @in_float32
    def interpret_file(
        self,
        sound: Any,
        prompts: str | Sequence[str] | None = None,
        against: str | None = None,
        sample_rate: int | None = None,
        explain_above: float | None = None,
    ) -> Interpretation:
        """Explain a clip in one piece.

        Recordings longer than 15 s are better explained by :meth:`interpret_recording`.

        Arguments
        ---------
        sound : str, Path, file object, numpy.ndarray or torch.Tensor
            Sound to explain.
        prompts : str or list of str
            Prompts to explain, or class names of a supervised classifier. Default: the prediction.
        against : str
            Text that each prompt is contrasted with: why the prompt rather than this text.
            Default: none.
        sample_rate : int
            Sample rate of an array, in Hz.
        explain_above : float
            Presence from which a prompt is explained, such as 0.05. No time is spent on the masks
            and sounds of other prompts; see ``Interpretation.explained``. It has no effect on the
            prediction, and none with ``against``. Default: all prompts are explained.

        Returns
        -------
        Interpretation
        """
        source = as_source(sound, sample_rate)
        self._spelled(prompts, against)  # an invalid prompt fails before the sound is read
        wav = source.read(self.sample_rate)
        self._warn_of_partial_input(len(wav))
        result = self.interpret(wav, prompts, against, explain_above=explain_above)
        return replace(result, file=source.path)

    @in_float32
    def interpret_recording(
        self,
        sound: Any,
        prompts: str | Sequence[str] | None,
        save_to: str | Path,
        against: str | None = None,
        sample_rate: int | None = None,
        threshold: float = THRESHOLD,
        figure: bool = True,
        stems: bool = False,
        merge_gap: float = MERGE_GAP,
        min_duration: float = MIN_DURATION,
        clips: bool = False,
    ) -> Timeline:
        """Explain a recording of any length, in overlapping windows of 5 s.

        Explanations are written while the recording is read, so memory does not grow with its
        length. Windows in which a prompt is absent are silenced.

        Arguments
        ---------
        sound : str, Path, file object, numpy.ndarray or torch.Tensor
            Recording to explain.
        prompts : str or list of str or None
            Prompts to explain. None for the class with the highest probability in any window.
        save_to : str or Path
            Output folder. Gets ``{i}-{prompt}-explanation.flac`` for each prompt and the files of
            :meth:`~speechbrain_lmac.inference.timeline.Timeline.save`.
        against, sample_rate
            As for :meth:`interpret_file`.
        threshold, merge_gap, min_duration
            As for :meth:`~speechbrain_lmac.inference.timeline.Timeline.regions`.
        figure, stems, clips
            As for :func:`~speechbrain_lmac.inference.recording.explain_recording`.

        Returns
        -------
        Timeline
        """
        source = as_source(sound, sample_rate)
        rule = check_rule(RegionRule(threshold, merge_gap, min_duration))
        check_folder_name(save_to)
        texts, rather = self._spelled(prompts, against)
        texts = self.predicted_prompts(source) if texts is None else texts
        options = (Path(save_to), rule, figure, stems, clips)
        return explain_recording(self, source, texts, rather, *options)

    @in_float32
    def interpret_batch(
        self,
        wavs: torch.Tensor,
        prompts: BatchPrompts = None,
        wav_lens: torch.Tensor | None = None,
        against: str | None = None,
        explain_above: float | None = None,
    ) -> list[Interpretation]:
        """Explain waveforms in chunks. :meth:`interpret_clips` does not hold all results.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms at :attr:`sample_rate`, ``[batch, time]``.
        prompts : str or list
            Prompts of all clips, or a list per clip. Default, also for one clip: its prediction.
        wav_lens : torch.Tensor
            Length of each clip as a fraction of the longest, ``[batch]``. Default: no padding.
        against, explain_above
            As for :meth:`interpret_file`.

        Returns
        -------
        list of Interpretation
            One per clip, without padding.
        """
        clips = as_clips(wavs, wav_lens)
        self._warn_of_partial_input(max(map(len, clips)))
        each = prompts_per_clip(prompts, len(clips))
        texts, rather = zip(*(self._spelled(own, against) for own in each))
        return list(explain_clips(self, zip(clips, texts), rather[0], explain_above))

    def interpret_clips(
        self,
        clips: Iterable[torch.Tensor],
        prompts: str | Sequence[str] | None = None,
        against: str | None = None,
        explain_above: float | None = None,
    ) -> Iterator[Interpretation]:
        """Explain any number of clips, one result after the other.

        Clips are read as results are taken, and explained in chunks of a fixed size, so memory
        does not grow. The chunk of a clip changes the last digits of its result.

        Arguments
        ---------
        clips : iterable of torch.Tensor
            Waveforms at :attr:`sample_rate`, ``[time]`` each.
        prompts, against, explain_above
            As for :meth:`interpret_file`.

        Returns
        -------
        iterator of Interpretation
            One per clip, in order.

        Example
        -------
        >>> from speechbrain_lmac.data.synthetic import synthesize
        >>> interpreter = Interpreter.from_hparams(source="mini-stft")
        >>> clips = (synthesize("siren", seed, seconds=1.0) for seed in range(3))
        >>> [len(result.mask) for result in interpreter.interpret_clips(clips, "siren")]
        [1, 1, 1]
        """
        texts, rather = self._spelled(prompts, against)
        prompted = ((as_clip(clip), texts) for clip in clips)
        return explain_clips(self, prompted, rather, explain_above)

    def forward(
        self,
        wavs: torch.Tensor,
        prompts: BatchPrompts = None,
        wav_lens: torch.Tensor | None = None,
        against: str | None = None,
    ) -> list[Interpretation]:
        """Explain waveforms, as :meth:`interpret_batch`."""
        return self.interpret_batch(wavs, prompts, wav_lens, against)

    @in_float32
    def interpret(
        self,
        wav: torch.Tensor,
        prompts: str | Sequence[str] | None = None,
        against: str | None = None,
        recheck_absent: bool = True,
        explain_above: float | None = None,
    ) -> Interpretation:
        """Explain one clip.

        Arguments
        ---------
        wav : torch.Tensor
            Waveform at :attr:`sample_rate`, ``[time]``.
        prompts : str or list of str
            Prompts to explain, or class names of a supervised classifier. Default: the prediction.
        against, explain_above
            As for :meth:`interpret_file`.
        recheck_absent : bool
            Whether a prompt that seems absent is looked for in its masked-in sound. Default: True.

        Returns
        -------
        Interpretation
        """
        texts, rather = self._spelled(prompts, against)
        return explain_clip(self, as_clip(wav), texts, rather, recheck_absent, explain_above)
