"""The command line: every option with its range. No heavy imports, so mistakes show at once."""

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_OUTPUT = REPOSITORY / "model-artifacts" / "digits"
MODEL_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Options:
    """What a run is asked to do; the ranges are those that `parse` lets through.

    output: the model folder; its name is the model's name.
    version: 1 to 999,999,999.
    epochs: 1 to 10,000 passes over the training part.
    batch_size: 1 to 65,536 samples per gradient step.
    learning_rate: above 0, to 10.
    momentum: 0 to 0.999.
    weight_decay: 0 to 1, the L2 penalty's factor.
    seed: 0 to 2**32 - 1, of the first weights and the order of the samples.
    min_accuracy: 0 to 1, on the held-out part.
    """

    output: Path
    version: int
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    seed: int
    min_accuracy: float


def parse(arguments: list[str]) -> Options:
    """Reads the command line; a mistake is one sentence on stderr and exit code 2."""
    parser = _Parser(
        prog="train.py",
        description="Trains a convolutional network on handwritten digits, checks it on digits "
        "that it never saw, and writes it as a version of a model in Triton's repository layout: "
        "config.pbtxt, labels.txt, VERSION/model.onnx, VERSION/metrics.json, and samples to try it "
        "with.",
        epilog="Exit codes: 0 the version is written; 1 the run failed and nothing was written; "
        "2 an option is wrong.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("--output", type=_model_folder, default=DEFAULT_OUTPUT, metavar="DIR",
           help="model folder; an existing one must be of this model, a version of the same number "
           "is replaced, and its config.pbtxt is kept")  # fmt: skip
    option("--version", type=_integer(1, 999_999_999), default=1, metavar="N",
           help="version to write, 1 to 999999999")  # fmt: skip
    option("--epochs", type=_integer(1, 10_000), default=20, metavar="N",
           help="passes over the training part, 1 to 10000")  # fmt: skip
    option("--batch-size", type=_integer(1, 65_536), default=32, metavar="N",
           help="samples per gradient step, 1 to 65536")  # fmt: skip
    option("--learning-rate", type=_number(0, 10, above_low=True), default=0.02, metavar="X",
           help="length of a gradient step, above 0, to 10")  # fmt: skip
    option("--momentum", type=_number(0, 0.999), default=0.9, metavar="X",
           help="share of the last step that is kept in the next one, 0 to 0.999")  # fmt: skip
    option("--weight-decay", type=_number(0, 1), default=5e-4, metavar="X",
           help="factor of the L2 penalty on the weights, 0 to 1")  # fmt: skip
    option("--seed", type=_integer(0, 2**32 - 1), default=0, metavar="N",
           help="seed of the first weights and the samples' order, 0 to 4294967295")  # fmt: skip
    option("--min-accuracy", type=_number(0, 1), default=0.97, metavar="X",
           help="accuracy on the held-out part below which the run fails, 0 to 1")  # fmt: skip
    found, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"got '{unknown[0]}', expected options as --help lists them")
    return Options(**vars(found))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}\n")


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


def _model_folder(text: str) -> Path:
    path = Path(text).absolute()
    if not MODEL_NAME.fullmatch(path.name):
        raise argparse.ArgumentTypeError(
            f"got '{text}', expected a folder whose name is a model name: 1 to 128 of "
            "A-Z a-z 0-9 . _ -, a letter or digit first, without '..'"
        )
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"got '{text}', which is a file, expected a folder")
    return path
