"""Trains the digits model and writes it as a version of a model repository; see --help.

Data: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (UCI Machine Learning
Repository, 1998, licence CC BY 4.0), the 1,797 scans that scikit-learn ships; see data.py.
"""

import hashlib
import signal
import sys
from dataclasses import asdict

from options import Options, parse

DESCRIPTION = "Handwritten digits: pixels 0..1 (0 paper, 1 ink) to the probability of each digit."
PARITY_SAMPLES = 64


def main(arguments: list[str]) -> int:
    """Runs the program; returns 0 when the version is written, 1 when not; wrong options exit 2."""
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
    import torch

    import artifact
    import data
    import export
    import samples
    import score
    from failure import TrainingFailed
    from fit import fit
    from model import Servable

    artifact.check_same_model(options.output, data.CLASSES)
    digits = data.load()
    held_out = digits.held_out
    print(f"{len(digits.training)} digits to train on, {len(held_out)} held out", flush=True)
    fitted = fit(digits.training, len(data.CLASSES), options)

    servable = Servable(fitted.normalise, fitted.network)
    example = torch.from_numpy(held_out.images[:1])
    model = export.export(servable, example, options.output.name, DESCRIPTION)
    difference = export.check_parity(servable, model, held_out.images[:PARITY_SAMPLES])

    # Scored as it will be served: the exported file on ONNX Runtime, not the network in torch.
    probabilities = export.predict(model, held_out.images)
    confusion = score.confusion_matrix(
        held_out.labels, probabilities.argmax(axis=1), len(data.CLASSES)
    )
    figures = score.report(confusion, data.CLASSES)
    low, high = figures["accuracy_interval_95"]
    if figures["accuracy"] < options.min_accuracy:
        raise TrainingFailed(
            f"the accuracy on the held-out digits is {figures['accuracy']:.4f} "
            f"({figures['correct']} of {figures['samples']}), expected at least "
            f"{options.min_accuracy:g}"
        )

    print(
        f"held-out accuracy {figures['accuracy']:.4f}, 95 % interval {low:.4f} to {high:.4f}",
        flush=True,
    )
    metrics = {
        "model": options.output.name,
        "version": options.version,
        **figures,
        "loss_per_epoch": [round(loss, 6) for loss in fitted.losses],
        "validation_loss_per_epoch": [round(loss, 6) for loss in fitted.validation_losses],
        "hyper_parameters": {
            name: value
            for name, value in asdict(options).items()
            if name not in ("output", "version", "min_accuracy")
        },
        "min_accuracy": options.min_accuracy,
        "largest_difference_torch_onnx": float(f"{difference:.2g}"),
        "data": {
            **data.SOURCE,
            "training_samples": len(digits.training),
            "held_out_samples": len(held_out),
            "sha256": digits.sha256,
        },
        "versions": versions(),
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    folder = str(options.version)
    files = {
        "config.pbtxt": artifact.config_pbtxt(
            options.output.name, held_out.images.shape[1:], len(data.CLASSES)
        ),
        "labels.txt": artifact.labels_txt(data.CLASSES),
        **samples.pick(model, held_out),
        f"{folder}/metrics.json": artifact.metrics_json(metrics),
        f"{folder}/model.onnx": model,
    }
    contents = {
        path: file if isinstance(file, bytes) else file.encode() for path, file in files.items()
    }
    artifact.publish(contents, options.output)
    print(f"written: {options.output / folder / 'model.onnx'} ({len(model):,} bytes)")


def versions() -> dict[str, str]:
    """What the result depends on besides the options; no paths, hosts or times."""
    from importlib.metadata import version

    packages = ("numpy", "onnx", "onnxruntime", "scikit-learn", "torch")
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        **{name: version(name) for name in packages},
    }


def stop(_number: int, _frame: object) -> None:
    """Ends the run as Ctrl+C does, once: a terminal and a parent process may both signal."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main(sys.argv[1:]))
