"""Metadata of model cards."""

import json

import pandas as pd
import pytest
import soundfile

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.published_sets import LAYOUTS
from speechbrain_lmac.publishing.card import model_card
from tests.unit.publishing.conftest import REPO


def write_layout(folder, layout, label):
    """Write a clip in the layout of a published data set; return the folder."""
    row = {"filename": "1-7-A-0.wav", "fold": "1", "label": label, "src_file": "7"}
    row = {column: row[field] for field, column in layout.columns.items()}
    for path in (folder / layout.meta, folder / layout.audio({**row, "filename": "1-7-A-0.wav"})):
        path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row]).to_csv(folder / layout.meta, index=False)
    soundfile.write(path, [0.1] * 1600, 16000)
    return folder


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_card_names_published_training_data(layout, results, repository, tmp_path):
    """Clips of the layout and the classes of a published set name it; other clips do not."""
    interpreter = Interpreter.from_hparams(source=results)
    rows = pd.read_csv(results / "metrics.csv")
    settings = json.loads((results / "run_config.json").read_text())
    found = {}
    for label in (layout.classes[0], "my own class"):
        clips = read_clips(write_layout(tmp_path / label, layout, label))
        manifest.write(results / "train.csv", clips)
        card = model_card(repository, results, REPO, interpreter, rows, settings, None, [])
        found[label] = card.data.datasets
    hub_id = {"ESC-50": "ashraq/esc50", "UrbanSound8K": "danavery/urbansound8K"}[layout.name]
    assert found == {layout.classes[0]: [hub_id], "my own class": None}
