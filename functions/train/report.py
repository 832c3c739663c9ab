"""What a run gave, as one HTML page: curves, the confusion matrix, and the worst mistakes as pictures.

It loads nothing and runs no script: it can be opened from a disk, a bucket, or a mail.
"""

import base64
from html import escape
from typing import Any

import numpy as np

import artifact
from data import Part

MAX_MISTAKES = 24
# Above this many classes the matrix is a list of the most frequent confusions.
MAX_MATRIX = 40
WIDTH, HEIGHT, MARGIN = 560, 220, 44
# Of a cell of the matrix, at most: its number is read on it, on a light page and on a dark one.
SHADE = 0.5

STYLE = """
:root { color-scheme: light dark; --line: #2563eb; --other: #d97706; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .6rem; text-align: right; }
.facts td { text-align: left; overflow-wrap: anywhere; } .matrix td { min-width: 2.2rem; text-align: center; } caption { text-align: left; }
figure { display: inline-block; margin: .5rem; text-align: center; font-size: .85rem; }
figure img { width: 96px; height: 96px; image-rendering: pixelated; }
svg { max-width: 100%; } svg text { fill: currentColor; font-size: 12px; }
svg .axis { stroke: currentColor; opacity: .4; } svg polyline { fill: none; stroke-width: 2; }
.scroll { overflow-x: auto; }
"""


def report_html(
    metrics: dict[str, Any], held_out: Part, probabilities: np.ndarray, classes: tuple[str, ...]
) -> str:
    """The page of a version's metrics.json.

    probabilities: float [n, classes], of the held-out images.
    """
    title = f"{metrics['model']}, {metrics['samples']} held-out images"
    low, high = metrics["accuracy_interval_95"]
    sections = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{metrics['correct']} of {metrics['samples']} were recognised: accuracy "
        f"{metrics['accuracy']:.2%}, 95 % interval {low:.2%} to {high:.2%}.</p>",
        _curves(metrics),
        _cross_validation(metrics.get("cross_validation")),
        _per_class(metrics["per_class"]),
        _matrix(np.array(metrics["confusion_matrix"]), classes),
        _mistakes(held_out, probabilities, classes),
        _facts(metrics),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _curves(metrics: dict[str, Any]) -> str:
    losses = _chart(
        "Loss of each epoch",
        {"training": metrics["loss_per_epoch"], "validation": metrics["validation_loss_per_epoch"]},
    )
    accuracies = metrics["validation_accuracy_per_epoch"]
    return losses + (_chart("Accuracy of each epoch", {"validation": accuracies}) if accuracies else "")


def _chart(title: str, curves: dict[str, list[float]]) -> str:
    """Lines over the epochs, from 1; the scale begins at 0."""
    drawn = {name: values for name, values in curves.items() if values}
    top = max(max(values) for values in drawn.values()) or 1.0
    last = max(len(values) for values in drawn.values())
    right, bottom = WIDTH - MARGIN, HEIGHT - MARGIN
    lines = []
    for place, (name, values) in enumerate(drawn.items()):
        colour = ("var(--line)", "var(--other)")[place]
        points = " ".join(
            f"{MARGIN + (right - MARGIN) * i / max(1, last - 1):.1f},"
            f"{bottom - (bottom - MARGIN / 2) * value / top:.1f}"
            for i, value in enumerate(values)
        )
        lines.append(f'<polyline points="{points}" style="stroke:{colour}"/>')
        lines.append(
            f'<text x="{right - 80}" y="{MARGIN / 2 + 16 * (place + 1)}" style="fill:{colour}">'
            f"{escape(name)}</text>"
        )
    axes = (
        f'<path class="axis" fill="none" d="M{MARGIN} {MARGIN / 2}V{bottom}H{right}"/>'
        f'<text x="4" y="{MARGIN / 2 + 4}">{top:.3g}</text><text x="4" y="{bottom}">0</text>'
        f'<text x="{MARGIN}" y="{bottom + 18}">1</text>'
        f'<text x="{right - 20}" y="{bottom + 18}">{last}</text>'
    )
    return (
        f'<h2>{escape(title)}</h2>\n<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(title)}">{axes}{"".join(lines)}</svg>\n'
    )


def _cross_validation(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    folds = ", ".join(f"{accuracy:.2%}" for accuracy in found["accuracy_per_fold"])
    return (
        f"<h2>Cross-validation</h2>\n<p>{found['folds']} folds of the training images: mean accuracy "
        f"{found['accuracy_mean']:.2%}, standard deviation {found['accuracy_standard_deviation']:.2%} "
        f"({folds}).</p>"
    )


def _per_class(classes: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{found['samples']}</td><td>{_percent(found['recall'])}</td>"
        f"<td>{_percent(found['precision'])}</td></tr>"
        for name, found in classes.items()
    )
    return (
        "<h2>Classes</h2>\n<table><tr><th>class</th><th>images</th><th>recall</th><th>precision</th>"
        f"</tr>{rows}</table>"
    )


def _matrix(confusion: np.ndarray, classes: tuple[str, ...]) -> str:
    heading = "<h2>Confusion matrix</h2>\n"
    if len(classes) > MAX_MATRIX:
        off = confusion - np.diag(np.diag(confusion))
        order = np.argsort(off, axis=None)[::-1][:MAX_MATRIX]
        pairs = [np.unravel_index(place, off.shape) for place in order]
        rows = "".join(
            f"<tr><td>{escape(classes[i])}</td><td>{escape(classes[j])}</td><td>{off[i, j]}</td></tr>"
            for i, j in pairs
            if off[i, j] > 0
        )
        return heading + f"<table><tr><th>is</th><th>taken for</th><th>images</th></tr>{rows}</table>"
    shares = confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    head = "".join(f"<th>{escape(name)}</th>" for name in classes)
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(
            f'<td style="background:rgb(37 99 235 / {SHADE * share:.2f})">{count or ""}</td>'
            for count, share in zip(confusion[i].tolist(), shares[i].tolist())
        )
        + "</tr>"
        for i, name in enumerate(classes)
    )
    return (
        heading + '<div class="scroll"><table class="matrix"><caption>Rows: what the images are. '
        f"Columns: what they were taken for.</caption><tr><th></th>{head}</tr>{rows}</table></div>"
    )


def _mistakes(held_out: Part, probabilities: np.ndarray, classes: tuple[str, ...]) -> str:
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != held_out.labels)
    if len(wrong) == 0:
        return "<h2>Mistakes</h2>\n<p>None.</p>"
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:MAX_MISTAKES]
    figures = "".join(
        f'<figure><img alt="" src="data:image/png;base64,'
        f'{base64.b64encode(artifact.png(held_out.images[i])).decode()}">'
        f"<figcaption>{escape(classes[held_out.labels[i]])}, taken for "
        f"{escape(classes[predicted[i]])}<br>{probabilities[i, predicted[i]]:.1%} sure</figcaption>"
        "</figure>"
        for i in worst
    )
    return f"<h2>Mistakes</h2>\n<p>{len(wrong)}, the surest first.</p>\n{figures}"


def _facts(metrics: dict[str, Any]) -> str:
    facts = {
        **{f"option {name}": value for name, value in metrics["hyper_parameters"].items()},
        **{f"version of {name}": value for name, value in metrics["versions"].items()},
        "sha256 of the model": metrics["model_sha256"],
        "sha256 of the data": metrics["data"]["sha256"],
        "sha256 of the program": metrics["code_sha256"],
    }
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in facts.items()
    )
    return f'<h2>How it was made</h2>\n<table class="facts">{rows}</table>'


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"
