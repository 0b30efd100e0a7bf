"""Zero-shot accuracy of MiniCLAP on recordings that its training excluded."""

import pytest

from speechbrain_lmac.data.datasets import class_names
from speechbrain_lmac.data.labels import URBANSOUND8K_CLASSES
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.evaluation.prompt_wordings import PARAPHRASES, chosen_wordings
from speechbrain_lmac.evaluation.zero_shot import chosen_clips, classify, embed_clips
from speechbrain_lmac.evaluation.zero_shot_tables import accuracies
from tests.conftest import REAL_ESC10, REAL_US8K, needs_esc10, needs_us8k

pytestmark = pytest.mark.exhaustive


def accuracy_of(clap, clips, names):
    """Return the accuracy in percent with the class names, and its mean over paraphrases."""
    wordings = chosen_wordings(names, [TEMPLATE, PARAPHRASES])
    rows = classify(clap, embed_clips(clap, clips), clips, names, wordings)
    accuracy = accuracies(rows).accuracy
    return accuracy.iloc[0], accuracy.iloc[1:].mean()


@needs_esc10
@pytest.mark.parametrize("classes, least", [("present", 90), ("dataset", 65)])
def test_mini_classifies_held_out_esc10(clap, classes, least):
    """The bounds were set before the model was trained."""
    clips = chosen_clips(REAL_ESC10, folds=[5])
    names = class_names(REAL_ESC10, clips, classes)
    canonical, paraphrased = accuracy_of(clap, clips, names)
    assert canonical >= least
    assert paraphrased >= canonical - 8


@needs_esc10
@needs_us8k
def test_mini_classifies_held_out_classes(clap):
    """The classes of UrbanSound8K, on recordings that are not in ESC-10."""
    clips = chosen_clips(REAL_US8K, without=REAL_ESC10)
    canonical, paraphrased = accuracy_of(clap, clips, URBANSOUND8K_CLASSES)
    assert canonical >= 50
    assert paraphrased >= canonical - 8
