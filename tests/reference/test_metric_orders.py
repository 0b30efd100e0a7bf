"""The shipped self-test: it passes, and would notice."""

import pytest

from tests.reference import metric_orders
from tests.reference.metric_orders import (
    AT_BUDGET,
    INVERTED,
    ONES,
    ORACLE,
    POINTING,
    RANDOM,
    SHARE,
    SI_SDRI,
    check,
    run,
)


@pytest.fixture(scope="module")
def frame():
    return run()


def test_metrics_are_as_theory_says(frame):
    assert check(frame) == []
    assert set(frame.domain) == {"mel", "stft"}
    assert len(frame) == 2 * 5 * 2 * metric_orders.MIXTURES


@pytest.mark.parametrize("metric", [SI_SDRI, SHARE, AT_BUDGET])
def test_a_metric_that_is_upside_down_is_found(frame, metric):
    violations = check(frame.assign(**{metric: -frame[metric]}))
    for domain in ("mel", "stft"):
        assert f"{domain}: the oracle is not the best map by {metric}" in violations
        assert f"{domain}: the inverted oracle is not the worst map by {metric}" in violations


def test_pointing_beside_the_source_is_found(frame):
    violations = check(frame.assign(**{POINTING: 1 - frame[POINTING]}))
    assert "mel: the oracle points beside the source" in violations
    assert "mel: the inverted oracle points at the source" in violations


@pytest.mark.parametrize(
    "name, metric, shift, finding",
    [
        (ONES, SI_SDRI, 0.1, "a mask of ones improves SI-SDR, or spoils it"),
        (ONES, SHARE, 0.01, "a mask of ones does not have the stem's share of energy"),
        (RANDOM, SHARE, 0.1, f"a random mask and one of ones differ in {SHARE}"),
        (RANDOM, AT_BUDGET, 0.1, f"a random mask and one of ones differ in {AT_BUDGET}"),
        (ORACLE, SHARE, float("nan"), f"the oracle is not the best map by {SHARE}"),
        (INVERTED, SI_SDRI, float("nan"), f"the inverted oracle is not the worst map by {SI_SDRI}"),
    ],
)
def test_a_value_that_is_off_is_found(frame, name, metric, shift, finding):
    off = frame.copy()
    off.loc[off["map"] == name, metric] += shift
    assert check(off) == [f"mel: {finding}", f"stft: {finding}"]


def test_the_command_says_so_by_its_status(capsys):
    with pytest.raises(SystemExit) as ended:
        metric_orders.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "all metrics are as theory says" in printed and INVERTED in printed
