"""Sweeps of settings: every row can be built, and summaries are means."""

import pandas as pd
import pytest
import yaml
from hyperpyyaml import load_hyperpyyaml

from experiments.sweeps.sweep import FOLDS, HERE, HPARAMS, row_folder, summarize, write_start
from speechbrain_lmac.pretrained.decoder_weights import load_decoder

SWEEPS = {path.stem: yaml.safe_load(path.read_text()) for path in HERE.glob("*.yaml")}
ROWS = [(sweep, row) for sweep in SWEEPS for row in SWEEPS[sweep]["rows"]]


def build(sweep, row):
    """Load the settings of a row as the training does."""
    settings = {**SWEEPS[sweep]["settings"], **(SWEEPS[sweep]["rows"][row] or {})}
    settings = {
        k: v for k, v in settings.items() if k not in ("start", "start_offset", "precision")
    }
    path = HPARAMS / SWEEPS[sweep]["hparams"]
    return load_hyperpyyaml(path.read_text(), yaml.safe_dump(settings))


@pytest.mark.parametrize(("sweep", "row"), ROWS)
def test_rows_change_what_they_name(sweep, row):
    """Settings of a row reach the objective and the gate; other weights keep their values."""
    hparams = build(sweep, row)
    changes = SWEEPS[sweep]["rows"][row]
    for name, weight in changes.get("loss_weights", {}).items():
        assert hparams["objective"].weights.get(name, 0.0) == weight
    assert len(hparams["objective"].weights) >= 2
    assert list(hparams["gate"].fractions) == list(
        changes.get("gate_fractions", hparams["gate_fractions"])
    )


def test_rows_have_folders_of_their_own():
    """No two rows of a sweep or seeds of a row share a folder."""
    for sweep in SWEEPS.values():
        folders = {row_folder(HERE, row, seed) for row in sweep["rows"] for seed in (1, 11)}
        assert len(folders) == 2 * len(sweep["rows"])
    assert not set(FOLDS["train_folds"]) & {*FOLDS["valid_folds"], *FOLDS["test_folds"]}


def test_start_offset_raises_all_logits(tmp_path):
    """The written decoder differs from an untrained one by the bias of its first map."""
    hparams = HPARAMS / "lmac_zs_paper.yaml"
    decoders = []
    for offset in (0.0, -3.0):
        write_start(hparams, tmp_path / "start.safetensors", {"seed": 1, "masking": "mel"}, offset)
        decoder = load_hyperpyyaml(hparams.read_text(), {"seed": 2, "masking": "mel"})["decoder"]
        load_decoder(decoder, tmp_path / "start.safetensors")
        decoders.append(decoder.state_dict())
    for name, value in decoders[0].items():
        difference = decoders[1][name] - value
        if name == "head.bias":
            assert difference.tolist() == pytest.approx([-3.0, 0.0, 0.0])
        else:
            assert difference.abs().max() == 0


def test_summary_is_the_mean_of_equal_areas():
    """Soft masks do not enter the means at equal area, nor these the others."""
    rows = [
        {"metric": metric, "fraction": fraction, "value": value + (0 if fraction else 100)}
        for metric, value in {"AD": 20, "FF": 0.5, "Fid-In": 0.6, "p_masked_in": 0.7, "MM": 0.1,
                              "p_masked_out": 0.2}.items()
        for fraction in (0.05, 0.1, 0.2, 0.4, None)
    ]  # fmt: skip
    summary = summarize(pd.DataFrame(rows))
    assert summary["AD"] == 20 and summary["FF"] == 0.5
    assert summary["in-out margin"] == pytest.approx(0.5)
    assert summary["AD, raw"] == 120 and summary["MM, raw"] == 100.1
