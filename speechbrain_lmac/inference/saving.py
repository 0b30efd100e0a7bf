"""Files of interpretations and timelines: sounds, figure, scores and tables."""

import json
from pathlib import Path
from typing import Any

from speechbrain_lmac.audio.io import safe_gain, save_audio
from speechbrain_lmac.inference.outputs import (
    ACTIVITY,
    AUDACITY,
    FIGURE,
    ORIGINAL,
    REGIONS,
    SCORES,
    raven_table,
)
from speechbrain_lmac.inference.sound_names import explanation_files, residual_of
from speechbrain_lmac.reports.annotations import RegionRule, write_regions
from speechbrain_lmac.reports.selection_tables import write_audacity, write_raven
from speechbrain_lmac.utils.files import write_directly, write_text
from speechbrain_lmac.utils.tables import write_csv

MIN_LEVEL_DB = -120
"""Level that is written for digital silence."""


def write_interpretation(
    interpretation: Any, folder: Path, rule: RegionRule, areas: bool, figure: bool
) -> None:
    """Write the sounds, figure, tables and scores of an interpretation to an empty folder."""
    gain = _write_sounds(interpretation, folder)
    if figure:
        from speechbrain_lmac.reports.plots import draw_interpretation

        draw_interpretation(interpretation, folder / FIGURE, rule)
    write_tables(interpretation.timeline, folder, rule)
    scores = {
        "file": interpretation.file,
        "explainer": interpretation.explainer,
        "seconds": len(interpretation.original) / interpretation.sample_rate,
        "gain": gain,
        "sample_rate": interpretation.sample_rate,
        "target": interpretation.target,
        "against": interpretation.against,
        "warnings": interpretation.warnings,
        "prompts": interpretation_rows(interpretation, rule, areas),
    }
    _write_scores(folder, scores)


def _write_sounds(interpretation: Any, folder: Path) -> float:
    """Write the clip and the sounds of the explained prompts, and return their gain."""
    explained = interpretation.explained
    waveform, original = interpretation.waveform[explained], interpretation.original
    residual = original - waveform
    gain = safe_gain(original, *waveform, *residual)
    files = explained_files(interpretation, folder)
    sounds = {
        folder / ORIGINAL: original,
        **dict(zip(files, waveform)),
        **dict(zip(map(residual_of, files), residual)),
    }
    for path, sound in sounds.items():
        save_audio(path, gain * sound, interpretation.sample_rate, write_directly)
    return gain


def explained_files(interpretation: Any, folder: Path) -> list[Path]:
    """Return the paths of the masked-in sounds of the explained prompts, in their order."""
    files = explanation_files(folder, interpretation.prompts)
    return [path for path, is_explained in zip(files, interpretation.explained) if is_explained]


def interpretation_rows(
    interpretation: Any, rule: RegionRule, areas: bool = True
) -> list[dict[str, Any]]:
    """Return the entries of ``scores.json`` for an interpretation, one per prompt.

    Measurements of a prompt that is not explained are None.
    """
    scores = {name: values.tolist() for name, values in interpretation.scores.items()}
    timeline = interpretation.timeline.rows(*rule)
    rows = [
        {
            "prompt": prompt,
            "similarity": interpretation.similarity[i].item(),
            **{name: values[i] for name, values in scores.items()},
            "absent": interpretation.absent[i].item(),
            "explained": interpretation.explained[i].item(),
            "level_db": max(MIN_LEVEL_DB, interpretation.level_db[i].item()),
            "mask_mean": interpretation.mask[i].mean().item(),
            **(area_fields(interpretation.areas[i]) if areas else {}),
            "activity": timeline[i]["activity"],
            "regions": timeline[i]["regions"],
        }
        for i, prompt in enumerate(interpretation.prompts)
    ]
    measured = ("level_db", "mask_mean", "activity", *(n for n in scores if "_masked_" in n))
    for row in rows:
        if not row["explained"]:
            row.update(dict.fromkeys(measured))
    return rows


def area_fields(areas: Any) -> dict[str, float | None]:
    """Return smallest areas as fields of ``scores.json``."""
    return {f"{name}_area": value for name, value in areas._asdict().items()}


def write_timeline(timeline: Any, folder: Path, rule: RegionRule, figure: bool = True) -> None:
    """Write the figure, tables and scores of a timeline to an empty folder."""
    write_tables(timeline, folder, rule)
    if figure:
        from speechbrain_lmac.reports.plots import draw_timeline

        draw_timeline(timeline, folder / FIGURE, rule)
    scores = {
        "file": timeline.file,
        "explainer": timeline.explainer,
        "seconds": timeline.duration,
        "gain": timeline.gain,
        "sample_rate": timeline.sample_rate,
        "against": timeline.against,
        "warnings": timeline.warnings,
        "prompts": timeline.rows(*rule),
    }
    _write_scores(folder, scores)


def _write_scores(folder: Path, scores: dict[str, Any]) -> None:
    text = json.dumps(scores, indent=2, allow_nan=False) + "\n"
    write_text(folder / SCORES, text, write_directly)


def write_tables(timeline: Any, folder: Path, rule: RegionRule) -> None:
    """Write the tables of a timeline to an empty folder."""
    regions = timeline.regions(*rule)
    write_regions(folder / REGIONS, regions, write_directly)
    write_audacity(folder / AUDACITY, regions, write_directly)
    write_raven(folder / raven_table(timeline.file), regions, write_directly)
    header = ["seconds", *timeline.prompts]
    rows = [
        [round(second, 3), *(round(value, 4) for value in values)]
        for second, values in zip(timeline.seconds.tolist(), timeline.activity.T.tolist())
    ]
    write_csv(folder / ACTIVITY, [header, *rows], writer=write_directly)
