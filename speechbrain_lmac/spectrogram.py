"""Complex short-time Fourier transform, counted in samples, and its exact inverse."""

import torch
from torch import nn
from torch.nn.functional import pad


def power_of(stft):
    """Squared magnitude of a complex spectrogram, without the root that ``abs`` would take."""
    return stft.real.square() + stft.imag.square()


class Spectrogram(nn.Module):
    """Complex STFT with a Hann window, centred frames and reflected edges.

    SpeechBrain's ``STFT`` counts in milliseconds and uses a Hamming window; CLAP front
    ends count in samples and use Hann windows, so they need their own.

    Arguments
    ---------
    n_fft : int
        Length of the transform, in samples.
    hop_length : int
        Step between frames, in samples; at most half of the window.
    window : torch.Tensor
        Up to ``n_fft`` samples, centred in the transform; a periodic Hann window of ``n_fft``
        by default.

    Example
    -------
    >>> spectrogram = Spectrogram(n_fft=1024, hop_length=512)
    >>> wavs = torch.randn(2, 32000)
    >>> stft = spectrogram(wavs)
    >>> stft.shape
    torch.Size([2, 63, 513])
    >>> torch.allclose(spectrogram.inverse(stft, 32000), wavs, atol=1e-5)
    True
    """

    def __init__(self, n_fft, hop_length, window=None):
        super().__init__()
        window = torch.hann_window(n_fft) if window is None else window
        if not 0 < hop_length <= len(window) // 2:
            raise ValueError(f"hop_length must be in 1..{len(window) // 2}, got {hop_length}")
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("window", window, persistent=False)
        self._kept = None

    def forward(self, wavs):
        """Transform.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``; clips shorter than a window are padded with silence.

        Returns
        -------
        torch.Tensor
            Complex, ``[batch, 1 + time // hop_length, n_fft // 2 + 1]``.
        """
        missing = self.n_fft - wavs.shape[-1]
        if missing > 0:  # reflection needs more samples than it mirrors
            wavs = pad(wavs, (0, missing))
        stft = torch.stft(
            wavs,
            self.n_fft,
            self.hop_length,
            len(self.window),
            self.window,
            center=True,
            return_complex=True,
        )
        return stft.transpose(-1, -2)

    def inverse(self, stft, length):
        """Least-squares inverse: exact on an unmodified transform.

        Arguments
        ---------
        stft : torch.Tensor
            Complex, ``[batch, frames, bins]``.
        length : int
            Samples wanted.

        Returns
        -------
        torch.Tensor
            ``[batch, length]``.
        """
        frames = torch.fft.irfft(stft, n=self.n_fft)
        missing = self.n_fft - len(self.window)
        window = pad(self.window, (missing // 2, missing - missing // 2))
        edge = self.n_fft // 2
        here = slice(edge, edge + length)
        sound = self._overlap(frames * window)[:, here]
        return sound.div_(self._envelope(window, frames.shape[1])[:, here])

    def _envelope(self, window, frames):
        """Sum of squared windows ``[1, time]``, which the frames of a clip bring along."""
        key = (frames, window.device, window.dtype)
        if self._kept is None or self._kept[0] != key:
            squares = window.square().expand(1, frames, -1)
            tiny = torch.finfo(window.dtype).tiny
            self._kept = key, self._overlap(squares).clamp(min=tiny)
        return self._kept[1]

    def _overlap(self, frames):
        """Add frames ``[batch, frames, n_fft]`` where they lie -> ``[batch, time]``.

        In steps of one hop: ``torch.istft`` does the same and takes five times as long.
        """
        hop = self.hop_length
        steps = -(-self.n_fft // hop)
        parts = pad(frames, (0, steps * hop - self.n_fft)).unflatten(2, (steps, hop))
        count = frames.shape[1]
        sound = frames.new_zeros(len(frames), count + steps - 1, hop)
        for step in range(steps):
            sound[:, step : step + count] += parts[:, :, step]
        return sound.flatten(1)
