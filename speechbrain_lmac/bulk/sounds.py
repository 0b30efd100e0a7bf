"""Masked-in sounds of some hits as FLAC files: per prompt, the same ones whatever the engine."""

import hashlib
import heapq
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import soundfile
import torch

from speechbrain_lmac.audio.io import safe_gain
from speechbrain_lmac.bulk.explaining import single_thread
from speechbrain_lmac.bulk.hits import masked_in_sounds
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.options import SoundOptions
from speechbrain_lmac.bulk.reading import read_blocks
from speechbrain_lmac.bulk.rows import Row
from speechbrain_lmac.bulk.store import Store
from speechbrain_lmac.bulk.tables import read_hits
from speechbrain_lmac.inference.clip import predict_masks, score_clip
from speechbrain_lmac.inference.inputs import as_clip
from speechbrain_lmac.inference.recording import MAX_CLIP_SECONDS, WINDOW_SECONDS
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import csv_bytes

FOLDER, TABLE = "sounds", "sounds.csv"
COLUMNS = ("prompt", "file", "start", "presence", "sound")


@dataclass(frozen=True)
class SoundOfHit:
    """Sound that is to be written."""

    prompt: str
    id: str
    file: str
    start: float
    stop: float
    presence: float

    @property
    def order(self) -> str:
        """Hash that selects sounds, by the clip and the prompt alone."""
        text = f"{self.id}\0{self.start}\0{self.prompt}"
        return hashlib.sha256(text.encode()).hexdigest()

    def name(self, prompts: tuple[str, ...]) -> str:
        """Name of the file in the output folder."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.prompt.lower()).strip("-")[:60]
        return f"{FOLDER}/{prompts.index(self.prompt)}-{slug}/{self.id}-{self.start:.1f}.flac"


def write_sounds(
    store: Store, interpreter: Any, settings: JobSettings, options: SoundOptions
) -> None:
    """Write the sounds of the chosen hits and ``sounds.csv``; existing sounds stay.

    A file that can no longer be read gets a warning, and a row without a sound.

    Arguments
    ---------
    store : Store
        Output folder whose units are done.
    interpreter : Interpreter
        Interpreter of the job.
    settings : JobSettings
        Settings of the job.
    options : SoundOptions
        Smallest presence, and number of sounds per prompt.
    """
    if not 0 <= options.above <= 1 or options.per_prompt < 1:
        raise InputError("sounds_above must be in [0, 1] and sounds_per_prompt at least 1")
    chosen = [sound for prompt in settings.prompts for sound in choose(store, prompt, options)]
    rows: list[tuple[Any, ...]] = [COLUMNS]
    with single_thread():
        for sound in chosen:
            name = sound.name(settings.prompts)
            is_written = store.exists(name) or _write(store, name, interpreter, sound)
            cells = (sound.prompt, sound.file, sound.start, sound.presence)
            rows.append((*cells, name if is_written else None))
    store.write(TABLE, csv_bytes(rows))


def _write(store: Store, name: str, interpreter: Any, sound: SoundOfHit) -> bool:
    """Write a sound. Warn and return False if its file can no longer be read."""
    try:
        flac = explanation(interpreter, sound)
    except InputError as error:
        warnings.warn(f"a hit of {sound.file} gets no sound: {error}", stacklevel=2)
        return False
    store.write(name, flac)
    return True


def choose(store: Store, prompt: str, options: SoundOptions) -> list[SoundOfHit]:
    """Return the hits of a prompt that have a sound, in the order of their hashes."""
    found = _candidates(store, prompt, options.above)
    return heapq.nsmallest(options.per_prompt, found, key=lambda sound: sound.order)


def _candidates(store: Store, prompt: str, above: float) -> Iterator[SoundOfHit]:
    for row, hit in read_hits(store, prompt, above):
        yield sound_of_hit(row, hit)


def sound_of_hit(row: Row, hit: Any) -> SoundOfHit:
    """Return the sound that a hit of a row has, whether it is written or not.

    It is the clip, or the window of the recording with the highest presence, which may continue
    after the stretch of the row.
    """
    start, stop, peak = row["start"], row["stop"], hit["peak_start"]
    if peak != start or stop - start > MAX_CLIP_SECONDS:
        start, stop = peak, peak + WINDOW_SECONDS
    return SoundOfHit(hit["prompt"], row["id"], row["file"], start, stop, hit["presence"])


@torch.no_grad()
def explanation(interpreter: Any, sound: SoundOfHit) -> bytes:
    """Masked-in sound of a hit, as FLAC."""
    entry = Entry(sound.id, sound.file, sound.start or None, sound.stop, None)
    wav = as_clip(torch.cat(list(read_blocks(entry, interpreter.sample_rate))))
    scored = score_clip(interpreter, wav, [sound.prompt])
    masks = predict_masks(interpreter, scored, scored.query.decoder_queries)
    (masked_in,) = masked_in_sounds(interpreter, scored, masks, scored.presence)
    buffer = io.BytesIO()
    samples = (safe_gain(masked_in) * masked_in).numpy()
    soundfile.write(buffer, samples, interpreter.sample_rate, subtype="PCM_16", format="FLAC")
    return buffer.getvalue()
