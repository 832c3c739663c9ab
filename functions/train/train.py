"""Trains the digits model and writes it as a version of a model repository; see --help.

Data: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (UCI Machine Learning
Repository, 1998, licence CC BY 4.0), the 1,797 scans that scikit-learn ships; see data.py.
"""

import hashlib
import sys
from dataclasses import asdict
from typing import Any

from options import Options, parse

DESCRIPTION = "Handwritten digits: pixels 0..1 (0 paper, 1 ink) to the probability of each digit."
PARITY_SAMPLES = 64
SAMPLES = {"zero": 0, "two": 2, "three": 3, "five": 5, "seven": 7}
REQUEST_DIGIT = 7


def main(arguments: list[str]) -> int:
    """Runs the program; returns 0 when the version is written, 1 when not; a wrong option exits with 2."""
    options = parse(arguments)
    # After the options, so that --help and mistakes need not wait two seconds for torch.
    from failure import TrainingFailed

    try:
        train(options)
    except TrainingFailed as failure:
        print(f"train.py: {failure}; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"train.py: can't write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train.py: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def train(options: Options) -> None:
    """Trains, exports, checks and publishes one version; raises TrainingFailed or OSError."""
    import numpy as np
    import torch

    import artifact
    import data
    import export
    import score
    from failure import TrainingFailed
    from fit import fit
    from model import Servable

    artifact.check_same_model(options.output, data.CLASSES)
    digits = data.load()
    held_out = digits.held_out
    print(f"{len(digits.training)} digits to train on, {len(held_out)} held out", flush=True)
    normalise, network, losses = fit(digits.training, len(data.CLASSES), options)

    servable = Servable(normalise, network)
    example = torch.from_numpy(held_out.images[:1])
    model = export.export(servable, example, options.output.name, DESCRIPTION)
    difference = export.check_parity(servable, model, held_out.images[:PARITY_SAMPLES])

    # Scored as it will be served: the exported file on ONNX Runtime, not the network in torch.
    probabilities = export.predict(model, held_out.images)
    confusion = score.confusion_matrix(held_out.labels, probabilities.argmax(axis=1), len(data.CLASSES))
    figures = score.report(confusion, data.CLASSES)
    low, high = figures["accuracy_interval_95"]
    if figures["accuracy"] < options.min_accuracy:
        raise TrainingFailed(
            f"the accuracy on the held-out digits is {figures['accuracy']:.4f} ({figures['correct']} of "
            f"{figures['samples']}), expected at least {options.min_accuracy:g}"
        )
