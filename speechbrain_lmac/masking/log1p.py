"""Masking domain of the published L-MAC: the mask multiplies ``log(1 + magnitude)``."""

import torch

from speechbrain_lmac.masking.base import MaskingDomain
from speechbrain_lmac.masking.filterbank import mel_positions
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.models.base import AudioClassifier, AudioEncoding
from speechbrain_lmac.utils.errors import InputError

MIN_POWER = 1e-20
"""Smallest power inside a square root, whose gradient stays finite."""


class Log1pStftDomain(MaskingDomain):
    """Frames x linear-frequency bins, masked as by L-MAC (ICML 2024).

    A mask ``M`` leaves the magnitude ``expm1(M log1p|X|)``. A mask of 1 leaves the clip and a mask
    of 0 is silence. In between, loud bins are attenuated more than by a gain ``M``: a bin of
    magnitude 100 becomes 9.0 under a mask of 0.5. ``M`` and ``1 - M`` therefore do not sum to the
    clip, and the effect of a mask depends on the level of the clip. ``apply_mask`` scales the
    clip's spectrum to the magnitudes that the classifier encodes.

    Arguments
    ---------
    audio_classifier : AudioClassifier
        Classifier with the front end.
    left_out_frames : int
        Number of frames at the end of a clip that masked-in and masked-out part lack. Their mask is
        0. The published decoder predicts no mask for the last 6 frames of 5 s. Default: 0.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> domain = Log1pStftDomain(MiniCLAP())
    >>> domain.masked(torch.tensor([1e4]), torch.tensor([0.5])).sqrt().round(decimals=2)
    tensor([9.0500])
    """

    def __init__(self, audio_classifier: AudioClassifier, left_out_frames: int = 0):
        filterbank = audio_classifier.filterbank
        super().__init__(audio_classifier, mel_positions(filterbank), filterbank.sum(dim=1) > 0)
        if isinstance(left_out_frames, bool) or not 0 <= left_out_frames < 1000:
            raise InputError(f"left_out_frames must be 0 to 999, got {left_out_frames!r}")
        self.left_out_frames = left_out_frames
        self.settings = {"left_out_frames": left_out_frames} if left_out_frames else {}

    def power_from_stft(self, stft: torch.Tensor) -> torch.Tensor:
        return self.audio_classifier.power(stft)

    def encode(self, power: torch.Tensor) -> AudioEncoding:
        return self.audio_classifier.encode(self.audio_classifier.mel(power))

    def covered(self, values: torch.Tensor) -> torch.Tensor:
        """Frames of the encoder input that masked parts have: all but those left out."""
        return values[..., : max(1, values.shape[-2] - self.left_out_frames), :]

    def masked(self, power: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
        """Scale the logarithms of magnitudes.

        Arguments
        ---------
        power : torch.Tensor
            Power at the level of the encoder input, ``[batch, frames, bins]``.
        gains : torch.Tensor
            Factors in [0, 1], with the shape of ``power``.

        Returns
        -------
        torch.Tensor
            Masked power, ``[batch, frames, bins]``.
        """
        return (gains * log1p_magnitude(power)).expm1().square()

    def gains(self, mask: torch.Tensor) -> torch.Tensor:
        """Mask itself: a gain only of bins far fainter than 1. See :meth:`sound_gains`."""
        return mask

    def sound_gains(self, mask: torch.Tensor, wavs: torch.Tensor) -> torch.Tensor:
        """Ratios of masked to original magnitudes, at the level of the encoder input."""
        level = self.audio_classifier.window.level(wavs).square().unsqueeze(-1)
        log_magnitude = log1p_magnitude(level * self.power(wavs))
        return (mask * log_magnitude).expm1() / log_magnitude.expm1()

    def grid(self, power: torch.Tensor, samples: int) -> Grid:
        """Positions of the mask's bins; the frames that are left out have none."""
        grid = super().grid(power, samples)
        times = grid.times.clone()
        times[:, self.covered(power).shape[-2] :] = torch.nan
        return grid._replace(times=times)


def log1p_magnitude(power: torch.Tensor) -> torch.Tensor:
    """``log(1 + |X|)`` of power ``|X| ** 2``, with finite gradients at 0."""
    return power.clamp(min=MIN_POWER).sqrt().log1p()
