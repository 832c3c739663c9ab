"""The command line: every option with its range. No heavy imports, so mistakes show at once."""

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import job

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_OUTPUT = REPOSITORY / "model-artifacts" / "digits"
OPTIMIZERS = ("sgd", "adamw")
LOSSES = ("cross-entropy", "mse")
SCHEDULES = ("constant", "cosine", "step")
DIGITS_MIN_ACCURACY = 0.97
MODEL_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

MODEL_NAME_RULE = (
    "1 to 128 of A-Z a-z 0-9 . _ -, a letter or digit first, without '..'"
)


@dataclass(frozen=True)
class Options:
    """What a run is asked to do; the ranges are those that `parse` lets through.

    data: a folder of images, or an NPZ; None: the digits.
    side: 16 to 512 pixels, of the network's input.
    max_bad_share: 0 to 1, of the files of `data`.
    output: the model folder.
    name: of the model; by itself the output's name.
    version: 1 to 999,999,999; None in a training job, whose output is one version without a number.
    checkpoints: the folder where a run that was ended goes on; None: none are made.
    network: a Python file with the user's own network; None: the ConvNet.
    folds: 0: none; 2 to 20, of a cross-validation before the training.
    epochs: 1 to 10,000 passes over the training part.
    batch_size: 1 to 65,536 samples per gradient step.
    learning_rate: above 0, to 10.
    momentum: 0 to 0.999, of SGD.
    nesterov: whether SGD looks ahead; needs a momentum.
    optimizer: one of OPTIMIZERS.
    loss: one of LOSSES.
    schedule: one of SCHEDULES, of the learning rate.
    step_epochs, step_factor: of the schedule `step`: 1 to 10,000, and above 0, to 1.
    weight_decay: 0 to 1, the L2 penalty's factor.
    l1: 0 to 1, the L1 penalty's factor.
    dropout: 0 to 0.9, the share of values that the classifier's layers lose in training.
    patience: 0 to 10,000 epochs without a smaller validation loss that end the training; 0: none.
    validation_share: above 0, to 0.5, of the training part, that is kept for that.
    shift: 0 to 16 pixels that training images are moved at most.
    flip: whether half of them are mirrored.
    rotation: 0 to 180 degrees that they are turned at most.
    width: 1 to 16, times the feature maps of the network.
    depth: 1 to 8 convolutions.
    seed: 0 to 2**32 - 1, of the first weights and the order of the samples.
    min_accuracy: 0 to 1, on the held-out part.
    """

    data: Path | None
    side: int
    max_bad_share: float
    output: Path
    name: str
    version: int | None
    checkpoints: Path | None
    network: Path | None
    folds: int
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    nesterov: bool
    optimizer: str
    loss: str
    schedule: str
    step_epochs: int
    step_factor: float
    weight_decay: float
    l1: float
    dropout: float
    patience: int
    validation_share: float
    shift: int
    flip: bool
    rotation: float
    width: int
    depth: int
    seed: int
    min_accuracy: float


def parse(arguments: list[str]) -> Options:
    """Reads the command line; a mistake is one sentence on stderr and exit code 2."""
    parser = _Parser(
        prog="train.py",
        description="Trains a convolutional network on images, checks it on a fifth of them that "
        "it never saw, and writes it as a version of a model in Triton's repository layout: "
        "config.pbtxt, labels.txt, samples to try it with, and in VERSION/ model.onnx, metrics.json, "
        "golden.json and report.html. Started by torchrun, several processes train it together.",
        epilog="Exit codes: 0 the version is written; 1 the run failed and nothing was written; "
        "2 an option is wrong; 130 or 143 it was told to end, and goes on with the same --checkpoints.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("--data", type=_data, default=job.channel(), metavar="DIR",
           help="images to train on: a folder <class>/<file>.png or .jpg, or an NPZ file with images and "
           "labels; without it handwritten digits")  # fmt: skip
    option("--side", type=_integer(16, 512), default=32, metavar="N",
           help="rows and columns that images are resampled to, 16 to 512")  # fmt: skip
    option("--max-bad-share", type=_number(0, 1), default=0.05, metavar="X",
           help="share of the files of --data that may be unreadable, doubled, in two classes or of "
           "another kind, 0 to 1; they are left out")  # fmt: skip
    option("--output", type=_model_folder, default=DEFAULT_OUTPUT, metavar="DIR",
           help="model folder; an existing one must be of this model, a version of the same number "
           "is replaced, and its config.pbtxt is kept")  # fmt: skip
    option("--name", type=_model_name, default=None, metavar="NAME",
           help="the model's name; without it that of the output folder")  # fmt: skip
    option("--version", type=_integer(1, 999_999_999), default=1, metavar="N",
           help="version to write, 1 to 999999999")  # fmt: skip
    option("--checkpoints", type=_new_folder, default=job.checkpoint_folder(), metavar="DIR",
           help="folder where each epoch leaves its state: a run that was ended goes on there")  # fmt: skip
    option("--network", type=_file, default=None, metavar="FILE",
           help="Python file with a class Network(classes, side), a torch.nn.Module of your own, in "
           "place of the convolutional network")  # fmt: skip
    option("--folds", type=_integer(0, 20), default=0, metavar="N",
           help="first train on all but one of so many parts of the training data, for each, and tell "
           "mean and spread of the accuracy there, 2 to 20; 0: do not")  # fmt: skip
    option("--epochs", type=_integer(1, 10_000), default=20, metavar="N",
           help="passes over the training part, 1 to 10000")  # fmt: skip
    option("--batch-size", type=_integer(1, 65_536), default=32, metavar="N",
           help="samples per gradient step, 1 to 65536")  # fmt: skip
    option("--learning-rate", type=_number(0, 10, above_low=True), default=0.02, metavar="X",
           help="length of a gradient step, above 0, to 10")  # fmt: skip
    option("--momentum", type=_number(0, 0.999), default=0.9, metavar="X",
           help="share of the last step that is kept in the next one, 0 to 0.999")  # fmt: skip
    option("--nesterov", type=_flag, default=False, metavar="true|false",
           help="the gradient is taken where the momentum leads to; with sgd and a momentum")  # fmt: skip
    option("--optimizer", type=_one_of(OPTIMIZERS), default="sgd", metavar="NAME",
           help=f"rule of a step: {' or '.join(OPTIMIZERS)}")  # fmt: skip
    option("--loss", type=_one_of(LOSSES), default="cross-entropy", metavar="NAME",
           help=f"what is made small: {' or '.join(LOSSES)} (mean squared error)")  # fmt: skip
    option("--schedule", type=_one_of(SCHEDULES), default="cosine", metavar="NAME",
           help=f"learning rate over the run: {', '.join(SCHEDULES)}")  # fmt: skip
    option("--step-epochs", type=_integer(1, 10_000), default=10, metavar="N",
           help="epochs between two steps of the schedule 'step', 1 to 10000")  # fmt: skip
    option("--step-factor", type=_number(0, 1, above_low=True), default=0.1, metavar="X",
           help="factor of each step of the schedule 'step', above 0, to 1")  # fmt: skip
    option("--weight-decay", type=_number(0, 1), default=5e-4, metavar="X",
           help="factor of the L2 penalty on the weights, 0 to 1")  # fmt: skip
    option("--l1", type=_number(0, 1), default=0.0, metavar="X",
           help="factor of the L1 penalty on the weights, 0 to 1")  # fmt: skip
    option("--dropout", type=_number(0, 0.9), default=0.0, metavar="X",
           help="share of the classifier's values that are left out in training, 0 to 0.9")  # fmt: skip
    option("--patience", type=_integer(0, 10_000), default=0, metavar="N",
           help="epochs without a smaller loss on the validation part after which the training "
           "ends, with the best weights; 0: never")  # fmt: skip
    option("--validation-share", type=_number(0, 0.5, above_low=True), default=0.1, metavar="X",
           help="part of the training data that is kept for --patience, above 0, to 0.5")  # fmt: skip
    option("--shift", type=_integer(0, 16), default=2, metavar="N",
           help="pixels that training images are moved at random, at most, 0 to 16")  # fmt: skip
    option("--flip", type=_flag, default=False, metavar="true|false",
           help="half of the training images are mirrored, left to right")  # fmt: skip
    option("--rotation", type=_number(0, 180), default=0.0, metavar="X",
           help="degrees that training images are turned at random, at most, 0 to 180")  # fmt: skip
    option("--width", type=_integer(1, 16), default=1, metavar="N",
           help="times as many feature maps, 1 to 16")  # fmt: skip
    option("--depth", type=_integer(1, 8), default=2, metavar="N",
           help="convolutions of the network, 1 to 8")  # fmt: skip
    option("--seed", type=_integer(0, 2**32 - 1), default=0, metavar="N",
           help="seed of the first weights and the samples' order, 0 to 4294967295")  # fmt: skip
    option("--min-accuracy", type=_number(0, 1), default=None, metavar="X",
           help="accuracy on the held-out part below which the run fails, 0 to 1; without it "
           f"{DIGITS_MIN_ACCURACY} of the digits, and 0 of other images")  # fmt: skip
    found, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"got '{unknown[0]}', expected options as --help lists them")
    if found.nesterov and (found.optimizer != "sgd" or found.momentum == 0):
        parser.error("--nesterov: got 'true', expected false without sgd and a --momentum")
    if found.folds == 1:
        parser.error("--folds: got '1', expected 0 or 2 to 20")
    if found.min_accuracy is None:
        found.min_accuracy = DIGITS_MIN_ACCURACY if found.data is None else 0.0
    if (folder := job.model_folder()) is not None:
        found.output, found.version = folder, None
    found.name = found.name or found.output.name
    return Options(**vars(found))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text above it."""

    def error(self, message: str) -> NoReturn:
        sentence = message.removeprefix("argument ")
        job.report_failure(sentence)
        self.exit(2, f"{self.prog}: {sentence}\n")


def _one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"got '{text}', expected {' or '.join(names)}")
        return text

    return read


def _flag(text: str) -> bool:
    # SageMaker's toolkit reads a hyper-parameter as JSON, and writes it as Python does: True.
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"got '{text}', expected true or false")
    return text.lower() == "true"


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"got '{text}', expected an integer from {low} to {high}"
            )
        return int(text)

    return read


def _number(low: float, high: float, above_low: bool = False) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value if above_low else low <= value) or value > high:
            bounds = (
                f"above {low:g}, at most {high:g}" if above_low else f"from {low:g} to {high:g}"
            )
            raise argparse.ArgumentTypeError(f"got '{text}', expected a number {bounds}")
        return value

    return read


def _data(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_dir() and not (path.suffix == ".npz" and path.is_file()):
        raise argparse.ArgumentTypeError(
            f"got '{text}', expected a folder that exists, or an .npz file"
        )
    return path


def _file(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"got '{text}', expected a file that exists")
    return path


def _new_folder(text: str) -> Path:
    path = Path(text).absolute()
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"got '{text}', which is a file, expected a folder")
    return path


def _model_name(text: str) -> str:
    if not MODEL_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"got '{text}', expected {MODEL_NAME_RULE}")
    return text


def _model_folder(text: str) -> Path:
    path = _new_folder(text)
    if not MODEL_NAME.fullmatch(path.name):
        raise argparse.ArgumentTypeError(
            f"got '{text}', expected a folder whose name is a model name: {MODEL_NAME_RULE}"
        )
    return path
