"""Explanation of waveforms, in batches and one after the other."""

from collections.abc import Iterable, Iterator, Sequence

import torch

from speechbrain_lmac.inference.classifying import ClassifyingInterpreter
from speechbrain_lmac.inference.clip_batches import explain_clips
from speechbrain_lmac.inference.inputs import as_clip, as_clips
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.prompts import BatchPrompts, prompts_per_clip
from speechbrain_lmac.utils.device import in_float32


class BatchInterpreter(ClassifyingInterpreter):
    """Interpreter that explains batches of waveforms.

    :class:`~speechbrain_lmac.inference.interpreter.Interpreter` adds the methods that explain files
    and recordings.
    """

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
            Length of each clip as a fraction of the longest, ``[batch]``, as in SpeechBrain.
            Default: no padding.
        against, explain_above
            As for ``Interpreter.interpret_file``.

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
            As for ``Interpreter.interpret_file``.

        Returns
        -------
        iterator of Interpretation
            One per clip, in order.

        Example
        -------
        >>> from speechbrain_lmac.data.synthetic import synthesize
        >>> from speechbrain_lmac import Interpreter
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
