"""Merge of benchmark runs into one set of tables."""

import json

import pandas as pd
import pytest

from experiments.result_pages import merge
from speechbrain_lmac.evaluation.benchmark.results import COLUMNS, TABLE_FILE
from speechbrain_lmac.evaluation.benchmark.scores import MEAN
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS


@pytest.fixture
def runs(tmp_path):
    """Two runs of three clips each with AD of an interpreter and of a tuned baseline."""
    folders = {}
    for fold in (1, 2):
        folder = folders[f"fold {fold}"] = tmp_path / f"fold{fold}"
        folder.mkdir()
        rows = [
            ("stft", "clean", method, f"{fold}-{clip}", f"{fold}-{clip}", "dog", "AD", area, value)
            for area in TOP_K_FRACTIONS
            for method, level in (("energy", 30.0), ("LMAC-ZS-G", 20.0))
            for clip, value in enumerate((level, level + fold, level + 2 * fold))
        ]
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / TABLE_FILE, index=False)
        choice = {"method": "energy", "variant": f"Energy({fold})", "score": 1.0}
        choices = [{**choice, "chosen": True, "default": True}]
        (folder / "tuning_stft.json").write_text(json.dumps(choices))
    return folders


def test_merged_means_are_those_of_all_clips(runs, tmp_path):
    """Clips of all runs count alike, and differences are to the interpreter."""
    merge.merge_runs(tmp_path / "merged", runs, "two folds")
    summary = pd.read_csv(tmp_path / "merged" / "summary.csv", dtype={"fraction": str})
    rows = summary[summary.fraction == MEAN].set_index("method")
    assert list(rows.index) == ["LMAC-ZS-G", "energy"]
    assert rows["mean"].to_dict() == {"LMAC-ZS-G": 21.5, "energy": 31.5}
    assert rows.clips.to_dict() == {"LMAC-ZS-G": 6, "energy": 6}
    assert rows.difference["energy"] == -10
    tuning = pd.read_csv(tmp_path / "merged" / "tuning.csv")
    assert list(tuning.domain) == ["stft, fold 1", "stft, fold 2"]
    assert list(tuning.chosen) == ["Energy(1)", "Energy(2)"]


def test_merged_folder_names_its_runs(runs, tmp_path):
    """The paths are relative to the merged folder."""
    merged = tmp_path / "new" / "merged"
    command = [*map(str, runs.values()), "--output_folder", str(merged), "--description", "folds"]
    merge.main(command)
    names = (merged / merge.MERGED_RUNS).read_text().split()
    assert [(merged / name).resolve() for name in names] == [*runs.values()]
    assert (merged / "summary.md").read_text().startswith("# folds\n")


def test_runs_of_the_same_clips_are_refused(runs, tmp_path, capsys):
    """A clip counts once, and a refused merge writes nothing."""
    (tmp_path / "copy").mkdir()
    for path in runs["fold 1"].iterdir():
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    command = [str(runs["fold 1"]), str(tmp_path / "copy"), "--output_folder", str(tmp_path / "m")]
    with pytest.raises(SystemExit):
        merge.main([*command, "--description", "folds"])
    assert "runs must differ in clips" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
