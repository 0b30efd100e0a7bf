"""The planes that masks live on: how a mask reaches the encoder and how it sounds.

A mask is an amplitude gain in [0, 1] on linear magnitude, never on decibels, where zero would
be 0 dB and loud. Both planes therefore scale *power* by the mask's square.
"""

from abc import ABC, abstractmethod

import torch
from torch import nn

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.utils.errors import InputError


class MaskingDomain(nn.Module, ABC):
    """A time-frequency plane of a CLAP's own front end.

    Arguments
    ---------
    clap : CLAP
        Whose front end it is.
    positions : torch.Tensor
        ``[bins]``: place of each bin on the encoder's mel axis, 0 to 1.
    bin_mask : torch.Tensor
        ``[bins]``: whether the encoder hears anything of it.
    """

    def __init__(self, clap, positions, bin_mask):
        super().__init__()
        self.clap = clap
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("bin_mask", bin_mask.to(positions), persistent=False)

    def power(self, wavs):
        """Power on this plane, ``[batch, frames, bins]``, of ``wavs`` ``[batch, time]``."""
        return self.power_from_stft(self.clap.stft(wavs))

    @abstractmethod
    def power_from_stft(self, stft):
        """Power on this plane of a complex spectrogram that the encoder hears."""

    @abstractmethod
    def encode(self, power):
        """Encode power on this plane -> AudioEncoding."""

    def masked(self, power, gains):
        """Power that amplitude gains leave.

        Arguments
        ---------
        power : torch.Tensor
            ``[batch, frames, bins]``.
        gains : torch.Tensor
            Of its shape, in [0, 1].

        Returns
        -------
        torch.Tensor
            ``[batch, frames, bins]``.
        """
        return power * gains.square()

    @abstractmethod
    def gains(self, mask):
        """Gain of every linear-frequency bin: ``[..., bins] -> [..., n_fft // 2 + 1]``."""

    def grid(self, power, samples):
        """Where the cells of a clip's masks lie on the encoder's axes.

        Arguments
        ---------
        power : torch.Tensor
            Of the clip on this plane, ``[batch, frames, bins]``.
        samples : int
            Length of the clip.

        Returns
        -------
        Grid
        """
        times = self.clap.window.frame_positions(power.shape[-2], samples)
        return Grid(times.to(self.positions.device), self.positions, self.bin_mask)

    def apply_mask(self, wavs, mask, spectrum=None):
        """The sound that a mask keeps, with the input's own phase.

        Linear in the mask: ``apply_mask(M) + apply_mask(1 - M)`` is the clip.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``.
        mask : torch.Tensor
            ``[..., batch, frames, bins]``.
        spectrum : torch.Tensor
            ``clap.spectrogram(wavs)``, if it is at hand.

        Returns
        -------
        torch.Tensor
            ``[..., batch, time]``.
        """
        spectrogram = self.clap.spectrogram
        spectrum = spectrogram(wavs) if spectrum is None else spectrum
        gains, closing = self.gains(mask), spectrogram.closing(wavs, spectrum.shape[1])
        if closing is not None:  # as much of it as of the last frame that has a mask
            closing = (gains[..., -1, :] * closing).flatten(0, -2)
        sound = spectrogram.inverse((gains * spectrum).flatten(0, -3), wavs.shape[-1], closing)
        return sound.unflatten(0, mask.shape[:-2])


class StftDomain(MaskingDomain):
    """Frames x linear-frequency bins: magnitude is masked, then mel and log are taken again.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> plane = StftDomain(MiniCLAP())
    >>> plane.power(torch.randn(1, 32000)).shape
    torch.Size([1, 63, 513])
    """

    def __init__(self, clap):
        bin_mask = clap.filterbank.sum(dim=1) > 0
        super().__init__(clap, mel_positions(clap.filterbank), bin_mask)

    def power_from_stft(self, stft):
        return power_of(stft)

    def encode(self, power):
        return self.clap.encode(self.clap.mel(power))

    def gains(self, mask):
        return mask


class MelDomain(MaskingDomain):
    """Frames x mel bands: mel power is masked before the log.

    To be heard, the mask is spread to linear bins through the filterbank, each bin taking the
    average of the bands that it feeds, and bins outside all filters that of the nearest band.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> plane = MelDomain(MiniCLAP())
    >>> plane.power(torch.randn(1, 32000)).shape
    torch.Size([1, 63, 64])
    """

    def __init__(self, clap):
        bands = clap.filterbank.shape[1]
        bin_mask = clap.filterbank.sum(dim=0) > 0
        super().__init__(clap, (torch.arange(bands) + 0.5) / bands, bin_mask)
        self.register_buffer("to_bins", band_to_bin_weights(clap.filterbank), persistent=False)

    def power_from_stft(self, stft):
        return self.clap.mel(power_of(stft))

    def encode(self, power):
        return self.clap.encode(power)

    def gains(self, mask):
        return mask @ self.to_bins


class DecibelMelDomain(MelDomain):
    """Mel masking as it was most likely published: the mask multiplies decibels (inferred).

    0 dB is loud: a mask of zeros does not silence a clip, it raises what is faint and lowers what
    is above full scale. Only for the reproduction table; ``apply_mask`` is that of the mel plane.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> plane = DecibelMelDomain(MiniCLAP())
    >>> plane.masked(torch.tensor([1e-4, 100.0]), torch.tensor([0.5, 0.5]))
    tensor([1.0000e-02, 1.0000e+01])
    """

    floor = 1e-10
    """Of power, as in the published front end."""

    def masked(self, power, gains):
        """Power whose decibels are those of ``power`` times ``gains``.

        Arguments
        ---------
        power : torch.Tensor
            ``[batch, frames, bins]``.
        gains : torch.Tensor
            Of its shape, in [0, 1].

        Returns
        -------
        torch.Tensor
            ``[batch, frames, bins]``.
        """
        decibels = 10 * power.clamp(min=self.floor).log10()
        return 10 ** (gains * decibels / 10)


DOMAINS = {"mel": MelDomain, "stft": StftDomain}
"""Value of the ``masking`` setting -> plane."""
AS_PUBLISHED = {"mel_db": DecibelMelDomain}
"""For reproduction alone: nothing is claimed on it, and a mask of zeros is not silence there."""


def build(masking, clap):
    """The plane that a ``masking`` setting names.

    Arguments
    ---------
    masking : str
        A key of ``DOMAINS`` or ``AS_PUBLISHED``.
    clap : CLAP
        Whose front end it is.

    Returns
    -------
    Plane
    """
    known = DOMAINS | AS_PUBLISHED
    if masking not in known:
        raise InputError(f"masking is {' or '.join(DOMAINS)}, not {masking!r}")
    return known[masking](clap)


def mel_positions(filterbank):
    """Place of each linear bin on a filterbank's band axis, from the bands' centroids.

    Arguments
    ---------
    filterbank : torch.Tensor
        ``[bins, bands]``.

    Returns
    -------
    torch.Tensor
        ``[bins]``, 0 to 1, non-decreasing.
    """
    low, high, fraction = _bands_around(filterbank)
    return (low + fraction * (high - low) + 0.5) / filterbank.shape[1]


def _bands_around(filterbank):
    """For each linear bin the bands whose centroids lie around it, and how far it is between.

    Bands too narrow to hold a bin have no centroid, and of bands that share their only bin the
    first stands for all: the others are passed over.
    """
    total = filterbank.sum(dim=0)
    (held,) = total.nonzero(as_tuple=True)
    bin_index = torch.arange(len(filterbank), dtype=filterbank.dtype, device=filterbank.device)
    centroids = (bin_index @ filterbank)[held] / total[held]
    rising = centroids.diff(prepend=centroids[:1] - 1) > 0
    held, centroids = held[rising], centroids[rising]
    above = torch.searchsorted(centroids, bin_index).clamp(1, len(held) - 1)
    low, high = centroids[above - 1], centroids[above]
    return held[above - 1], held[above], ((bin_index - low) / (high - low)).clamp(0, 1)


def band_to_bin_weights(filterbank):
    """Weights that turn a gain per band into a gain per linear bin.

    Arguments
    ---------
    filterbank : torch.Tensor
        ``[bins, bands]``.

    Returns
    -------
    torch.Tensor
        ``[bands, bins]``; each column sums to 1, so that a mask of ones is heard as the clip.
    """
    total = filterbank.sum(dim=1, keepdim=True)
    low, high, fraction = _bands_around(filterbank)
    nearest = torch.where(fraction < 0.5, low, high)
    alone = torch.nn.functional.one_hot(nearest, filterbank.shape[1]).to(filterbank.dtype)
    return torch.where(total > 0, filterbank / total.clamp(min=1e-12), alone).T.contiguous()
