"""Rows of the ablation: the settings of each interpreter, read from ``sweeps.yaml``."""

import argparse
from pathlib import Path
from typing import Any

import yaml

SWEEPS = Path(__file__).parent / "sweeps.yaml"
BASE_SETTINGS = {"decoder_channels": 32, "feature_dropout": 0.0}
"""Settings of all rows, unless a row changes them. The final settings, which these rows led to, are
in ``lmac_zs_efficientat.yaml``."""


class Row:
    """One interpreter of the ablation: its question, masking domain, name and changed settings."""

    def __init__(self, question: str, domain: str, name: str, changes: dict[str, Any]) -> None:
        self.question, self.domain, self.name, self.changes = question, domain, name, changes

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the training that differ from the final training."""
        return {**BASE_SETTINGS, **self.changes}

    @property
    def slug(self) -> str:
        """Name of the folder of the row: letters, digits and hyphens."""
        words = "".join(c if c.isalnum() else " " for c in f"{self.question} {self.name}").split()
        return f"{'-'.join(words)}-{self.domain}"


def read_rows() -> list[Row]:
    """Read all rows from ``sweeps.yaml``."""
    sweeps = yaml.safe_load(SWEEPS.read_text(encoding="utf-8"))
    return [
        Row(question, domain, name, changes)
        for question, domains in sweeps.items()
        for domain, variants in domains.items()
        for name, changes in variants.items()
    ]


def result_file(row: Row, options: argparse.Namespace) -> Path:
    """Return the path of the results of a row."""
    return Path(options.output_folder) / row.slug / "study.json"
