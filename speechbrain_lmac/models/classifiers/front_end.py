"""Declared front end of a classifier: from a waveform to the input of its body."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torchaudio.functional import melscale_fbanks

from speechbrain_lmac.audio.stft import Spectrogram, power_of
from speechbrain_lmac.models.input_window import FixedLengthInput, VariableLengthInput
from speechbrain_lmac.utils.errors import InputError

LAYOUTS = {
    "batch 1 frames bands": (True, False),
    "batch 1 bands frames": (True, True),
    "batch frames bands": (False, False),
    "batch bands frames": (False, True),
}
"""Layout of a body's input -> whether it has a channel axis, and whether bands precede frames."""
COMPRESSIONS: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "log": lambda mel, floor: (mel + floor).log(),
    "log1p": lambda mel, floor: mel.log1p(),
    "db": lambda mel, floor: 10 * mel.clamp(min=floor).log10(),
    "none": lambda mel, floor: mel,
}
"""Name of a compression -> function of mel values and the floor."""
TINY = 1e-14
"""Power that is added before a square root, so that the gradient of silence is finite."""


@dataclass(frozen=True)
class FrontEnd:
    """Mel front end of a classifier, with centered frames and reflected edges.

    The steps are those of ``torchaudio.transforms.MelSpectrogram``, then a compression, then
    ``(x - mean) / std``.

    Arguments
    ---------
    sample_rate : int
        Sample rate of the waveforms, in Hz.
    n_fft, hop_length : int
        Length of the transform and distance between frames, in samples.
    bands : int or torch.Tensor
        Number of mel bands with torchaudio's default filters, or filters
        ``[n_fft // 2 + 1, bands]``.
    window : torch.Tensor
        Analysis window of at most ``n_fft`` samples. Default: a periodic Hann window.
    compression : str or callable
        ``log`` (of the sum with ``floor``), ``log1p``, ``db`` (of at least ``floor``), ``none``, or
        a differentiable function of mel values ``[batch, frames, bands]``. Default: ``log``.
    floor : float
        Floor of ``log`` and ``db``. Default: 1e-10.
    mean, std : float or torch.Tensor
        Normalization after the compression, of all bands or of each, ``[bands]``. Default: none.
    layout : str
        Layout of the body's input, a key of ``LAYOUTS``. Default: ``batch 1 frames bands``.
    magnitude : bool
        Whether the filters weight magnitudes instead of power. Default: False.
    seconds : float
        Length of the body's input. Shorter clips are repeated, and longer ones cut to the middle.
        Default: clips of any length.

    Raises
    ------
    InputError
        If a setting has no valid value.

    Example
    -------
    >>> front_end = FrontEnd(16000, n_fft=512, hop_length=160, bands=40)
    >>> front_end(torch.randn(2, 16000)).shape
    torch.Size([2, 1, 101, 40])
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    bands: int | torch.Tensor
    window: torch.Tensor | None = None
    compression: str | Callable[[torch.Tensor], torch.Tensor] = "log"
    floor: float = 1e-10
    mean: float | torch.Tensor = 0.0
    std: float | torch.Tensor = 1.0
    layout: str = "batch 1 frames bands"
    magnitude: bool = False
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InputError(f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        if not callable(self.compression) and self.compression not in COMPRESSIONS:
            raise InputError(
                f"compression must be a function or one of {', '.join(COMPRESSIONS)}, got "
                f"{self.compression!r}"
            )
        rows, bins = len(self.filterbank), self.n_fft // 2 + 1
        if rows != bins:
            raise InputError(
                f"bands must be filters [{bins}, bands] for n_fft {self.n_fft}, got {rows} rows. "
                "Transpose them, or give the number of bands"
            )

    @property
    def filterbank(self) -> torch.Tensor:
        """Mel filters, ``[n_fft // 2 + 1, bands]``."""
        if isinstance(self.bands, torch.Tensor):
            return self.bands.detach().float()
        bins, rate = self.n_fft // 2 + 1, self.sample_rate
        return melscale_fbanks(bins, 0.0, rate / 2, self.bands, rate)

    @property
    def bins_first(self) -> bool:
        """Whether bands precede frames in the body's input and hidden maps."""
        return LAYOUTS[self.layout][1]

    def __call__(self, wavs: torch.Tensor) -> torch.Tensor:
        """Input of the body, in its layout, of waveforms ``[batch, time]``."""
        transform = self.spectrogram().to(wavs.device)
        power = power_of(transform(self.input_window().fit_wav(wavs)))
        return self.body_input(self.mel(power, self.filterbank.to(wavs)))

    def spectrogram(self) -> Spectrogram:
        """Transform of the front end."""
        try:
            return Spectrogram(self.n_fft, self.hop_length, self.window)
        except ValueError as error:
            raise InputError(f"the front end is not supported: {error}") from error

    def input_window(self) -> VariableLengthInput:
        """Part of a clip that the body takes."""
        if self.seconds is None:
            return VariableLengthInput()
        samples = round(self.seconds * self.sample_rate)
        return FixedLengthInput(samples, self.hop_length, whole_repeats=False)

    def mel(self, power: torch.Tensor, filterbank: torch.Tensor) -> torch.Tensor:
        """Mel power of power ``[batch, frames, bins]``: squared, if the filters weight magnitudes.

        Arguments
        ---------
        power : torch.Tensor
            Power, ``[batch, frames, bins]``.
        filterbank : torch.Tensor
            Filters on the device of ``power``, ``[bins, bands]``.
        """
        if self.magnitude:
            return ((power + TINY).sqrt() @ filterbank).square()
        return power @ filterbank

    def body_input(self, mel: torch.Tensor) -> torch.Tensor:
        """Input of the body, in its layout, of mel power ``[batch, frames, bands]``."""
        values = (mel + TINY).sqrt() if self.magnitude else mel
        if callable(self.compression):
            values = self.compression(values)
        else:
            values = COMPRESSIONS[self.compression](values, self.floor)
        mean, std = (torch.as_tensor(each).to(values) for each in (self.mean, self.std))
        values = (values - mean) / std
        has_channel, bins_first = LAYOUTS[self.layout]
        values = values.transpose(1, 2) if bins_first else values
        return values.unsqueeze(1) if has_channel else values
