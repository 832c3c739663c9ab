"""How good a classifier is on samples that training never saw."""

import math
from typing import Any

import numpy as np

# The 97.5 % quantile of the standard normal distribution.
Z_95 = 1.959963984540054


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).

    successes: 0 to trials; trials: 1 or more; z: the normal quantile, by default that of 95 %
    confidence. Returns the lower and the upper bound, both within 0..1. Unlike
    p +- z * sqrt(p(1-p)/n) it keeps its confidence where the proportion is near 1, as here.
    Raises ValueError out of range.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"got {successes} successes in {trials} trials, expected 0 to n in n >= 1")
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts: element [i, j] is how many samples of class i were predicted as class j.

    labels, predictions: int [n], 0..classes-1. Returns int64 [classes, classes].
    """
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def report(confusion: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """The figures of a confusion matrix (int [classes, classes]), ready for JSON.

    accuracy: the share of right predictions, 0..1, with its 95 % interval; recall of a class: the
    share of its samples that were recognised; precision: the share of the predictions of the class
    that were right (null when it was never predicted).
    """
    right = np.diag(confusion)
    samples = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    total = int(samples.sum())
    low, high = wilson_interval(int(right.sum()), total)
    return {
        "accuracy": round(int(right.sum()) / total, 6),
        "accuracy_interval_95": [round(low, 6), round(high, 6)],
        "correct": int(right.sum()),
        "samples": total,
        "per_class": {
            name: {
                "samples": int(samples[i]),
                "recall": _ratio(right[i], samples[i]),
                "precision": _ratio(right[i], predicted[i]),
            }
            for i, name in enumerate(names)
        },
        "confusion_matrix": confusion.tolist(),
    }


def _ratio(part: int, whole: int) -> float | None:
    return round(int(part) / int(whole), 6) if whole else None
