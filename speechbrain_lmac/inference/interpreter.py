"""Interpreter: classify sounds and explain the scores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.inference.clip import explain_clip
from speechbrain_lmac.inference.inputs import as_clip, as_source, check_folder_name, check_rule
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.interpreting import BatchInterpreter
from speechbrain_lmac.inference.recording import explain_recording
from speechbrain_lmac.inference.timeline import MERGE_GAP, MIN_DURATION, THRESHOLD, Timeline
from speechbrain_lmac.reports.annotations import RegionRule
from speechbrain_lmac.utils.device import in_float32
from speechbrain_lmac.utils.errors import InputError


class Interpreter(BatchInterpreter):
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
        length. In windows in which a prompt is absent, its masked-in sound is faded out.

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

    def interpret_files(
        self,
        sounds: Iterable[Any],
        prompts: str | Sequence[str] | None = None,
        against: str | None = None,
        explain_above: float | None = None,
    ) -> Iterator[Interpretation]:
        """Explain any number of clips by :meth:`interpret_file`, one result after the other.

        A sound is read when its result is taken, so memory does not grow.

        Arguments
        ---------
        sounds : iterable
            Paths, addresses, open files or dicts with ``array`` and ``sampling_rate``.
        prompts, against, explain_above
            As for :meth:`interpret_file`. Default: the prediction of each clip is explained.

        Returns
        -------
        iterator of Interpretation
            One per sound, in order.

        Raises
        ------
        InputError
            If ``sounds`` is one path or a prompt is invalid; later, if a sound cannot be read.
        """
        if isinstance(sounds, str | bytes | Path):
            raise InputError(
                f"sounds must be a list of sounds, got {str(sounds)!r}. Use interpret_file for one"
            )
        self._spelled(prompts, against)  # an invalid prompt fails at once
        return (
            self.interpret_file(sound, prompts, against, explain_above=explain_above)
            for sound in sounds
        )

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
