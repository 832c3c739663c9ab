"""Trains a model on images and writes it as a version of a model repository; see --help."""

import hashlib
import signal
import sys
from dataclasses import asdict

from typing import TYPE_CHECKING

from options import Options, parse

if TYPE_CHECKING:
    from data import Dataset

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
    import export
    import samples
    import score
    from failure import TrainingFailed
    from fit import fit
    from model import Servable

    dataset = load(options)
    artifact.check_same_model(options.output, dataset.classes)
    held_out, classes = dataset.held_out, dataset.classes
    print(f"{len(dataset.training)} images to train on, {len(held_out)} held out", flush=True)
    fitted = fit(dataset.training, len(classes), options)

    servable = Servable(fitted.normalise, fitted.network)
    example = torch.from_numpy(held_out.images[:1])
    model = export.export(servable, example, options.output.name, dataset.description)
    difference = export.check_parity(servable, model, held_out.images[:PARITY_SAMPLES])

    # Scored as it will be served: the exported file on ONNX Runtime, not the network in torch.
    probabilities = export.predict(model, held_out.images)
    confusion = score.confusion_matrix(
        held_out.labels, probabilities.argmax(axis=1), len(classes)
    )
    figures = score.report(confusion, classes)
    low, high = figures["accuracy_interval_95"]
    if figures["accuracy"] < options.min_accuracy:
        raise TrainingFailed(
            f"the accuracy on the held-out images is {figures['accuracy']:.4f} "
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
            if name not in ("data", "output", "version", "min_accuracy")
        },
        "min_accuracy": options.min_accuracy,
        "largest_difference_torch_onnx": float(f"{difference:.2g}"),
        "data": {
            **dataset.source,
            "training_samples": len(dataset.training),
            "held_out_samples": len(held_out),
            "sha256": dataset.sha256,
        },
        "versions": versions(),
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    folder = str(options.version)
    files = {
        "config.pbtxt": artifact.config_pbtxt(
            options.output.name, held_out.images.shape[1:], len(classes)
        ),
        "labels.txt": artifact.labels_txt(classes),
        **samples.pick(model, dataset),
        f"{folder}/metrics.json": artifact.metrics_json(metrics),
        f"{folder}/model.onnx": model,
    }
    contents = {
        path: file if isinstance(file, bytes) else file.encode() for path, file in files.items()
    }
    artifact.publish(contents, options.output)
    print(f"written: {options.output / folder / 'model.onnx'} ({len(model):,} bytes)")


def load(options: Options) -> "Dataset":
    """The images of --data, or the digits; raises TrainingFailed."""
    if options.data is None:
        import digits

        return digits.load(options.side)
    import folder

    return folder.load(options.data, options.side, options.max_bad_share)


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
