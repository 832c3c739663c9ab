"""k folds: apart, all of them together everything, and what they say."""

import json
import statistics
from pathlib import Path

import digits
import numpy as np
import pytest
from test_train import run


def test_folds_are_apart_and_spread_every_class() -> None:
    part = digits.load().training
    seen: list[bytes] = []
    for training, fold in part.folds(5):
        images = [image.tobytes() for image in fold.images]
        assert not set(images) & {image.tobytes() for image in training.images}
        assert len(training) + len(fold) == len(part)
        shares = np.bincount(fold.labels) / np.bincount(part.labels)
        np.testing.assert_allclose(shares, 0.2, atol=0.01)
        seen += images
    assert sorted(seen) == sorted(image.tobytes() for image in part.images)


def test_a_run(tmp_path: Path) -> None:
    result = run("--output", tmp_path / "digits", "--folds", 3, "--epochs", 5, "--min-accuracy", 0.8)
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "digits" / "1" / "metrics.json").read_text())
    found = metrics["cross_validation"]
    accuracies = found["accuracy_per_fold"]
    assert len(accuracies) == found["folds"] == 3 and min(accuracies) > 0.8
    assert found["accuracy_mean"] == pytest.approx(statistics.mean(accuracies), abs=1e-5)
    assert found["accuracy_standard_deviation"] == pytest.approx(statistics.stdev(accuracies), abs=1e-5)
    for number, accuracy in enumerate(accuracies, start=1):
        assert f"fold {number}/3 fold_accuracy={accuracy:.4f}\n" in result.stdout
    page = (tmp_path / "digits" / "1" / "report.html").read_text()
    assert "3 folds of the training images: mean accuracy" in page
