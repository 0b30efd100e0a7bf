"""How much of a clip an encoder hears, and where a mask of the clip lies in it.

Some encoders hear sounds of one length only. Their authors repeat shorter clips and cut longer
ones, so that the frames an encoder hears are not the clip's own. Masks live on the clip's frames:
they are carried to the encoder's, and what the encoder finds is looked up at the clip's.
"""

import torch
from torch.nn.functional import pad

REPETITIONS = 32
"""Of a short clip, that are looked at to find where its frames lie."""


class VariableLengthInput:
    """The encoder hears clips of any length, as they are."""

    def fit_wav(self, wavs):
        """What the encoder hears of ``wavs`` ``[batch, time]``: the same."""
        return wavs

    def align_mask(self, mask, samples):
        """A mask ``[..., frames, bins]`` on the frames that the encoder hears: the same."""
        return mask

    def span(self, samples):
        """First sample of a clip that is heard, and the one after the last."""
        return 0, samples

    def frame_positions(self, frames, samples):
        """Place of each frame on the encoder's time axis, 0 to 1, ``[1, frames]``."""
        return (torch.arange(frames).unsqueeze(0) + 0.5) / frames


class FixedLengthInput(VariableLengthInput):
    """The encoder hears so many samples: shorter clips are repeated, of longer ones the middle.

    Upstream cuts longer clips at random; the middle is what such cuts have in common, and the
    same each time. It starts on a frame of the clip.

    Arguments
    ---------
    samples : int
        What the encoder hears.
    hop_length : int
        Of its spectrogram, in samples.
    whole_repeats : bool
        True: as many whole repetitions as fit, then silence (LAION). False: repeated to the end,
        where the last repetition is cut (Microsoft).

    Example
    -------
    >>> window = FixedLengthInput(samples=10, hop_length=2, whole_repeats=True)
    >>> window.fit_wav(torch.tensor([[1, 2, 3, 4]]))
    tensor([[1, 2, 3, 4, 1, 2, 3, 4, 0, 0]])
    >>> window.align_mask(torch.tensor([[0.1], [0.2], [0.3]]), samples=4).squeeze()
    tensor([0.1000, 0.2000, 0.1000, 0.2000, 0.3000, 0.3000])
    """

    def __init__(self, samples, hop_length, whole_repeats):
        self.samples = samples
        self.hop_length = hop_length
        self.whole_repeats = whole_repeats

    def fit_wav(self, wavs):
        """What the encoder hears of ``wavs`` ``[batch, time]``: ``[batch, self.samples]``."""
        samples = wavs.shape[-1]
        if samples >= self.samples:
            start = self.start(samples)
            return wavs[:, start : start + self.samples]
        filled = wavs.repeat(1, self.repeats(samples))[:, : self.samples]
        return pad(filled, (0, self.samples - filled.shape[-1]))

    def start(self, samples):
        """First sample of a longer clip that is heard."""
        return max(0, samples - self.samples) // 2 // self.hop_length * self.hop_length

    def span(self, samples):
        """First sample of a clip that is heard, and the one after the last."""
        start = self.start(samples)
        return start, min(samples, start + self.samples)

    def repeats(self, samples):
        """How often a shorter clip is heard, the last time perhaps in part."""
        whole, rest = divmod(self.samples, samples)
        return whole if self.whole_repeats or not rest else whole + 1

    def align_mask(self, mask, samples):
        """A mask of a clip on the frames that the encoder hears.

        Arguments
        ---------
        mask : torch.Tensor
            ``[..., frames, bins]``, on the clip's own frames.
        samples : int
            Length of the clip.

        Returns
        -------
        torch.Tensor
            ``[..., frames heard, bins]``: each frame has the gain of the clip's frame that is
            nearest to it.
        """
        if samples == self.samples:
            return mask
        return mask.index_select(-2, self.sources(mask.shape[-2], samples).to(mask.device))

    def sources(self, frames, samples):
        """For each frame that is heard, the clip's frame that is nearest, ``[frames heard]``."""
        time = torch.arange(1 + self.samples // self.hop_length) * self.hop_length
        if samples > self.samples:
            time = time + self.start(samples)
        else:
            end = samples * self.repeats(samples)
            time = torch.where(time < end, time % samples, samples)
        return (time / self.hop_length).round().long().clamp(max=frames - 1)

    def frame_positions(self, frames, samples):
        """Places of a clip's frames on the encoder's time axis.

        Arguments
        ---------
        frames : int
            Of the clip.
        samples : int
            Its length.

        Returns
        -------
        torch.Tensor
            ``[repeats, frames]``: 0 to 1; NaN where a frame is not heard.
        """
        starts = torch.tensor([-self.start(samples)])
        if samples < self.samples:
            starts = torch.arange(min(REPETITIONS, self.repeats(samples))) * samples
        heard_at = starts.unsqueeze(1) + torch.arange(frames) * self.hop_length
        places = (heard_at / self.hop_length + 0.5) / (1 + self.samples // self.hop_length)
        return places.where((heard_at >= 0) & (heard_at <= self.samples), torch.nan)
