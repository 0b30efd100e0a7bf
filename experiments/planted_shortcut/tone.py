"""Tone of the planted shortcut: synthesis, T-F bins, scores of maps and evaluation clips.

``plant.py`` fine-tunes MiniCLAP until "clock alarm" depends on a steady 6 kHz tone, 20 dB below the
clip, and on nothing else. The evidence of this classifier is known, unlike that of a real one: an
explanation must show the tone, not the event. Methods fail if they show loud bins, or the sound
that a listener would name.

Evaluation clips have four variants (column ``variant``):

- ``shortcut``: an event with the tone. The prediction is wrong, and the tone is the reason.
- ``alone``: the tone only.
- ``other``: an event with a tone at 4 kHz, which has no effect. Maps are scored at 4 kHz.
- ``plain``: the event only. Maps are scored at 6 kHz.

The first two variants measure how often a method finds the tone. The last two measure how often it
finds a tone without effect, or no tone. The oracle ratio mask is not an upper bound here, because
all bins belong to the tone while an event pauses.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch

from speechbrain_lmac.data.synthetic import KINDS, LOUDNESS, SAMPLE_RATE, synthesize
from speechbrain_lmac.masking.domains import MaskingDomain
from speechbrain_lmac.utils.errors import InputError

TONE_HZ = 6000.0
"""Frequency of the tone in Hz."""
TONE_DB = -20.0
"""Level of the tone relative to the clip, in dB."""
SHORTCUT_CLASS = "clock_alarm"
"""Class that depends on the tone."""
OTHER_HZ = 4000.0
"""Frequency of the tone without effect, in Hz."""
VARIANTS = ("shortcut", "alone", "other", "plain")
"""Variants of evaluation clips."""
EVALUATION_STREAM = 3
"""Second number of the seeds of evaluation sounds. Training has 1, and the check after it has 2."""


class EvaluationItem(NamedTuple):
    """Evaluation clip: an event and a tone."""

    name: str
    """Class of the event, or ``tone``."""
    variant: str
    """One of ``VARIANTS``."""
    seed: int
    """Seed of the tone and of random explainers."""
    event: torch.Tensor
    """Waveform of the event, ``[time]``."""
    tone: torch.Tensor
    """Waveform of the tone, ``[time]``. Silent in plain clips."""
    hz: float
    """Frequency at which maps are scored, in Hz."""


def synthesize_tone(
    wavs: torch.Tensor, seeds: Iterable[int], hz: float = TONE_HZ, db: float = TONE_DB
) -> torch.Tensor:
    """Synthesize a steady tone for each clip, with a phase drawn from its seed.

    Arguments
    ---------
    wavs : torch.Tensor
        Clips at 32 kHz, ``[batch, time]``.
    seeds : iterable of int
        Seed of each clip, from which the phase is drawn.
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
    cycles = hz * time.double() + phases.to(wavs.device).double().unsqueeze(1)
    level = wavs.square().mean(dim=1, keepdim=True).sqrt() * 10 ** (db / 20)
    return (level * 2**0.5 * torch.sin(2 * torch.pi * cycles)).to(wavs)


def add_tone(
    wavs: torch.Tensor, seeds: Iterable[int], hz: float = TONE_HZ, db: float = TONE_DB
) -> torch.Tensor:
    """Add a tone to clips, with the arguments of :func:`synthesize_tone`.

    Example
    -------
    >>> noise = torch.randn(1, 32000, generator=torch.Generator().manual_seed(0))
    >>> added = add_tone(noise, seeds=[0]) - noise
    >>> round(20 * (added.norm() / noise.norm()).log10().item(), 3)
    -20.0
    """
    return wavs + synthesize_tone(wavs, seeds, hz, db)


def tone_bins(domain: MaskingDomain, samples: int, hz: float = TONE_HZ) -> torch.Tensor:
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
        raise InputError(
            f"sample rate must be {SAMPLE_RATE} Hz, got {clap.sample_rate}. Use MiniCLAP"
        )
    tone = synthesize_tone(torch.ones(1, samples, device=clap.filterbank.device), [0], hz, db=0.0)
    power = domain.power(tone)[0]
    bin_power = power.sum(dim=0)
    return (bin_power >= 0.01 * bin_power.max()).expand_as(power)


def tone_pointing(ranks: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """Compute the fraction of the top k bins that belong to the tone; k is the size of the tone.

    Arguments
    ---------
    ranks : torch.Tensor
        Ranks from :func:`~speechbrain_lmac.metrics.top_k.rank_bins`, ``[batch, frames, bins]``.
    bins : torch.Tensor
        Result of :func:`tone_bins`, ``[frames, bins]``.

    Returns
    -------
    torch.Tensor
        Fractions in [0, 1], ``[batch]``: 1 for a map of the tone, 0 if no top bin belongs to it.
        The expected value of a random map is the fraction of all bins that belong to the tone.

    Example
    -------
    >>> bins = torch.tensor([[False, True], [False, True]])
    >>> tone_pointing(torch.tensor([[[3, 0], [2, 1]], [[0, 2], [1, 3]], [[0, 1], [2, 3]]]), bins)
    tensor([1.0000, 0.0000, 0.5000])
    """
    count = bins.sum()
    return ((ranks < count) & bins).flatten(1).sum(dim=1) / count


def tone_energy(maps: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """Compute the fraction of a map's sum that lies in the bins of the tone.

    Arguments
    ---------
    maps : torch.Tensor
        Non-negative maps, ``[batch, frames, bins]``.
    bins : torch.Tensor
        Result of :func:`tone_bins`, ``[frames, bins]``.

    Returns
    -------
    torch.Tensor
        Fractions in [0, 1], ``[batch]``; 0 for a map of zeros.
    """
    total = maps.flatten(1).sum(dim=1)
    return (maps * bins).flatten(1).sum(dim=1) / torch.where(total > 0, total, 1.0)


def evaluation_items(seed: int, clips: int, seconds: float = 2.0) -> list[EvaluationItem]:
    """Synthesize sounds of every class except the shortcut class, in the four variants.

    Arguments
    ---------
    seed : int
        Seed of the set.
    clips : int
        Number of sounds per class, and number of tones alone.
    seconds : float
        Length of a clip in seconds. Default: 2.

    Returns
    -------
    list of EvaluationItem
    """
    items = []
    for clip in range(clips):
        for kind in KINDS:
            if kind != SHORTCUT_CLASS:
                event = synthesize(kind, (seed, EVALUATION_STREAM, clip, KINDS[kind][0]), seconds)
                items.extend(_variants_of(kind, event, 1000 * seed + 100 * clip + KINDS[kind][0]))
        silence = torch.zeros(round(seconds * SAMPLE_RATE))
        tone = synthesize_tone(silence.add(LOUDNESS).unsqueeze(0), [1000 * seed + clip])[0]
        items.append(
            EvaluationItem("tone", "alone", 1000 * seed + 100 * clip, silence, tone, TONE_HZ)
        )
    return items


def _variants_of(kind: str, event: torch.Tensor, seed: int) -> list[EvaluationItem]:
    """Return an event with the tone, with the tone without effect and without a tone."""
    tone, other = (synthesize_tone(event.unsqueeze(0), [seed], hz)[0] for hz in (TONE_HZ, OTHER_HZ))
    return [
        EvaluationItem(kind, "shortcut", seed, event, tone, TONE_HZ),
        EvaluationItem(kind, "other", seed, event, other, OTHER_HZ),
        EvaluationItem(kind, "plain", seed, event, torch.zeros_like(event), TONE_HZ),
    ]
