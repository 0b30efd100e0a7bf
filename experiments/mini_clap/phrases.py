"""Text encoder of MiniCLAP before training: hand-written phrases for the labels of AudioSet."""

import csv
from pathlib import Path

import torch

from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.prompts import to_paper_template
from speechbrain_lmac.models.clap.mini_text import TextTower
from speechbrain_lmac.models.text.minilm import MiniLM

FILE = Path(__file__).parent / "phrases.csv"


def read_phrases():
    """Return the labels followed by the phrases for them, and the index of each one's label."""
    with open(FILE, newline="", encoding="utf-8") as file:
        rows = [
            (row["phrase"], audioset_labels().index(row["label"])) for row in csv.DictReader(file)
        ]
    phrases, label_indices = zip(*rows)
    return [*audioset_labels(), *phrases], [*range(len(audioset_labels())), *label_indices]


def build_text_tower():
    """Build a text tower that knows the phrases; its label directions are untrained."""
    phrases, label_indices = read_phrases()
    tower = TextTower(len(phrases))
    tower.phrases.copy_(MiniLM().compute([to_paper_template(phrase) for phrase in phrases]))
    tower.label_of.copy_(torch.tensor(label_indices))
    return tower


def leave_one_out_mixtures(tower):
    """Return the label mixture of each phrase given all other phrases, ``[phrases, 527]``."""
    cosines = tower.phrases @ tower.phrases.T
    return tower.look_up(cosines.fill_diagonal_(-1))
