"""Measure precision and recall of the regions of long recordings at several thresholds.

Usage: python -m experiments.detection_threshold.measure ESC10 [--source mini-stft]
           [--folds 1 2 3 4 5] [--min-duration 0 0.5]

The clips of each fold of ESC-10 are joined to a recording in random order, so the place of each
class is known. The recording is explained in windows for all ten classes.
"""

import argparse
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.prompts import label_to_words
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.reports.annotations import Region
from speechbrain_lmac.utils.errors import report_errors

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
RIGHT_FRACTION = 0.5
"""Fraction of a region that lies in clips of its class, from which the region is right."""
FOUND_SECONDS = 0.5
"""Duration of a clip in regions of its class, from which the clip is found."""
AUDIOSET = {
    "chainsaw": "Chainsaw",
    "clock_tick": "Tick-tock",
    "crackling_fire": "Fire",
    "crying_baby": "Baby cry, infant cry",
    "dog": "Dog",
    "helicopter": "Helicopter",
    "rain": "Rain",
    "rooster": "Crowing, cock-a-doodle-doo",
    "sea_waves": "Waves, surf",
    "sneezing": "Sneeze",
}
"""Class of ESC-10 -> label of AudioSet."""


class Place(NamedTuple):
    """A clip in a recording."""

    label: str
    start: float
    stop: float


class Counts(NamedTuple):
    """Counts of regions and of clips."""

    regions: int
    right: int
    """Regions that are right."""
    clips: int
    found: int
    """Clips that are found."""


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all folds and print a table for folds 1 to 4 and one for fold 5."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder of ESC-10, with the layout of ESC-50")
    parser.add_argument("--source", default="mini-stft", metavar="INTERPRETER")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--min-duration", type=float, nargs="+", default=[0.0, 0.5], metavar="S")
    options = parser.parse_args(arguments)
    interpreter = Interpreter.from_hparams(source=options.source)
    rows = []
    for fold in options.folds:
        clips = [clip for clip in read_clips(options.data) if clip.fold == fold]
        timeline, places = explain_joined(interpreter, clips, seed=fold)
        for seconds in options.min_duration:
            rows += list(measure(timeline, places, fold, seconds))
    table = pd.DataFrame(rows)
    held_out = table["fold"] == 5
    for name, part in (("Folds 1 to 4", table[~held_out]), ("Fold 5", table[held_out])):
        for seconds, rows_of_rule in part.groupby("min_duration"):
            text = summarize(rows_of_rule).round(3).to_markdown(floatfmt="g")
            print(f"\n{name}, regions of at least {seconds:g} s\n\n{text}")


def explain_joined(
    interpreter: Interpreter, clips: Iterable[Clip], seed: int
) -> tuple[Timeline, list[Place]]:
    """Explain the recording of clips in random order; return the places of the clips, too."""
    clips, rate = list(clips), interpreter.sample_rate
    random.Random(seed).shuffle(clips)
    wavs = [load_audio(clip.wav, rate) for clip in clips]
    ends = torch.tensor([len(wav) for wav in wavs]).cumsum(0) / rate
    starts = [0.0, *ends.tolist()]
    places = [Place(clip.label, *span) for clip, *span in zip(clips, starts, ends.tolist())]
    prompts = [prompt_of(interpreter, label) for label in sorted(AUDIOSET)]
    with tempfile.TemporaryDirectory() as folder:
        timeline = interpreter.interpret_recording(
            torch.cat(wavs), prompts, folder, sample_rate=rate, figure=False
        )
    return timeline, places


def prompt_of(interpreter: Interpreter, label: str) -> str:
    """Return the prompt of a class of ESC-10, or the class of a supervised classifier."""
    if interpreter.audio_classifier.class_names is None:
        return label_to_words(label)
    return AUDIOSET[label]


def measure(
    timeline: Timeline, places: Sequence[Place], fold: int, min_duration: float = 0.0
) -> Iterator[dict[str, float | str]]:
    """Yield a row of counts per threshold and class."""
    settings = {"fold": fold, "min_duration": min_duration}
    for threshold in THRESHOLDS:
        regions = timeline.regions(threshold, min_duration=min_duration)
        for label, prompt in zip(sorted(AUDIOSET), timeline.prompts):
            own = [region for region in regions if region.prompt == prompt]
            counts = count(own, [place for place in places if place.label == label])
            yield {**settings, "threshold": threshold, "label": label, **counts._asdict()}


def count(regions: Sequence[Region], places: Sequence[Place]) -> Counts:
    """Count the regions of a class that are right, and its clips that are found.

    Example
    -------
    >>> regions = [Region("dog", start, start + 2, 0, 0, 1.0) for start in (1, 4.5, 9)]
    >>> count(regions, [Place("dog", 0, 5), Place("dog", 10.6, 15)])
    Counts(regions=3, right=1, clips=2, found=1)
    """
    right = [sum(overlap(r, p) for p in places) / (r.stop - r.start) for r in regions]
    found = [sum(overlap(region, place) for region in regions) for place in places]
    return Counts(
        len(regions),
        sum(fraction >= RIGHT_FRACTION for fraction in right),
        len(places),
        sum(seconds >= FOUND_SECONDS for seconds in found),
    )


def overlap(region: Region, place: Place) -> float:
    """Return the duration of a region in a clip, in seconds."""
    return max(0.0, min(region.stop, place.stop) - max(region.start, place.start))


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall and F1 of all classes together, and the mean F1 of the classes."""
    by_class = rows.groupby(["threshold", "label"])[list(Counts._fields)].sum()
    table = by_class.groupby("threshold").sum()
    table["mean F1"] = _scores(by_class)["F1"].groupby("threshold").mean()
    return table.assign(**_scores(table))


def _scores(counts: pd.DataFrame) -> dict[str, pd.Series]:
    precision = (counts["right"] / counts["regions"].clip(lower=1)).rename("precision")
    recall = counts["found"] / counts["clips"]
    f1 = 2 * precision * recall / (precision + recall).clip(lower=1e-9)
    return {"precision": precision, "recall": recall, "F1": f1}


if __name__ == "__main__":
    main()
