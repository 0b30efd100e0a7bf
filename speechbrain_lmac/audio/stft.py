"""Short-time Fourier transform with lengths in samples, and its exact inverse."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


def power_of(stft: Tensor) -> Tensor:
    """Squared magnitude of a complex spectrogram, without the square root of ``abs``."""
    return stft.real.square() + stft.imag.square()


def _pad_to(wavs: Tensor, samples: int) -> Tensor:
    """Pad shorter waveforms with silence; unlike ``pad``, longer ones are not copied."""
    missing = samples - wavs.shape[-1]
    return pad(wavs, (0, missing)) if missing > 0 else wavs


class Spectrogram(nn.Module):
    """Complex STFT with centered frames, by default with a Hann window and reflected edges.

    SpeechBrain's ``STFT`` takes milliseconds, a Hamming window and zeros beyond the edges. The
    front ends of CLAPs take samples, Hann windows and reflected edges.

    Arguments
    ---------
    n_fft : int
        Length of the transform, in samples.
    hop_length : int
        Distance between frames, in samples; at most half of the window.
    window : torch.Tensor
        Window of at most ``n_fft`` samples, centered in the transform. Default: a periodic Hann
        window of ``n_fft`` samples.
    pad_mode : str
        Samples beyond the edges of a clip: ``reflect``, or ``constant`` for zeros. Default:
        ``reflect``.

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

    window: Tensor

    def __init__(
        self,
        n_fft: int,
        hop_length: int,
        window: Tensor | None = None,
        pad_mode: str = "reflect",
    ):
        super().__init__()
        window = torch.hann_window(n_fft) if window is None else window
        if not 0 < hop_length <= len(window) // 2:
            raise ValueError(f"hop_length must be 1 to {len(window) // 2}, got {hop_length}")
        if pad_mode not in ("reflect", "constant"):
            raise ValueError(f"pad_mode must be reflect or constant, got {pad_mode!r}")
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.pad_mode = pad_mode
        self.register_buffer("window", window, persistent=False)
        self._cached_envelope: tuple[tuple[object, ...], Tensor] | None = None

    def forward(self, wavs: Tensor) -> Tensor:
        """Transform waveforms.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms, ``[batch, time]``; those shorter than a window are padded with silence.

        Returns
        -------
        torch.Tensor
            Complex spectrogram, ``[batch, 1 + time // hop_length, n_fft // 2 + 1]``.
        """
        stft = torch.stft(
            _pad_to(wavs, self.n_fft),
            self.n_fft,
            self.hop_length,
            len(self.window),
            self.window,
            center=True,
            pad_mode=self.pad_mode,
            return_complex=True,
        )
        return stft.transpose(-1, -2)

    def closing_frame(self, wavs: Tensor, frames: int) -> Tensor | None:
        """Frame after the last one, for clips that end after the center of their last frame.

        Only the edge of the last window covers the last samples of a clip. The inverse would divide
        masked values there by almost zero, which clicks. The closing frame prevents this.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms, ``[batch, time]``.
        frames : int
            Number of frames of their transform.

        Returns
        -------
        torch.Tensor or None
            Complex, ``[batch, n_fft // 2 + 1]``; None if the center of the last frame is at the end
            of the clip or after it.
        """
        if (frames - 1) * self.hop_length >= wavs.shape[-1]:
            return None
        wavs = _pad_to(wavs, self.n_fft)
        edge = self.n_fft // 2
        frame = wavs[:, frames * self.hop_length - edge :]
        if self.pad_mode == "reflect":
            frame = torch.cat([frame, wavs[:, -edge - 1 : -1].flip(1)], dim=1)
        return torch.fft.rfft(_pad_to(frame, self.n_fft) * self._padded_window())

    def inverse(self, stft: Tensor, length: int, closing_frame: Tensor | None = None) -> Tensor:
        """Least-squares inverse, which is exact for an unmodified transform.

        Arguments
        ---------
        stft : torch.Tensor
            Complex spectrogram, ``[batch, frames, bins]``.
        length : int
            Number of samples of the result.
        closing_frame : torch.Tensor, optional
            Result of :meth:`closing_frame`, ``[batch, bins]``, modified as the transform was.

        Returns
        -------
        torch.Tensor
            Waveforms, ``[batch, length]``.
        """
        window = self._padded_window()
        frames = torch.fft.irfft(stft, n=self.n_fft).mul_(window)
        last = None
        if closing_frame is not None:
            last = torch.fft.irfft(closing_frame, n=self.n_fft).mul_(window)
        inner = slice(self.samples_before, self.samples_before + length)
        wavs = self._overlap(frames, last)[:, inner]
        return wavs.div_(self._envelope(window, frames.shape[1], last is not None)[:, inner])

    @property
    def samples_before(self) -> int:
        """Samples of the first frame that precede the clip."""
        return self.n_fft // 2

    def _padded_window(self) -> Tensor:
        missing = self.n_fft - len(self.window)
        return pad(self.window, (missing // 2, missing - missing // 2)) if missing else self.window

    def _envelope(self, window: Tensor, frames: int, has_closing: bool) -> Tensor:
        """Sum of the squared windows of all frames, ``[1, time]``; the last one is cached."""
        key = (frames, has_closing, window.device, window.dtype)
        if self._cached_envelope is None or self._cached_envelope[0] != key:
            squares = window.square()
            tiny = torch.finfo(window.dtype).tiny
            last = squares.unsqueeze(0) if has_closing else None
            envelope = self._overlap(squares.expand(1, frames, -1), last).clamp(min=tiny)
            self._cached_envelope = key, envelope
        return self._cached_envelope[1]

    def _overlap(self, frames: Tensor, last: Tensor | None = None) -> Tensor:
        """Overlap-add of frames, in steps of one hop; ``torch.istft`` takes five times as long.

        Arguments
        ---------
        frames : torch.Tensor
            Frames, ``[batch, frames, n_fft]``.
        last : torch.Tensor, optional
            Frame after the last one, ``[batch, n_fft]``.

        Returns
        -------
        torch.Tensor
            ``[batch, time]``.
        """
        hop, count = self.hop_length, frames.shape[1]
        starts = range(0, self.n_fft, hop)
        wavs = frames.new_zeros(len(frames), count + len(starts) - 1 + (last is not None), hop)
        for step, start in enumerate(starts):
            part = frames[:, :, start : start + hop]
            wavs[:, step : step + count, : part.shape[2]] += part
            if last is not None:
                wavs[:, count + step, : part.shape[2]] += last[:, start : start + hop]
        return wavs.flatten(1)
