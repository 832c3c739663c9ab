"""How good the options are, apart from the luck of one split: k-fold cross-validation."""

import statistics
from collections.abc import Callable
from typing import Any

from data import Part
from fit import Fitted, validate
from distributed import Group
from losses import LOSSES
from options import Options


def cross_validate(
    part: Part,
    options: Options,
    group: Group,
    fit_fold: Callable[[Part, int], Fitted],
) -> dict[str, Any]:
    """Trains on all folds but one, for each, and looks at that one.

    fit_fold: trains on a part; its second argument is the fold's number, from 1. Returns the share
    of right predictions on each fold, their mean, and their standard deviation (n - 1).
    """
    accuracies: list[float] = []
    for number, (training, fold) in enumerate(part.folds(options.folds), start=1):
        fitted = fit_fold(training, number)
        network = fitted.network.to(group.device)
        _, accuracy = validate(network, fitted.normalise, fold, LOSSES[options.loss], group)
        accuracies.append(accuracy)
        if group.is_first:
            print(f"fold {number}/{options.folds} fold_accuracy={accuracy:.4f}", flush=True)
    return {
        "folds": options.folds,
        "accuracy_per_fold": [round(accuracy, 6) for accuracy in accuracies],
        "accuracy_mean": round(statistics.mean(accuracies), 6),
        "accuracy_standard_deviation": round(statistics.stdev(accuracies), 6),
    }
