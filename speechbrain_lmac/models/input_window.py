"""Encoder input of a clip, and the alignment of masks to it.

Some encoders take clips of one length only. Their authors repeat shorter clips and cut longer ones,
so the frames of the encoder input differ from those of the clip. Masks live on the frames of the
clip. They are aligned to the encoder input, and hidden maps are interpolated to the clip's frames.
"""

import sys

import torch
from torch.nn.functional import pad

from speechbrain_lmac.utils.errors import InputError

REPETITIONS = 32
"""Largest number of repetitions of a short clip that locate its frames."""


class VariableLengthInput:
    """Encoder input of any length: the clip itself."""

    def fit_wav(self, wavs: torch.Tensor) -> torch.Tensor:
        """Encoder input of ``wavs`` ``[batch, time]``: the waveforms themselves."""
        return wavs

    def level(self, wavs: torch.Tensor) -> torch.Tensor:
        """Factor from each clip to its encoder input, ``[batch, 1]``: 1."""
        return torch.ones_like(wavs[:, :1])

    def align_mask(self, mask: torch.Tensor, samples: int) -> torch.Tensor:
        """Mask ``[..., frames, bins]`` on the frames of the encoder input: the mask itself."""
        return mask

    def span(self, samples: int) -> tuple[int, int]:
        """First sample of a clip in the encoder input, and the sample after the last one."""
        return 0, samples

    def check_seconds(self, seconds: float, sample_rate: int) -> None:
        """Raise InputError if clips of ``seconds`` are longer than the encoder input."""
        start, stop = self.span(sys.maxsize)
        longest = (stop - start) / sample_rate
        if seconds > longest:
            limit = f"at most {longest:g}, the encoder input of this classifier"
            raise InputError(f"clip_seconds must be {limit}, got {seconds}. Give a smaller one")

    def frame_positions(self, frames: int, samples: int) -> torch.Tensor:
        """Position of each frame on the encoder's time axis, 0 to 1, ``[1, frames]``."""
        return (torch.arange(frames).unsqueeze(0) + 0.5) / frames


class PeakNormalizedInput(VariableLengthInput):
    """Encoder input of any length: the clip divided by its largest sample.

    SpeechBrain's recipes for ESC-50 divide every sound so, after mixing. Features that grow with
    the gain, such as log1p, depend on it. A clip without a positive sample stays as it is.

    Example
    -------
    >>> PeakNormalizedInput().fit_wav(torch.tensor([[0.25, -0.5], [0.0, 0.0]]))
    tensor([[ 1., -2.],
            [ 0.,  0.]])
    """

    def fit_wav(self, wavs: torch.Tensor) -> torch.Tensor:
        """Encoder input of ``wavs`` ``[batch, time]``: each clip divided by its maximum."""
        return wavs / self._peak(wavs)

    def level(self, wavs: torch.Tensor) -> torch.Tensor:
        """Factor from each clip to its encoder input, ``[batch, 1]``."""
        return 1 / self._peak(wavs)

    def _peak(self, wavs: torch.Tensor) -> torch.Tensor:
        peak = wavs.amax(dim=1, keepdim=True)
        return torch.where(peak > 0, peak, 1.0)


class FixedLengthInput(VariableLengthInput):
    """Encoder input of fixed length: shorter clips are repeated, longer ones cut to the middle.

    Upstream cuts longer clips at random. The middle is deterministic and common to most cuts. It
    starts on a frame of the clip.

    Arguments
    ---------
    samples : int
        Length of the encoder input, in samples.
    hop_length : int
        Hop of the spectrogram, in samples.
    whole_repeats : bool
        True for as many whole repetitions as fit, then silence (LAION). False for repetitions to
        the end, the last one cut (Microsoft).

    Example
    -------
    >>> window = FixedLengthInput(samples=10, hop_length=2, whole_repeats=True)
    >>> window.fit_wav(torch.tensor([[1, 2, 3, 4]]))
    tensor([[1, 2, 3, 4, 1, 2, 3, 4, 0, 0]])
    >>> window.align_mask(torch.tensor([[0.1], [0.2], [0.3]]), samples=4).squeeze()
    tensor([0.1000, 0.2000, 0.1000, 0.2000, 0.3000, 0.3000])
    """

    def __init__(self, samples: int, hop_length: int, whole_repeats: bool):
        self.samples = samples
        self.hop_length = hop_length
        self.whole_repeats = whole_repeats

    def fit_wav(self, wavs: torch.Tensor) -> torch.Tensor:
        """Encoder input ``[batch, self.samples]`` of ``wavs`` ``[batch, time]``."""
        samples = wavs.shape[-1]
        if samples >= self.samples:
            start = self.start(samples)
            return wavs[:, start : start + self.samples]
        filled = wavs.repeat(1, self.repeats(samples))[:, : self.samples]
        return pad(filled, (0, self.samples - filled.shape[-1]))

    def start(self, samples: int) -> int:
        """First sample of a longer clip in the encoder input."""
        return max(0, samples - self.samples) // 2 // self.hop_length * self.hop_length

    def span(self, samples: int) -> tuple[int, int]:
        """First sample of a clip in the encoder input, and the sample after the last one."""
        start = self.start(samples)
        return start, min(samples, start + self.samples)

    def repeats(self, samples: int) -> int:
        """Number of repetitions of a shorter clip, including a cut one."""
        whole, remainder = divmod(self.samples, samples)
        return whole if self.whole_repeats or not remainder else whole + 1

    def align_mask(self, mask: torch.Tensor, samples: int) -> torch.Tensor:
        """Align a mask to the frames of the encoder input.

        Arguments
        ---------
        mask : torch.Tensor
            Mask on the clip's own frames, ``[..., frames, bins]``.
        samples : int
            Length of the clip, in samples.

        Returns
        -------
        torch.Tensor
            Mask, ``[..., encoder frames, bins]``. Each frame takes the gain of the nearest frame
            of the clip.
        """
        if samples == self.samples:
            return mask
        return mask.index_select(-2, self.sources(mask.shape[-2], samples).to(mask.device))

    def sources(self, frames: int, samples: int) -> torch.Tensor:
        """Nearest frame of the clip for each frame of the encoder input, ``[encoder frames]``."""
        time = torch.arange(1 + self.samples // self.hop_length) * self.hop_length
        if samples > self.samples:
            time = time + self.start(samples)
        else:
            end = samples * self.repeats(samples)
            time = torch.where(time < end, time % samples, samples)
        return (time / self.hop_length).round().long().clamp(max=frames - 1)

    def frame_positions(self, frames: int, samples: int) -> torch.Tensor:
        """Positions of a clip's frames on the encoder's time axis.

        Arguments
        ---------
        frames : int
            Number of frames of the clip.
        samples : int
            Length of the clip, in samples.

        Returns
        -------
        torch.Tensor
            Positions, 0 to 1, ``[repeats, frames]``; NaN for frames outside the encoder input.
        """
        starts = torch.tensor([-self.start(samples)])
        if samples < self.samples:
            starts = torch.arange(min(REPETITIONS, self.repeats(samples))) * samples
        sample = starts.unsqueeze(1) + torch.arange(frames) * self.hop_length
        places = (sample / self.hop_length + 0.5) / (1 + self.samples // self.hop_length)
        return places.where((sample >= 0) & (sample <= self.samples), torch.nan)
