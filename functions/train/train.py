"""Trains a model on images and writes it as a version of a model repository; see --help."""

import hashlib
import sys
from dataclasses import asdict

from typing import TYPE_CHECKING

import job
from interrupt import Interrupt, Interrupted
from options import Options, parse

if TYPE_CHECKING:
    from data import Dataset
    from distributed import Group
    from fit import Fitted

PARITY_SAMPLES = 64
# They say where a run reads and writes, and nothing about its result.
PLACES = ("data", "output", "name", "version", "checkpoints", "network", "min_accuracy")


def main(arguments: list[str]) -> int:
    """Runs the program; returns 0 when the version is written, 1 when not; wrong options exit 2."""
    interrupt = Interrupt()
    # After the options, so that --help and mistakes need not wait two seconds for torch.
    try:
        options = parse(arguments)
        from failure import TrainingFailed

        try:
            with_torch(options, interrupt)
        except TrainingFailed as failure:
            return fail(f"{failure}; nothing was written")
        except OSError as error:
            place = "" if error.filename is None else f" {error.filename}"
            return fail(f"can't write{place}: {error.strerror or error}")
    except Interrupted as end:
        rest = f"in {end.at}; the same command goes on there" if end.at else "nothing was written"
        print(f"train.py: interrupted; {rest}", file=sys.stderr)
        return 128 + end.number
    return 0


def fail(sentence: str) -> int:
    """Tells whoever started the run, and SageMaker, why it failed."""
    print(f"train.py: {sentence}", file=sys.stderr)
    job.report_failure(sentence)
    return 1


def with_torch(options: Options, interrupt: Interrupt) -> None:
    """Trains with all processes of the group; the first one writes. Raises TrainingFailed or OSError."""
    from distributed import joined

    with joined() as group:
        train(options, load(options), group, interrupt)


def train(options: Options, dataset: "Dataset", group: "Group", interrupt: Interrupt) -> None:
    """Trains one version and, in the first process, writes it; raises TrainingFailed or OSError."""
    import artifact
    import provenance
    from checkpoint import Checkpoint
    from cross_validation import cross_validate
    from data import Part
    from fit import fit

    classes = dataset.classes
    if options.version is not None:
        artifact.check_same_model(options.output, classes)
    if group.is_first:
        sizes = f"{len(dataset.training)} images to train on, {len(dataset.held_out)} held out"
        print(f"{sizes}, {len(classes)} classes", flush=True)
    code = provenance.code_sha256(options.network)

    def fit_part(part: Part, fold: int = 0) -> "Fitted":
        """Fold 0: all of the training part."""
        checkpoint = None
        if options.checkpoints is not None:
            identity = f"{settings(options)} {dataset.sha256} {code} {fold} {group.size}"
            checkpoint = Checkpoint(options.checkpoints / f"fold-{fold}.pt", identity)
        title = f"fold {fold}/{options.folds} " if fold > 0 else ""
        return fit(part, len(classes), options, group, checkpoint, interrupt, title)

    cross_validation = (
        cross_validate(dataset.training, options, group, fit_part) if options.folds > 0 else None
    )
    fitted = fit_part(dataset.training)
    if group.is_first:
        write(options, dataset, fitted, {"cross_validation": cross_validation, "code_sha256": code})


def write(options: Options, dataset: "Dataset", fitted: "Fitted", facts: dict[str, object]) -> None:
    """Exports, checks and publishes what was trained; raises TrainingFailed or OSError."""
    import torch

    import artifact
    import export
    import provenance
    import report
    import samples
    import score
    from failure import TrainingFailed
    from model import Servable

    held_out, classes = dataset.held_out, dataset.classes
    servable = Servable(fitted.normalise, fitted.network)
    example = torch.from_numpy(held_out.images[:1])
    model = export.export(servable, example, options.name, dataset.description)
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
        f"held_out_accuracy={figures['accuracy']:.4f}, 95 % interval {low:.4f} to {high:.4f}",
        flush=True,
    )
    metrics = {
        "model": options.name,
        **({} if options.version is None else {"version": options.version}),
        **figures,
        "loss_per_epoch": rounded(fitted.losses),
        "validation_loss_per_epoch": rounded(fitted.validation_losses),
        "validation_accuracy_per_epoch": rounded(fitted.validation_accuracies),
        **{name: fact for name, fact in facts.items() if fact is not None},
        "hyper_parameters": settings(options),
        "min_accuracy": options.min_accuracy,
        "largest_difference_torch_onnx": float(f"{difference:.2g}"),
        "data": {
            **dataset.source,
            "training_samples": len(dataset.training),
            "held_out_samples": len(held_out),
            "sha256": dataset.sha256,
        },
        "versions": provenance.versions(),
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    picked = samples.pick(model, dataset)
    version = "" if options.version is None else f"{options.version}/"
    files = {
        "config.pbtxt": artifact.config_pbtxt(
            options.name, held_out.images.shape[1:], len(classes), dataset.scan_side
        ),
        "labels.txt": artifact.labels_txt(classes),
        **{path: file for path, file in picked.items() if path.startswith("samples/")},
        f"{version}golden.json": picked["golden.json"],
        f"{version}metrics.json": artifact.metrics_json(metrics),
        f"{version}report.html": report.report_html(metrics, held_out, probabilities, classes),
        f"{version}model.onnx": model,
    }
    contents = {
        path: file if isinstance(file, bytes) else file.encode() for path, file in files.items()
    }
    artifact.publish(contents, options.output)
    print(f"written: {options.output / version / 'model.onnx'} ({len(model):,} bytes)")


def load(options: Options) -> "Dataset":
    """The images of --data, or the digits; raises TrainingFailed."""
    if options.data is None:
        import digits

        return digits.load(options.side)
    import arrays
    import folder

    # A training job's channel is a folder, whatever it holds.
    files = sorted(options.data.glob(f"*{arrays.SUFFIX}")) if options.data.is_dir() else [options.data]
    if len(files) == 1:
        return arrays.load(files[0], options.side)
    return folder.load(options.data, options.side, options.max_bad_share)


def settings(options: Options) -> dict[str, object]:
    """The options that decide the result."""
    return {name: value for name, value in asdict(options).items() if name not in PLACES}


def rounded(numbers: list[float]) -> list[float]:
    return [round(number, 6) for number in numbers]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
