"""Regularisers do what they claim, on so few digits that a network learns them by heart."""

import data
import digits
import numpy as np
import pytest
import torch
from fit import Best, Fitted, fit, validate
from losses import cross_entropy
from options import parse
from torch import nn

FEW = ["--epochs=60", "--batch-size=16", "--learning-rate=0.02"]


@pytest.fixture(scope="module")
def scans() -> data.Dataset:
    return digits.load()


@pytest.fixture(scope="module")
def few(scans: data.Dataset) -> data.Part:
    return data.Part(scans.training.images[:60], scans.training.labels[:60])


@pytest.fixture(scope="module")
def plain(few: data.Part) -> Fitted:
    return train(few, "--weight-decay=0")


def train(part: data.Part, *arguments: str) -> Fitted:
    return fit(part, 10, parse([*FEW, *arguments]))


def weights(fitted: Fitted) -> torch.Tensor:
    matrices = [parameter for parameter in fitted.network.parameters() if parameter.dim() > 1]
    return torch.cat([matrix.detach().flatten() for matrix in matrices])


def test_without_regularisation_the_few_are_learnt_by_heart(plain: Fitted) -> None:
    assert plain.losses[-1] < 0.1
    assert plain.validation_losses == []


def test_l2_makes_the_weights_smaller(few: data.Part, plain: Fitted) -> None:
    decayed = train(few, "--weight-decay=0.02")
    assert weights(decayed).norm() < 0.9 * weights(plain).norm()


def test_l1_makes_many_weights_vanish(few: data.Part, plain: Fitted) -> None:
    sparse = train(few, "--weight-decay=0", "--l1=0.001")
    small = [(weights(fitted).abs() < 1e-3).float().mean().item() for fitted in (plain, sparse)]
    assert small[0] < 0.05 and small[1] > 0.2
    assert weights(sparse).abs().sum() < 0.7 * weights(plain).abs().sum()


def test_dropout_makes_the_few_harder_to_learn(few: data.Part, plain: Fitted) -> None:
    dropped = train(few, "--weight-decay=0", "--dropout=0.5")
    assert min(dropped.losses) > 2 * min(plain.losses)
    # Served, nothing is left out: the same input has the same output.
    images = dropped.normalise(torch.from_numpy(few.images[:4]))
    with torch.no_grad():
        torch.testing.assert_close(dropped.network(images), dropped.network(images))


def test_early_stopping_ends_the_run_and_keeps_the_best_weights(scans: data.Dataset) -> None:
    part = data.Part(scans.training.images[:200], scans.training.labels[:200])
    options = ["--epochs=200", "--learning-rate=0.05", "--patience=3", "--validation-share=0.3"]
    stopped = train(part, *options)
    losses = stopped.validation_losses
    assert len(losses) == len(stopped.losses) < 200
    assert int(np.argmin(losses)) == len(losses) - 4
    _, validation = part.split(0.3)
    loss, _ = validate(stopped.network, stopped.normalise, validation, cross_entropy)
    assert loss == pytest.approx(min(losses), rel=1e-5)


def test_the_parts_for_training_and_validation_are_apart(scans: data.Dataset) -> None:
    training, validation = scans.training.split(0.25)
    assert len(training) + len(validation) == len(scans.training)
    seen = {image.tobytes() for image in training.images}
    assert not [image for image in validation.images if image.tobytes() in seen]
    shares = np.bincount(validation.labels) / np.bincount(scans.training.labels)
    np.testing.assert_allclose(shares, 0.25, atol=0.01)


def test_best_notes_the_smallest_loss() -> None:
    network = nn.Linear(1, 1)
    best = Best(patience=2)
    for loss, is_over in [(3.0, False), (1.0, False), (2.0, False), (1.5, True)]:
        network.weight.data.fill_(loss)
        best.note(loss, 0.5, network)
        assert best.is_over == is_over
    best.restore(network)
    assert network.weight.item() == 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--loss=mse", "--learning-rate=0.2"],
        ["--optimizer=adamw", "--learning-rate=0.002"],
        ["--nesterov=true"],
        ["--width=2", "--depth=3"],
        ["--depth=1"],
    ],
)
def test_every_choice_learns(few: data.Part, arguments: list[str]) -> None:
    fitted = train(few, *arguments)
    assert fitted.losses[-1] < 0.5 * fitted.losses[0]
    with torch.no_grad():
        logits = fitted.network(fitted.normalise(torch.from_numpy(few.images)))
    assert (logits.argmax(dim=1).numpy() == few.labels).mean() > 0.8
