"""The page about a run: what it shows is what was measured, and it loads nothing."""

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import report
import score
from data import Part

CLASSES = ("<cat>", "dog & co", "eel")


class Page(HTMLParser):
    """Collects the texts, and checks that tags are closed in their order."""

    VOID = {"meta", "img", "br", "polyline", "path"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.references: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page_of(predictions: list[int], **more: Any) -> Page:
    labels = np.array([0, 0, 1, 1, 2, 2])
    images = np.random.default_rng(0).random((6, 3, 16, 16)).astype(np.float32)
    probabilities = np.full((6, 3), 0.1, np.float32)
    probabilities[np.arange(6), predictions] = [0.8, 0.7, 0.6, 0.95, 0.5, 0.9]
    confusion = score.confusion_matrix(labels, np.array(predictions), 3)
    metrics = {
        "model": "pets",
        **score.report(confusion, CLASSES),
        "loss_per_epoch": [2.0, 1.0, 0.5],
        "validation_loss_per_epoch": [],
        "validation_accuracy_per_epoch": [],
        "hyper_parameters": {"epochs": 3},
        "versions": {"torch": "2.13.0"},
        "model_sha256": "m" * 64,
        "data": {"sha256": "d" * 64},
        "code_sha256": "c" * 64,
        **more,
    }
    return Page(report.report_html(metrics, Part(images, labels), probabilities, CLASSES))


def test_it_loads_nothing_and_names_are_text() -> None:
    page = page_of([0, 0, 1, 2, 2, 0])
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert {"<cat>", "dog & co", "eel"} <= set(page.texts)


def test_mistakes_come_the_surest_first() -> None:
    page = page_of([0, 0, 1, 2, 2, 0])
    assert len(page.references) == 2
    captions = [text for text in page.texts if "taken for" in text and "sure" not in text]
    assert captions[-2:] == ["dog & co, taken for eel", "eel, taken for <cat>"]
    assert any("95.0% sure" in text for text in page.texts)


def test_without_mistakes() -> None:
    assert "None." in page_of([0, 0, 1, 1, 2, 2]).texts


def test_curves() -> None:
    more = {"validation_loss_per_epoch": [2.0, 1.5, 1.0], "validation_accuracy_per_epoch": [0.1, 0.5, 0.9]}
    texts = page_of([0] * 6, **more).texts
    assert texts.count("validation") == 2 and "Accuracy of each epoch" in texts


@pytest.mark.parametrize(("value", "height"), [(1.0, 0.5), (0.5, 0.25), (2.0, 1.0)])
def test_a_curves_height_is_its_value(value: float, height: float) -> None:
    chart = report._chart("title", {"training": [2.0, value]})
    points = re.search(r'points="([^"]+)"', chart)
    assert points is not None
    (_, first), (_, last) = (point.split(",") for point in points[1].split(" "))
    bottom = report.HEIGHT - report.MARGIN
    assert (bottom - float(last)) / (bottom - float(first)) == pytest.approx(height, abs=0.01)


def test_many_classes_give_a_list_of_confusions() -> None:
    names = tuple(f"class-{i}" for i in range(report.MAX_MATRIX + 1))
    confusion = np.eye(len(names), dtype=np.int64)
    confusion[3, 5] = 4
    page = Page(report._matrix(confusion, names))
    assert page.texts[-3:] == ["class-3", "class-5", "4"]
