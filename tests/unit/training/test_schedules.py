"""Schedules of the learning rate."""

import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_lmac.training.schedules import CosineAnnealing, PlateauAnnealing
from speechbrain_lmac.utils.errors import InputError


@pytest.fixture
def optimizer():
    """Return an optimizer with two groups of weights."""
    groups = [{"params": [torch.zeros(1)]} for _ in range(2)]
    return torch.optim.Adam(groups, lr=0.1)


def rates(optimizer):
    """Return the learning rates of all groups."""
    return [group["lr"] for group in optimizer.param_groups]


def follow(schedule, optimizer, scores, first=1):
    """Return the rate after each validation."""
    found = []
    for epoch, score in enumerate(scores, start=first):
        schedule.start_epoch(optimizer, 0.1, epoch, 100)
        schedule.end_validation(optimizer, epoch, score)
        found.append(rates(optimizer)[0])
    assert len(set(rates(optimizer))) == 1
    return found


def test_cosine_does_not_depend_on_scores(optimizer):
    """The rate is ``lr cos^2(pi (e - 1) / 2n)`` in all groups."""
    schedule = CosineAnnealing()
    schedule.start_epoch(optimizer, 0.1, 1, 4)
    assert rates(optimizer) == [0.1, 0.1]
    schedule.end_validation(optimizer, 1, -1.0)
    schedule.start_epoch(optimizer, 0.1, 3, 4)
    assert rates(optimizer) == pytest.approx([0.05, 0.05])


def test_plateau_halves_after_its_patience(optimizer):
    """Three validations without a better score are allowed; the fourth halves the rate."""
    scores = [0.1, 0.2, 0.1, 0.2, 0.1, 0.1, 0.15, 0.19, 0.0, 0.0, 0.3]
    found = follow(PlateauAnnealing(0.5, 3, first_epoch=0), optimizer, scores)
    assert found == [0.1] * 7 + [0.05] * 4


def test_plateau_waits_for_its_first_epoch(optimizer):
    """Nothing changes up to that epoch, as published up to 100."""
    schedule = PlateauAnnealing()
    assert follow(schedule, optimizer, [0.0] * 100) == [0.1] * 100
    worse = follow(schedule, optimizer, [-1.0] * 4, first=101)
    assert worse == [0.1] * 3 + [0.05]


def test_plateau_resumes_from_a_checkpoint(optimizer, tmp_path):
    """The count of validations without a better score is saved."""
    schedule, again = (PlateauAnnealing(0.5, 3, first_epoch=0) for _ in range(2))
    follow(schedule, optimizer, [0.5, 0.1, 0.1])
    Checkpointer(tmp_path, {"lr_annealing": schedule}).save_checkpoint()
    Checkpointer(tmp_path, {"lr_annealing": again}).recover_if_possible()
    assert follow(again, optimizer, [0.1, 0.1], first=4) == [0.1, 0.05]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factor": 1.0}, "factor must be above 0 and below 1, got 1.0"),
        ({"factor": "half"}, "factor must be above 0 and below 1, got 'half'"),
        ({"patience": -1}, "patience must be a whole number from 0, got -1"),
        ({"first_epoch": 1.5}, "first_epoch must be a whole number from 0, got 1.5"),
    ],
)
def test_plateau_settings_are_checked(settings, message):
    """The error names the setting."""
    with pytest.raises(InputError, match=message):
        PlateauAnnealing(**settings)
