"""Audio of a contamination plan: a mixture and its two stems."""

from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_lmac.audio.io import fit_length, load_audio, load_clip
from speechbrain_lmac.audio.mixing import scale_to_snr
from speechbrain_lmac.data.contamination import TWO_SOURCE, WHITE_NOISE, PlanRow


class Stems(NamedTuple):
    """Contaminated clip and its stems, ``[time]`` each; ``mixture`` is exactly their sum."""

    mixture: Tensor
    clip: Tensor
    other: Tensor


def render_stems(row: PlanRow, sample_rate: int, seconds: float) -> Stems:
    """Render the audio of a row.

    Arguments
    ---------
    row : PlanRow
        Row of a plan.
    sample_rate : int
        Sample rate, in Hz.
    seconds : float
        Duration to which the clip is cut or padded, in seconds.

    Returns
    -------
    Stems
    """
    length = round(seconds * sample_rate)
    clip = load_clip(row.wav, sample_rate, seconds, row.start, row.stop)
    if row.kind == TWO_SOURCE:
        other = load_clip(row.other, sample_rate, seconds, row.other_start, row.other_stop)
    elif row.kind == WHITE_NOISE:
        generator = torch.Generator().manual_seed(row.seed)
        other = torch.randn(length, generator=generator)
    else:
        sound = load_audio(row.other, sample_rate, row.other_start, row.other_stop)
        rolled = sound.roll(-int(row.offset * len(sound)))
        other = fit_length(rolled.repeat(-(-length // len(rolled))), length)
    stem = scale_to_snr(clip, other, row.snr_db)
    return Stems(clip + stem, clip, stem)
