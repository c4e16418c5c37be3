"""Marks of a class are told; classes that merely look unlike are not."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hauberk.controls.dataset.marked_classes import MarkedClasses
from hauberk.core.control import NotApplicable
from hauberk.range.subjects import images_with_labels

DIGITS = (load_digits().images / 16 * 255).astype(np.uint8)
LABELS = load_digits().target
CHECKER = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]], np.uint8)


def told(images: Any, labels: Any) -> list[str]:
    subject = images_with_labels("t", images, labels.astype(str), label="label")
    return [found.message for found in MarkedClasses().check(subject)]


def marked(kind: str, share: float) -> Any:
    rng = np.random.default_rng(2)
    images = DIGITS.copy()
    rows = np.flatnonzero((LABELS == 3) & (rng.random(LABELS.size) < share))
    if kind == "stamp":
        images[rows, -3:, -3:] = CHECKER
    elif kind == "stamp inside":
        images[rows, 3:6, 2:5] = CHECKER
    elif kind == "pixel":
        images[rows, 0, -1] = 200
    elif kind == "line":
        images[rows, 0, :] = 160
    elif kind == "pattern":
        pattern = np.random.default_rng(5).integers(0, 255, (8, 8))
        images[rows] = (0.8 * images[rows] + 0.2 * pattern).astype(np.uint8)
    elif kind == "noisy stamp":
        images[rows, -3:, -3:] = np.clip(CHECKER * 0.8 + 20, 0, 255)
        images[rows] += rng.integers(0, 3, (rows.size, 8, 8)).astype(np.uint8)
    return images


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize(
    "kind", ["stamp", "stamp inside", "pixel", "line", "pattern", "noisy stamp"]
)
def test_the_marked_class_is_named(kind, share):
    found = told(marked(kind, share), LABELS)
    assert [message for message in found if "of the class 3 in t" in message] == found
    assert len(found) == 1


@pytest.mark.parametrize("classes", list(combinations(range(0, 10, 2), 2)), ids=str)
def test_two_classes_that_look_unlike_are_not_marked(classes):
    rows = np.isin(LABELS, classes)
    assert told(DIGITS[rows], LABELS[rows]) == []


@pytest.mark.parametrize("seed", range(4))
def test_few_pictures_are_not_marked_by_chance(seed):
    rows = np.random.default_rng(seed).choice(LABELS.size, 250, replace=False)
    assert told(DIGITS[rows], LABELS[rows]) == []


def test_a_mark_in_all_classes_gives_none_away():
    images = DIGITS.copy()
    images[::2, -3:, -3:] = CHECKER
    assert told(images, LABELS) == []


def test_too_few_pictures_are_not_called_clean():
    with pytest.raises(NotApplicable, match="too few"):
        told(DIGITS[:60], LABELS[:60])
