"""Explanation of clips in batches, for accelerators.

One clip does not fill an accelerator, and it would wait while the clip is read. Readers decode the
next files, and clips of one length are explained together. Other entries, such as recordings and
files that cannot be read, are explained one by one.
"""

from collections.abc import Callable, Iterator, Sequence

import torch

from speechbrain_lmac.bulk.batch_hits import batch_hits
from speechbrain_lmac.bulk.explaining import Explainer
from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.readers import ReadClip, read_clips
from speechbrain_lmac.bulk.rows import Row
from speechbrain_lmac.inference.scored_clip import encode, score_batch
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.utils.device import in_float32

MAX_HELD_BATCHES = 4
"""Batches that are read but not explained at most, when clips have many lengths."""

Clip = tuple[Entry, ReadClip]


class BatchExplainer:
    """Explains the clips of a unit in batches.

    Arguments
    ---------
    explain : Explainer
        Explainer of single entries.
    size : int
        Clips in a batch.
    readers : int
        Processes that read.
    """

    def __init__(self, explain: Explainer, size: int, readers: int):
        self.explain, self.size, self.readers = explain, size, readers
        self.interpreter, self.settings = explain.interpreter, explain.settings

    def __call__(
        self,
        entries: Sequence[Entry],
        alone: Callable[[Entry], list[Row]],
        progress: Callable[[], object],
    ) -> dict[str, list[Row]]:
        """Explain entries.

        Arguments
        ---------
        entries : sequence of Entry
            Entries of the manifest.
        alone : callable
            Function that explains one entry.
        progress : callable
            Function that is called after each entry.

        Returns
        -------
        dict
            Identifier of each entry -> its rows.
        """
        rows: dict[str, list[Row]] = {}
        for batch in self._batches(entries):
            if isinstance(batch, Entry):
                rows[batch.id] = alone(batch)
                progress()
                continue
            rows.update(self._explained(batch, alone))
            for _ in batch:
                progress()
        return rows

    def _batches(self, entries: Sequence[Entry]) -> Iterator[list[Clip] | Entry]:
        """Yield batches of clips of one length, and entries that are explained alone."""
        held: dict[int, list[Clip]] = {}
        for entry, clip in read_clips(entries, self.interpreter.sample_rate, self.readers):
            if clip is None or not self.interpreter.fits_input_window(len(clip.wav)):
                yield entry
                continue
            batch = held.setdefault(len(clip.wav), [])
            batch.append((entry, clip))
            if len(batch) == self.size:
                yield held.pop(len(clip.wav))
            elif sum(map(len, held.values())) >= MAX_HELD_BATCHES * self.size:
                yield held.pop(max(held, key=lambda length: len(held[length])))
        yield from held.values()

    def _explained(
        self, batch: list[Clip], alone: Callable[[Entry], list[Row]]
    ) -> dict[str, list[Row]]:
        """Rows of a batch. If it fails as a whole, its entries are explained alone."""
        try:
            return {row["id"]: [row] for row in self._rows(batch)}
        except Exception:  # noqa: BLE001 - the entries that fail alone state their reasons
            return {entry.id: alone(entry) for entry, _ in batch}

    @in_float32
    def _rows(self, batch: list[Clip]) -> list[Row]:
        wavs = torch.stack([clip.wav for _, clip in batch])
        encoded = self._encode(wavs)
        scored = score_batch(self.interpreter, wavs, encoded, self.settings.prompts)
        hits = batch_hits(self.interpreter, encoded, scored, self.settings)
        return [
            self.explain.clip_row(entry, clip.wav, each, found, clip.warnings)
            for (entry, clip), each, found in zip(batch, scored, hits)
        ]

    def _encode(self, wavs: torch.Tensor) -> EncodedClips:
        device, bf16 = self.interpreter.audio_classifier.device, self.settings.precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return encode(self.interpreter, wavs.to(device))
