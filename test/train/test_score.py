"""The figures of a run."""

import numpy as np
import pytest
import score


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
        # Medicine 17, 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert score.wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)
    mirrored = score.wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_interval_refuses_what_is_no_proportion(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"got {successes} successes in {trials} trials"):
        score.wilson_interval(successes, trials)


def test_report() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    predictions = np.array([0, 0, 1, 1, 1, 0])
    confusion = score.confusion_matrix(labels, predictions, 3)
    figures = score.report(confusion, ("a", "b", "c"))
    assert figures["confusion_matrix"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert (figures["correct"], figures["samples"], figures["accuracy"]) == (4, 6, 0.666667)
    assert figures["per_class"] == {
        "a": {"samples": 3, "recall": 0.666667, "precision": 0.666667},
        "b": {"samples": 2, "recall": 1.0, "precision": 0.666667},
        "c": {"samples": 1, "recall": 0.0, "precision": None},
    }
