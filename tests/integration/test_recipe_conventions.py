"""SpeechBrain's conventions for recipes: files of a recipe, used settings, and its debug flags."""

import csv
import re
import runpy
import shlex
import sys

import pytest
import yaml
from speechbrain.utils.run_opts import RunOptions

from tests.conftest import REPOSITORY

TABLE = REPOSITORY / "tests" / "recipes" / "ESC50.csv"
COLUMNS = (
    *("Task", "Dataset", "Script_file", "Hparam_file", "Data_prep_file", "Readme_file"),
    *("Result_url", "HF_repo", "test_debug_flags", "test_debug_checks", "performance"),
)
"""Columns of the tables in SpeechBrain's ``tests/recipes``."""
FILES = ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file")
with open(TABLE, newline="") as file:
    ROWS = list(csv.DictReader(file))
SAMPLES = "tests/samples/ESC50"
"""Folder of SpeechBrain's repository with a few clips."""
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row["Hparam_file"])


def test_recipe_table_lists_every_settings_file():
    """The table has SpeechBrain's columns, and each settings file of the recipes is in it."""
    assert ROWS and tuple(ROWS[0]) == COLUMNS and all(row["test_debug_flags"] for row in ROWS)
    found = (REPOSITORY / "recipes" / "ESC50").rglob("hparams/*.yaml")
    paths = {path.relative_to(REPOSITORY).as_posix() for path in found}
    assert paths == {row["Hparam_file"] for row in ROWS}


@each_row
def test_recipe_files_exist(row):
    """All named files exist, and local links of the README, too."""
    for name in FILES:
        assert (REPOSITORY / row[name]).is_file(), name
    readme = REPOSITORY / row["Readme_file"]
    for link in re.findall(r"\]\(([^)#]+)\)", readme.read_text()):
        assert link.startswith("https://") or (readme.parent / link).exists(), link
    assert (readme.parent / "extra_requirements.txt").read_text().strip()


@each_row
def test_recipe_uses_every_setting(row):
    """Each setting is in the script, or another setting refers to it."""
    text = (REPOSITORY / row["Hparam_file"]).read_text()
    script = (REPOSITORY / row["Script_file"]).read_text()
    options = RunOptions().as_dict()
    unused = [
        key.value
        for key, value in yaml.compose(text).value
        if f'["{key.value}"]' not in script and not re.search(rf"!ref .*<{key.value}[>.\[]", text)
        if key.value not in options and not value.tag.startswith("!apply")
    ]
    assert unused == []


@each_row
def test_recipe_runs_with_debug_flags(row, small_set, tmp_path, monkeypatch):
    """The flags run the script from its folder and leave the files of the table."""
    flags = row["test_debug_flags"].replace(SAMPLES, shlex.quote(str(small_set)))
    script, hparams = (REPOSITORY / row[name] for name in ("Script_file", "Hparam_file"))
    quick = f"--clip_seconds 0.5 --masking mel --device cpu --output_folder {tmp_path}"
    monkeypatch.chdir(script.parent)
    monkeypatch.syspath_prepend(script.parent)  # as Python does for a script
    monkeypatch.setattr(sys, "argv", [script.name, str(hparams), *shlex.split(f"{flags} {quick}")])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # SpeechBrain replaces it
    runpy.run_path(script.name, run_name="__main__")
    (names,) = re.findall(r"file_exists=\[(.+)\]", row["test_debug_checks"])
    assert [name for name in names.split(",") if not (tmp_path / name).is_file()] == []
