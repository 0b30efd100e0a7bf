"""From an entry of the manifest to rows of the result."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from speechbrain_lmac.audio.files import display_name
from speechbrain_lmac.bulk.hits import Hit, clip_hits, present, shift_regions
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.readers import Blocks, split_off_clip
from speechbrain_lmac.bulk.reading import read_blocks
from speechbrain_lmac.bulk.recordings import explain_stretches
from speechbrain_lmac.bulk.rows import ERROR, OK, Row, failed_row
from speechbrain_lmac.inference.clip import ScoredClip, score_clip
from speechbrain_lmac.inference.inputs import as_clip
from speechbrain_lmac.inference.quality import level_warnings
from speechbrain_lmac.utils.collected_warnings import collected_warnings
from speechbrain_lmac.utils.device import in_float32, is_out_of_memory
from speechbrain_lmac.utils.errors import InputError, first_line


class Explainer:
    """Explains the entries of a job, one by one.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    settings : JobSettings
        Settings of the job.
    """

    def __init__(self, interpreter: Any, settings: JobSettings):
        self.interpreter, self.settings = interpreter, settings

    def __call__(self, entry: Entry, known: list[Row] | None = None) -> list[Row]:
        """Explain an entry.

        Arguments
        ---------
        entry : Entry
            Entry of the manifest.
        known : list of dict
            Rows of the same entry with embeddings, from a job with other prompts. Default: none.

        Returns
        -------
        list of dict
            One row for a clip, one per stretch for a recording. A file that cannot be explained
            has one row with the reason.
        """
        try:
            with collected_warnings() as texts:
                rows = self._rows(entry, known)
        except Exception as error:  # noqa: BLE001 - one file must not end the job
            return [failed_row(entry, ERROR, _reason(error, entry))]
        rows[0]["warnings"] = [*rows[0]["warnings"], *texts]
        return rows

    @in_float32
    def _rows(self, entry: Entry, known: list[Row] | None) -> list[Row]:
        if known:
            rows = [self._known_row(entry, row) for row in known]
            if not any(row["hits"] is None for row in rows):
                return rows
        rate = self.interpreter.sample_rate
        clip, blocks = split_off_clip(read_blocks(entry, rate), rate)
        if clip is None or not self.interpreter.fits_input_window(len(clip)):
            return self._recording_rows(entry, blocks if clip is None else iter([clip]))
        return [self._clip(entry, clip)]

    def _clip(self, entry: Entry, wav: torch.Tensor) -> Row:
        settings = self.settings
        scored = score_clip(self.interpreter, as_clip(wav), settings.prompts)
        hits = clip_hits(
            self.interpreter, scored, settings.explain_above, settings.threshold, settings.scores
        )
        return self.clip_row(entry, wav, scored, hits, level_warnings(wav))

    def clip_row(
        self,
        entry: Entry,
        wav: torch.Tensor,
        scored: ScoredClip,
        hits: list[Hit],
        warnings: list[str],
    ) -> Row:
        """Return the row of a clip.

        Arguments
        ---------
        entry : Entry
            Entry of the manifest.
        wav : torch.Tensor
            Samples, ``[time]``.
        scored : ScoredClip
            Scores of the clip.
        hits : list of dict
            Hits, with times in seconds of the clip; they are moved to those of the file.
        warnings : list of str
            Warnings about the clip.

        Returns
        -------
        dict
        """
        start = entry.start or 0.0
        for hit in hits:
            _shift(hit, start)
        stop = round(start + len(wav) / self.interpreter.sample_rate, 6)
        vector = scored.encoded.encoding.vector[0]
        return {
            **_place(entry, start, stop),
            "similarity": scored.similarity.tolist(),
            "presence": scored.presence.tolist(),
            "hits": hits,
            **self._embedding([vector]),
            "warnings": warnings,
        }

    def _embedding(self, vectors: list[torch.Tensor]) -> Row:
        if not self.settings.embeddings:
            return {}
        return {"embedding": torch.cat(vectors).tolist() if vectors else []}

    def _recording_rows(self, entry: Entry, blocks: Blocks) -> list[Row]:
        rows, start = [], entry.start or 0.0
        for stretch in explain_stretches(self.interpreter, blocks, self.settings):
            place = _place(entry, start + stretch.start, start + stretch.stop)
            for hit in stretch.hits:
                _shift(hit, start)
            scores = {
                "similarity": stretch.similarity,
                "presence": stretch.presence,
                "hits": stretch.hits,
            }
            rows.append({**place, **scores, **self._embedding(stretch.vectors), "warnings": []})
        return rows

    @torch.no_grad()
    def _known_row(self, entry: Entry, known: Row) -> Row:
        """Row of a stretch by its embedding; ``hits`` is None if a prompt is present."""
        classifier = self.interpreter.audio_classifier
        queries = self.interpreter.query(self.settings.prompts).queries
        vectors = torch.tensor(known["embedding"]).reshape(-1, classifier.query_dim)
        similarity = torch.full((len(queries),), -torch.inf)
        presence = torch.zeros(len(queries))
        for vector in vectors.to(queries.device).split(1):  # in a batch the last digits differ
            logits = classifier.logits(vector, queries).squeeze(0).cpu()
            similarity = torch.maximum(similarity, logits)
            found = classifier.presence(vector, queries).squeeze(0).cpu()
            presence = torch.maximum(presence, found)
        is_hit = len(present(presence, self.settings.explain_above)) > 0
        return {
            **_place(entry, known["start"], known["stop"]),
            "similarity": similarity.tolist() if len(vectors) else [],
            "presence": presence.tolist(),
            "hits": None if is_hit else [],
            **self._embedding(list(vectors)),
            "warnings": known["warnings"],
        }


def _place(entry: Entry, start: float, stop: float) -> Row:
    place = {"id": entry.id, "file": entry.file, "start": start, "stop": stop}
    return {**place, "status": OK, "error": None}


def _shift(hit: dict[str, Any], seconds: float) -> None:
    """Move the times of a hit from a segment to its file."""
    if seconds:
        hit["peak_start"] += seconds
        shift_regions(hit, seconds)


def _reason(error: Exception, entry: Entry) -> str:
    """Reason of a failure in one line, without names that differ from run to run."""
    if isinstance(error, InputError):
        return str(error)
    if is_out_of_memory(error):
        return f"memory ran out ({first_line(error)}). Cut the file, or give fewer prompts"
    return f"{type(error).__name__}: {first_line(error)} ({display_name(entry.file)})"


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Compute in one thread of torch: the last digits depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
