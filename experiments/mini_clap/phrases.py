"""What the student is told AudioSet's labels are also called, written for it by hand."""

import csv
from pathlib import Path

import torch

from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.prompts import to_paper_template
from speechbrain_lmac.models.clap.mini import TextTower
from speechbrain_lmac.models.text.minilm import MiniLM

FILE = Path(__file__).parent / "phrases.csv"


def read_phrases():
    """Every label itself, then every phrase; two lists: phrases, and their labels' indices."""
    with open(FILE, newline="", encoding="utf-8") as file:
        rows = [
            (row["phrase"], audioset_labels().index(row["label"])) for row in csv.DictReader(file)
        ]
    phrases, owners = zip(*rows)
    return [*audioset_labels(), *phrases], [*range(len(audioset_labels())), *owners]


def taught_tower():
    """A text tower that knows the phrases; its labels have no directions yet."""
    phrases, owners = read_phrases()
    tower = TextTower(len(phrases))
    tower.phrases.copy_(MiniLM().compute([to_paper_template(phrase) for phrase in phrases]))
    tower.label_of.copy_(torch.tensor(owners))
    return tower


def mixtures_of_others(tower):
    """What a text tower would make of each phrase if it did not know it, ``[phrases, 527]``."""
    cosines = tower.phrases @ tower.phrases.T
    return tower.look_up(cosines.fill_diagonal_(-1))
