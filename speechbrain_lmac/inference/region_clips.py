"""Regions as clips of the original recording, to play and to label them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from speechbrain_lmac.audio.clips import MAX_FLAC_RATE, Cut, write_clips
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.inference.sound_names import clip_name
from speechbrain_lmac.reports.recording import MARGIN_SECONDS


class PromptRegion(Protocol):
    """Region of activity of a prompt."""

    @property
    def prompt(self) -> str:
        """Prompt."""

    @property
    def start(self) -> float:
        """Start, in seconds."""

    @property
    def stop(self) -> float:
        """End, in seconds."""


def write_region_clips(
    sound: AudioSource, regions: Iterable[PromptRegion], prompts: Sequence[str], folder: Path
) -> list[Path]:
    """Write each region as a clip of the original recording.

    Arguments
    ---------
    sound : AudioSource
        Original recording.
    regions : iterable of PromptRegion
        Regions of activity in the recording.
    prompts : sequence of str
        Prompts of the names, which state the index of a prompt.
    folder : Path
        Folder to write to.

    Returns
    -------
    list of Path
        Files in the order of the regions, with a margin of ``MARGIN_SECONDS`` before and after.
        They are FLAC files, or WAV files of sample rates above those of FLAC.
    """
    end = ".flac" if sound.rate <= MAX_FLAC_RATE else ".wav"
    cuts = []
    for region in regions:
        index = prompts.index(region.prompt)
        path = folder / clip_name(index, region.prompt, region.start, region.stop, end)
        start, stop = region.start - MARGIN_SECONDS, region.stop + MARGIN_SECONDS
        cuts.append(Cut(path, max(0.0, start), stop))
    write_clips(sound, cuts)
    return [cut.path for cut in cuts]
