"""Complex short-time Fourier transform, counted in samples, and its exact inverse."""

import torch
from torch import nn
from torch.nn.functional import pad


def power_of(stft):
    """Squared magnitude of a complex spectrogram, without the root that ``abs`` would take."""
    return stft.real.square() + stft.imag.square()


def _lengthened(wavs, samples):
    """With silence behind, if they are shorter; ``pad`` would copy those that are not."""
    missing = samples - wavs.shape[-1]
    return pad(wavs, (0, missing)) if missing > 0 else wavs


class Spectrogram(nn.Module):
    """Complex STFT with a Hann window, centered frames and reflected edges.

    SpeechBrain's ``STFT`` counts in milliseconds and uses a Hamming window; CLAP front
    ends count in samples and use Hann windows, so they need their own.

    Arguments
    ---------
    n_fft : int
        Length of the transform, in samples.
    hop_length : int
        Step between frames, in samples; at most half of the window.
    window : torch.Tensor
        Up to ``n_fft`` samples, centered in the transform; a periodic Hann window of ``n_fft``
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
        stft = torch.stft(
            self._at_least_a_window(wavs),
            self.n_fft,
            self.hop_length,
            len(self.window),
            self.window,
            center=True,
            return_complex=True,
        )
        return stft.transpose(-1, -2)

    def closing_frame(self, wavs, frames):
        """The frame after the last, where clips end behind that one's center.

        A clip's last samples lie under the edge of its last window alone. What a mask leaves of
        them would be divided by next to nothing, and click; under this frame they are safe.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``.
        frames : int
            Of their transform.

        Returns
        -------
        torch.Tensor or None
            Complex, ``[batch, n_fft // 2 + 1]``; None where the last window's center is at the
            end, or behind it.
        """
        if (frames - 1) * self.hop_length >= wavs.shape[-1]:
            return None
        wavs = self._at_least_a_window(wavs)
        edge = self.n_fft // 2
        mirrored = wavs[:, -edge - 1 : -1].flip(1)
        heard = torch.cat([wavs[:, frames * self.hop_length - edge :], mirrored], dim=1)
        return torch.fft.rfft(_lengthened(heard, self.n_fft) * self._padded_window())

    def inverse(self, stft, length, closing_frame=None):
        """Least-squares inverse: exact on an unmodified transform.

        Arguments
        ---------
        stft : torch.Tensor
            Complex, ``[batch, frames, bins]``.
        length : int
            Samples wanted.
        closing_frame : torch.Tensor, optional
            ``[batch, bins]``: :meth:`closing_frame`, changed as the transform was.

        Returns
        -------
        torch.Tensor
            ``[batch, length]``.
        """
        window = self._padded_window()
        frames = torch.fft.irfft(stft, n=self.n_fft).mul_(window)
        last = None
        if closing_frame is not None:
            last = torch.fft.irfft(closing_frame, n=self.n_fft).mul_(window)
        edge = self.n_fft // 2
        here = slice(edge, edge + length)
        sound = self._overlap(frames, last)[:, here]
        return sound.div_(self._envelope(window, frames.shape[1], last is not None)[:, here])

    def _at_least_a_window(self, wavs):
        """Reflection needs more samples than it mirrors."""
        return _lengthened(wavs, self.n_fft)

    def _padded_window(self):
        missing = self.n_fft - len(self.window)
        return pad(self.window, (missing // 2, missing - missing // 2)) if missing else self.window

    def _envelope(self, window, frames, closed):
        """Sum of squared windows ``[1, time]``, which the frames of a clip bring along."""
        key, kept = (frames, closed, window.device, window.dtype), self._kept
        if kept is None or kept[0] != key:
            squares = window.square()
            tiny = torch.finfo(window.dtype).tiny
            last = squares.unsqueeze(0) if closed else None
            kept = key, self._overlap(squares.expand(1, frames, -1), last).clamp(min=tiny)
            self._kept = kept
        return kept[1]

    def _overlap(self, frames, last=None):
        """Add frames ``[batch, frames, n_fft]``, and the one after the last ``[batch, n_fft]``,
        where they lie -> ``[batch, time]``.

        In steps of one hop: ``torch.istft`` does the same and takes five times as long.
        """
        hop, count = self.hop_length, frames.shape[1]
        starts = range(0, self.n_fft, hop)
        sound = frames.new_zeros(len(frames), count + len(starts) - 1 + (last is not None), hop)
        for step, start in enumerate(starts):
            part = frames[:, :, start : start + hop]
            sound[:, step : step + count, : part.shape[2]] += part
            if last is not None:
                sound[:, count + step, : part.shape[2]] += last[:, start : start + hop]
        return sound.flatten(1)
