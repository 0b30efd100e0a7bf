"""A planted cue: a CLAP that is known to decide by a faint tone, and who finds the tone.

``experiments/planted_shortcut`` tunes MiniCLAP until "clock alarm" hangs on a steady 6
kHz tone, 20
dB below the clip that it is added to, and on nothing else. What such a classifier hears in
footsteps with the tone is known, as it never is of a real one: an explanation must show the tone,
not the event. Methods that show what is loud, or what a listener would name, fail here.

Clips come in four ways, in the column ``decoy``: ``cue``, an event with the tone, where the
decision is wrong and the tone is why; ``alone``, the tone and nothing else; ``other``, an event
with a tone at 4 kHz, which means nothing and is what is looked for; ``plain``, the event, where
6 kHz is looked for and no tone is.

The first two say how often the tone is found; the last two what a method finds there in any case.
The ideal ratio mask is no ceiling here: where an event pauses, all cells are the tone's.
"""

from typing import NamedTuple

import torch

from speechbrain_lmac.data.synthetic import KINDS, LOUDNESS, SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.errors import InputError

CUE_HZ = 6000.0
CUE_DB = -20.0
"""Of the tone, relative to the clip that it is added to."""
CUED = "clock_alarm"
"""The class that hangs on the tone."""
OTHER_HZ = 4000.0
"""Of the tone that means nothing."""
DECOYS = ("cue", "alone", "other", "plain")
SCENES = 3
"""Second number of the seeds of sounds that are examined; 1 and 2 are those that a planted CLAP
learns from and is checked on."""


class Scene(NamedTuple):
    """A sound, and the part of it that decides."""

    name: str
    decoy: str
    seed: int
    event: torch.Tensor
    """``[time]``."""
    tone: torch.Tensor
    """``[time]``; silent in the plain clip."""
    hz: float
    """Where a tone is looked for."""


def tone(wavs, seeds, hz=CUE_HZ, db=CUE_DB):
    """A steady tone for each clip, of a phase drawn from the clip's seed.

    Arguments
    ---------
    wavs : torch.Tensor
        ``[batch, time]`` at 32 kHz.
    seeds : sequence of int
        One for each clip.
    hz : float
        Its frequency.
    db : float
        Its root mean square relative to the clip's.

    Returns
    -------
    torch.Tensor
        ``[batch, time]``.
    """
    phases = torch.tensor(
        [torch.rand((), generator=torch.Generator().manual_seed(seed)).item() for seed in seeds]
    )
    time = torch.arange(wavs.shape[1], device=wavs.device) / SAMPLE_RATE
    turns = hz * time.double() + phases.to(wavs.device).double().unsqueeze(1)
    level = wavs.square().mean(dim=1, keepdim=True).sqrt() * 10 ** (db / 20)
    return (level * 2**0.5 * torch.sin(2 * torch.pi * turns)).to(wavs)


def add_cue(wavs, seeds, hz=CUE_HZ, db=CUE_DB):
    """Clips with a tone added; the arguments of :func:`tone`.

    Example
    -------
    >>> noise = torch.randn(1, 32000, generator=torch.Generator().manual_seed(0))
    >>> added = add_cue(noise, seeds=[0]) - noise
    >>> round(20 * (added.norm() / noise.norm()).log10().item(), 3)
    -20.0
    """
    return wavs + tone(wavs, seeds, hz, db)


def cue_cells(domain, samples, hz=CUE_HZ):
    """Cells that a steady tone takes up: bins that hold a hundredth of its loudest one's power.

    On MiniCLAP's planes, two mel bands or three bins of the STFT, in every frame.

    Arguments
    ---------
    domain : MaskingDomain
        Of a CLAP at 32 kHz.
    samples : int
        Length of the clip.
    hz : float
        Of the tone.

    Returns
    -------
    torch.Tensor
        ``[frames, bins]`` of bool.

    Raises
    ------
    InputError
        If the CLAP hears another sample rate.
    """
    clap = domain.audio_classifier
    if clap.sample_rate != SAMPLE_RATE:
        raise InputError(f"the planted cue is made for {SAMPLE_RATE} Hz, not {clap.sample_rate}")
    pure = tone(torch.ones(1, samples, device=clap.filterbank.device), [0], hz, db=0.0)
    power = domain.power(pure)[0]
    total = power.sum(dim=0)
    return (total >= 0.01 * total.max()).expand_as(power)


def cue_pointing(ranks, cells):
    """Share in the tone of a map's best cells, as many as the tone has.

    Arguments
    ---------
    ranks : torch.Tensor
        ``[batch, frames, bins]``, of :func:`~speechbrain_lmac.metrics.top_k.rank_bins`.
    cells : torch.Tensor
        ``[frames, bins]`` of bool.

    Returns
    -------
    torch.Tensor
        ``[batch]``, 0 to 1: 1 for a map of the tone, 0 for one whose best cells are elsewhere; a
        random map has the share of cells that are the tone's.

    Example
    -------
    >>> cells = torch.tensor([[False, True], [False, True]])
    >>> cue_pointing(torch.tensor([[[3, 0], [2, 1]], [[0, 2], [1, 3]], [[0, 1], [2, 3]]]), cells)
    tensor([1.0000, 0.0000, 0.5000])
    """
    count = cells.sum()
    return ((ranks < count) & cells).flatten(1).sum(dim=1) / count


def cue_energy(maps, cells):
    """Share of a map's sum that lies in the tone, ``[batch]``; 0 for an empty map.

    Arguments
    ---------
    maps : torch.Tensor
        ``[batch, frames, bins]``, at least 0.
    cells : torch.Tensor
        ``[frames, bins]`` of bool.
    """
    total = maps.flatten(1).sum(dim=1)
    return (maps * cells).flatten(1).sum(dim=1) / torch.where(total > 0, total, 1.0)


def scenes(seed, clips, seconds=2.0):
    """Sounds of every kind but the cued one, in the four ways of this module.

    Arguments
    ---------
    seed : int
        Of the whole set.
    clips : int
        Of each kind; and so many tones alone.
    seconds : float
        Length.

    Returns
    -------
    list of Scene
    """
    made = []
    for clip in range(clips):
        for kind in KINDS:
            if kind != CUED:
                event = synthesize(kind, (seed, SCENES, clip, KINDS[kind][0]), seconds)
                made.extend(_scenes_of(kind, event, 1000 * seed + 100 * clip + KINDS[kind][0]))
        silence = torch.zeros(round(seconds * SAMPLE_RATE))
        pure = tone(silence.add(LOUDNESS).unsqueeze(0), [1000 * seed + clip])[0]
        made.append(Scene("tone", "alone", 1000 * seed + 100 * clip, silence, pure, CUE_HZ))
    return made


def _scenes_of(kind, event, seed):
    cue, other = (tone(event.unsqueeze(0), [seed], hz)[0] for hz in (CUE_HZ, OTHER_HZ))
    return [
        Scene(kind, "cue", seed, event, cue, CUE_HZ),
        Scene(kind, "other", seed, event, other, OTHER_HZ),
        Scene(kind, "plain", seed, event, torch.zeros_like(event), CUE_HZ),
    ]
