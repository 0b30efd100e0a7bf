"""The validation of the metrics passes, and finds errors."""

import pytest

from tests.reference import metric_orders
from tests.reference.metric_orders import (
    AT_FRACTION,
    ENERGY_FRACTION,
    INVERTED,
    ONES,
    ORACLE,
    POINTING,
    RANDOM,
    SI_SDRI,
    check,
    run,
)


@pytest.fixture(scope="module")
def frame():
    """Scores of all maps in both masking domains."""
    return run()


def test_metrics_follow_theory(frame):
    """No violation in either domain."""
    assert check(frame) == []
    assert set(frame.domain) == {"mel", "stft"}
    assert len(frame) == 2 * 5 * 2 * metric_orders.MIXTURES


@pytest.mark.parametrize("metric", [SI_SDRI, ENERGY_FRACTION, AT_FRACTION])
def test_inverted_metric_is_found(frame, metric):
    """A negated metric violates the order in both domains."""
    violations = check(frame.assign(**{metric: -frame[metric]}))
    for domain in ("mel", "stft"):
        assert f"{domain}: the oracle is not the best map by {metric}" in violations
        assert f"{domain}: the inverted oracle is not the worst map by {metric}" in violations


def test_inverted_pointing_game_is_found(frame):
    """Both the oracle and its inverse are reported."""
    violations = check(frame.assign(**{POINTING: 1 - frame[POINTING]}))
    assert "mel: the oracle does not point at the source" in violations
    assert "mel: the inverted oracle points at the source" in violations


@pytest.mark.parametrize(
    "name, metric, shift, finding",
    [
        (ONES, SI_SDRI, 0.1, "a full mask changes SI-SDR"),
        (
            ONES,
            ENERGY_FRACTION,
            0.01,
            "a full mask does not have the energy fraction of the mixture",
        ),
        (
            RANDOM,
            ENERGY_FRACTION,
            0.1,
            f"a random mask and a full mask differ in {ENERGY_FRACTION}",
        ),
        (RANDOM, AT_FRACTION, 0.1, f"a random mask and a full mask differ in {AT_FRACTION}"),
        (
            ORACLE,
            ENERGY_FRACTION,
            float("nan"),
            f"the oracle is not the best map by {ENERGY_FRACTION}",
        ),
        (INVERTED, SI_SDRI, float("nan"), f"the inverted oracle is not the worst map by {SI_SDRI}"),
    ],
)
def test_shifted_value_is_found(frame, name, metric, shift, finding):
    """Each identity reports its own violation."""
    off = frame.copy()
    off.loc[off["map"] == name, metric] += shift
    assert check(off) == [f"mel: {finding}", f"stft: {finding}"]


def test_command_exits_with_its_status(capsys):
    """Exit status 0 and the table."""
    with pytest.raises(SystemExit) as ended:
        metric_orders.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "all metrics follow theory" in printed and INVERTED in printed
