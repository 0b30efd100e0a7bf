"""Masking domains: where a mask acts in a classifier's front end, and how the result sounds.

A mask is an amplitude gain in [0, 1] on linear magnitude. On decibels a gain of zero would mean
0 dB, which is loud. Every domain therefore scales *power* by the square of the mask.
"""

from typing import Any

import torch

from speechbrain_lmac.masking.base import MaskingDomain
from speechbrain_lmac.masking.filterbank import band_to_bin_weights, mel_positions
from speechbrain_lmac.masking.log1p import Log1pStftDomain
from speechbrain_lmac.models.base import AudioClassifier, AudioEncoding
from speechbrain_lmac.utils.errors import InputError


class StftDomain(MaskingDomain):
    """Frames x linear-frequency bins: the magnitude is masked, then mel and log follow.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> domain = StftDomain(MiniCLAP())
    >>> domain.power(torch.randn(1, 32000)).shape
    torch.Size([1, 63, 513])
    """

    def __init__(self, audio_classifier: AudioClassifier):
        filterbank = audio_classifier.filterbank
        super().__init__(audio_classifier, mel_positions(filterbank), filterbank.sum(dim=1) > 0)

    def power_from_stft(self, stft: torch.Tensor) -> torch.Tensor:
        return self.audio_classifier.power(stft)

    def encode(self, power: torch.Tensor) -> AudioEncoding:
        return self.audio_classifier.encode(self.audio_classifier.mel(power))

    def gains(self, mask: torch.Tensor) -> torch.Tensor:
        return mask


class MelDomain(MaskingDomain):
    """Frames x mel bands: mel power is masked before the log.

    For resynthesis the filterbank maps the mask to linear bins. Each bin takes the average of the
    bands that it feeds; a bin outside all filters takes the gain of the nearest band.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> domain = MelDomain(MiniCLAP())
    >>> domain.power(torch.randn(1, 32000)).shape
    torch.Size([1, 63, 64])
    """

    to_bins: torch.Tensor

    def __init__(self, audio_classifier: AudioClassifier):
        filterbank = audio_classifier.filterbank
        bands = filterbank.shape[1]
        positions = (torch.arange(bands) + 0.5) / bands
        super().__init__(audio_classifier, positions, filterbank.sum(dim=0) > 0)
        self.register_buffer("to_bins", band_to_bin_weights(filterbank), persistent=False)

    def power_from_stft(self, stft: torch.Tensor) -> torch.Tensor:
        return self.audio_classifier.mel(self.audio_classifier.power(stft))

    def encode(self, power: torch.Tensor) -> AudioEncoding:
        return self.audio_classifier.encode(power)

    def gains(self, mask: torch.Tensor) -> torch.Tensor:
        return mask @ self.to_bins


class DecibelMelDomain(MelDomain):
    """Mel masking as it was most likely published (inferred): the mask multiplies decibels.

    0 dB is loud, so a mask of zeros raises faint bins and lowers bins above full scale instead of
    silencing the clip. Only the reproduction table uses this domain; ``apply_mask`` is inherited.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> domain = DecibelMelDomain(MiniCLAP())
    >>> domain.masked(torch.tensor([1e-4, 100.0]), torch.tensor([0.5, 0.5]))
    tensor([1.0000e-02, 1.0000e+01])
    """

    floor = 1e-10
    """Smallest power, as in the published front end."""

    def masked(self, power: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
        """Scale the decibels of power by gains.

        Arguments
        ---------
        power : torch.Tensor
            Power, ``[batch, frames, bins]``.
        gains : torch.Tensor
            Factors in [0, 1], with the shape of ``power``.

        Returns
        -------
        torch.Tensor
            Masked power, ``[batch, frames, bins]``.
        """
        decibels = 10 * power.clamp(min=self.floor).log10()
        return 10 ** (gains * decibels / 10)


DOMAINS: dict[str, type[StftDomain | MelDomain]] = {"mel": MelDomain, "stft": StftDomain}
"""Masking domain of each value of the ``masking`` setting."""
AS_PUBLISHED: dict[str, type[DecibelMelDomain | Log1pStftDomain]] = {
    "mel_db": DecibelMelDomain,
    "stft_log1p": Log1pStftDomain,
}
"""Domains of the papers: both parts do not sum to the clip. In ``mel_db``, a mask of zeros is not
even silence."""


def build(masking: str, audio_classifier: AudioClassifier, **settings: Any) -> MaskingDomain:
    """Build the masking domain that a ``masking`` setting names.

    Arguments
    ---------
    masking : str
        Key of ``DOMAINS`` or ``AS_PUBLISHED``.
    audio_classifier : AudioClassifier
        Classifier with the front end.
    **settings
        Additional arguments of the domain.

    Returns
    -------
    MaskingDomain

    Raises
    ------
    InputError
        If no domain has that name.
    """
    known: dict[str, Any] = {**DOMAINS, **AS_PUBLISHED}
    if masking not in known:
        raise InputError(f"masking must be {' or '.join(DOMAINS)}, got {masking!r}")
    return known[masking](audio_classifier, **settings)
