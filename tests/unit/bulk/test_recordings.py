"""Long recordings in stretches equal the recording in one piece."""

from itertools import pairwise

import pytest
import soundfile
import torch

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.bulk.hits import timeline_hits
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.recordings import explain_stretches
from speechbrain_lmac.bulk.store import open_store
from speechbrain_lmac.bulk.tables import read_regions
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from tests.unit.bulk.conftest import PROMPTS, read_table


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Recording with a siren across the ends of stretches, rain, and digital silence."""
    wav = 0.05 * synthesize("engine", seed=1, seconds=47.3)
    for kind, start, seconds in [("siren", 6, 9), ("rain", 20, 5), ("siren", 33.2, 4)]:
        first = round(start * SAMPLE_RATE)
        wav[first : first + seconds * SAMPLE_RATE] += synthesize(kind, seed=3, seconds=seconds)
    wav[26 * SAMPLE_RATE : 32 * SAMPLE_RATE] = 0
    path = tmp_path_factory.mktemp("recording") / "day.wav"
    soundfile.write(path, 0.3 * wav.numpy(), SAMPLE_RATE)
    return path


@pytest.fixture(scope="module")
def timeline(recording, interpreter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("timeline")
    return interpreter.interpret_recording(recording, PROMPTS, folder)


@pytest.fixture
def stretches(recording, interpreter, tmp_path):
    explain_dataset(
        str(recording),
        PROMPTS,
        str(tmp_path / "out"),
        interpreter=interpreter,
        stretch_seconds=10,
        progress=False,
    )
    return tmp_path / "out"


def test_stretches_cover_the_recording(stretches):
    """Stretches follow one another in whole steps, up to the end."""
    rows = read_table(stretches)
    assert len(rows) == 5 and rows[0]["start"] == 0
    assert all(a["stop"] == b["start"] for a, b in pairwise(rows))
    assert rows[-1]["stop"] == pytest.approx(47.3)


def test_activity_equals_the_recording_path(recording, interpreter, timeline, monkeypatch):
    """Each step of a present prompt has the activity of the recording in one piece."""
    activity = {}

    def keep(accumulated, samples, presence, threshold):
        part = accumulated.timeline(samples)
        for i, prompt in enumerate(accumulated.prompts):
            activity.setdefault(prompt, {})[len(starts)] = part.activity[i]
        return timeline_hits(accumulated, samples, presence, threshold)

    starts = []
    monkeypatch.setattr("speechbrain_lmac.bulk.recordings.timeline_hits", keep)
    settings = JobSettings(tuple(PROMPTS), "", 0.05, 0.1, 10.0, False, False)
    wav = torch.from_numpy(soundfile.read(recording, dtype="float32")[0])
    for stretch in explain_stretches(interpreter, wav.split(70000), settings):
        starts.append(stretch.start)
    compared = 0
    for prompt, parts in activity.items():
        for index, values in parts.items():
            first = round(starts[index] * 10)
            whole = timeline.activity[PROMPTS.index(prompt), first : first + len(values)]
            exact = whole >= 0.05  # elsewhere the prompt is absent, and is not decoded
            compared += int(exact.sum())
            assert (values - whole)[exact].abs().max() < 1e-6
            assert values[~exact].max() < 0.05
    assert compared > 100


def test_regions_equal_the_recording_path(stretches, timeline):
    """Regions that cross stretches are joined to those of the recording in one piece."""
    regions = list(read_regions(open_store(str(stretches)), None, 0.05))
    found = sorted((r.prompt, r.start, r.stop, round(r.activity, 5)) for r in regions)
    expected = [(r.prompt, r.start, r.stop, round(r.activity, 5)) for r in timeline.regions(0.1)]
    assert found == sorted(expected) and len(found) >= 2


def test_merged_regions_equal_the_recording(stretches, timeline):
    """Regions that are merged later equal those merged at once; short ones are dropped."""
    rule = (2.0, 1.0)
    regions = list(read_regions(open_store(str(stretches)), None, 0.05, *rule))
    expected = [(r.prompt, r.start, r.stop) for r in timeline.regions(0.1, *rule)]
    assert sorted((r.prompt, r.start, r.stop) for r in regions) == sorted(expected)


def test_overlapping_segments_give_one_region(recording, interpreter, tmp_path):
    """An event in several segments of a list is one region, with its whole length."""
    (tmp_path / "list.csv").write_text(
        "".join(["file,start,stop\n", *(f"{recording},{s},{s + 12}\n" for s in (0, 3, 6))])
    )
    options = {"interpreter": interpreter, "progress": False}
    explain_dataset(str(tmp_path / "list.csv"), PROMPTS[:1], str(tmp_path / "out"), **options)
    parts = [r for row in read_table(tmp_path / "out") for h in row["hits"] for r in h["regions"]]
    regions = list(read_regions(open_store(str(tmp_path / "out")), None, 0.05))
    assert len(parts) > len(regions) >= 1
    assert all(a.stop + 0.3 < b.start for a, b in pairwise(regions))
    assert min(part["start"] for part in parts) == regions[0].start
    assert max(part["stop"] for part in parts) == regions[-1].stop


def test_sound_is_that_of_the_scored_window(interpreter, tmp_path):
    """The window of the peak crosses the end of its stretch, which is digital silence."""
    wav = torch.zeros(20 * SAMPLE_RATE)
    first = round(11.27 * SAMPLE_RATE)
    siren = synthesize("siren", seed=3, seconds=1.2)
    wav[first : first + len(siren)] = siren
    soundfile.write(tmp_path / "night.wav", wav.numpy(), SAMPLE_RATE)
    out = tmp_path / "out"
    options = {"interpreter": interpreter, "progress": False, "stretch_seconds": 10}
    explain_dataset(str(tmp_path / "night.wav"), PROMPTS[:1], str(out), sounds_above=0.3, **options)
    stretches = [row for row in read_table(out) if row["hits"]]
    assert stretches[0]["stop"] < 11.27  # the siren is in the next stretch
    for row in stretches:
        start = row["hits"][0]["peak_start"]
        (path,) = out.glob(f"sounds/*/*-{start:.1f}.flac")
        sound, rate = soundfile.read(path)
        assert len(sound) == 5 * rate and abs(sound).max() > 0


def test_recording_presence_is_the_highest_one(stretches, interpreter, recording):
    """Presence of a stretch is the highest one of its windows."""
    rows = read_table(stretches)
    siren = [row["presence"][0] for row in rows]
    assert siren[0] > 0.5 and siren[3] > 0.5
    assert max(siren) > max(row["presence"][2] for row in rows)
