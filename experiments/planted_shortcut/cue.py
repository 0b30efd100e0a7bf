"""Planted shortcut: a CLAP that decides by a faint tone, and clips with and without the tone.

``experiments/planted_shortcut`` fine-tunes MiniCLAP until "clock alarm" depends on a steady 6 kHz
tone, 20 dB below the clip, and on nothing else. The evidence of this classifier is known, unlike
that of a real one: an explanation must show the tone, not the event. Methods that show loud bins,
or the sound that a listener would name, fail here.

There are four kinds of clips (column ``decoy``):

- ``cue``: an event with the tone. The prediction is wrong, and the tone is the reason.
- ``alone``: the tone only.
- ``other``: an event with a tone at 4 kHz, which has no effect and is searched for.
- ``plain``: the event only; 6 kHz is searched for.

The first two kinds measure how often the tone is found, the last two what a method finds anyway.
The oracle ratio mask is no upper bound here: where an event pauses, all bins belong to the tone.
"""

from typing import NamedTuple

import torch

from speechbrain_lmac.data.synthetic import KINDS, LOUDNESS, SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.errors import InputError

CUE_HZ = 6000.0
CUE_DB = -20.0
"""Level of the tone relative to the clip, in dB."""
CUED = "clock_alarm"
"""Class that depends on the tone."""
OTHER_HZ = 4000.0
"""Frequency of the tone without effect."""
DECOYS = ("cue", "alone", "other", "plain")
SCENES = 3
"""Second number of the seeds of evaluation sounds. 1 and 2 are for training and checking."""


class Scene(NamedTuple):
    """An event and a tone."""

    name: str
    decoy: str
    seed: int
    event: torch.Tensor
    """Waveform of the event, ``[time]``."""
    tone: torch.Tensor
    """Waveform of the tone, ``[time]``; silent in plain clips."""
    hz: float
    """Frequency at which a tone is searched for."""


def tone(wavs, seeds, hz=CUE_HZ, db=CUE_DB):
    """Synthesize a steady tone for each clip, with a phase drawn from its seed.

    Arguments
    ---------
    wavs : torch.Tensor
        Clips at 32 kHz, ``[batch, time]``.
    seeds : sequence of int
        Seed of each clip.
    hz : float
        Frequency of the tone in Hz. Default: 6000.
    db : float
        Root mean square of the tone relative to that of the clip, in dB. Default: -20.

    Returns
    -------
    torch.Tensor
        Tones, ``[batch, time]``.
    """
    phases = torch.tensor(
        [torch.rand((), generator=torch.Generator().manual_seed(seed)).item() for seed in seeds]
    )
    time = torch.arange(wavs.shape[1], device=wavs.device) / SAMPLE_RATE
    turns = hz * time.double() + phases.to(wavs.device).double().unsqueeze(1)
    level = wavs.square().mean(dim=1, keepdim=True).sqrt() * 10 ** (db / 20)
    return (level * 2**0.5 * torch.sin(2 * torch.pi * turns)).to(wavs)


def add_cue(wavs, seeds, hz=CUE_HZ, db=CUE_DB):
    """Add a tone to clips. Arguments are those of :func:`tone`.

    Example
    -------
    >>> noise = torch.randn(1, 32000, generator=torch.Generator().manual_seed(0))
    >>> added = add_cue(noise, seeds=[0]) - noise
    >>> round(20 * (added.norm() / noise.norm()).log10().item(), 3)
    -20.0
    """
    return wavs + tone(wavs, seeds, hz, db)


def cue_bins(domain, samples, hz=CUE_HZ):
    """Find the T-F bins of a steady tone: those with at least 1 % of the power of its loudest bin.

    In MiniCLAP's masking domains, these are two mel bands or three STFT bins in every frame.

    Arguments
    ---------
    domain : MaskingDomain
        Masking domain of a CLAP at 32 kHz.
    samples : int
        Length of the clip in samples.
    hz : float
        Frequency of the tone in Hz. Default: 6000.

    Returns
    -------
    torch.Tensor
        Boolean mask, ``[frames, bins]``.

    Raises
    ------
    InputError
        If the CLAP has another sample rate.
    """
    clap = domain.audio_classifier
    if clap.sample_rate != SAMPLE_RATE:
        raise InputError(f"sample rate must be {SAMPLE_RATE} Hz, got {clap.sample_rate}")
    pure = tone(torch.ones(1, samples, device=clap.filterbank.device), [0], hz, db=0.0)
    power = domain.power(pure)[0]
    total = power.sum(dim=0)
    return (total >= 0.01 * total.max()).expand_as(power)


def cue_pointing(ranks, bins):
    """Compute the fraction of a map's best bins that lie in the tone, as many as the tone has.

    Arguments
    ---------
    ranks : torch.Tensor
        Ranks from :func:`~speechbrain_lmac.metrics.top_k.rank_bins`, ``[batch, frames, bins]``.
    bins : torch.Tensor
        Result of :func:`cue_bins`, ``[frames, bins]``.

    Returns
    -------
    torch.Tensor
        Fractions in [0, 1], ``[batch]``: 1 for a map of the tone, 0 if the best bins are elsewhere.
        A random map has the fraction of bins that belong to the tone.

    Example
    -------
    >>> bins = torch.tensor([[False, True], [False, True]])
    >>> cue_pointing(torch.tensor([[[3, 0], [2, 1]], [[0, 2], [1, 3]], [[0, 1], [2, 3]]]), bins)
    tensor([1.0000, 0.0000, 0.5000])
    """
    count = bins.sum()
    return ((ranks < count) & bins).flatten(1).sum(dim=1) / count


def cue_energy(maps, bins):
    """Compute the fraction of a map's sum that lies in the tone, ``[batch]``; 0 for a zero map.

    Arguments
    ---------
    maps : torch.Tensor
        Non-negative maps, ``[batch, frames, bins]``.
    bins : torch.Tensor
        Result of :func:`cue_bins`, ``[frames, bins]``.
    """
    total = maps.flatten(1).sum(dim=1)
    return (maps * bins).flatten(1).sum(dim=1) / torch.where(total > 0, total, 1.0)


def scenes(seed, clips, seconds=2.0):
    """Synthesize sounds of every kind except the cued one, as the four kinds of clips.

    Arguments
    ---------
    seed : int
        Seed of the set.
    clips : int
        Clips of each kind, and tones alone.
    seconds : float
        Length of a clip. Default: 2.

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
