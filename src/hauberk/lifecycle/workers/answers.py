"""What a model's scores mean where it does not say so itself; only ever in the worker.

A graph, a program or a booster gives numbers. Which column is which class is told by the labels
of the rows; a single column for rows of two classes is the probability, or the margin, of the
second one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError
from hauberk.lifecycle.workers.attacking import class_name

_TWO = 2
_SHOWN = 10
_MARGIN = 60.0


_STARVED = ("bad_alloc", "allocate memory", "out of memory", "failed to allocate", "memoryerror")
_MEMORY = (
    "it asks for more memory than its worker is given: give fewer rows, and do not use a model "
    "whose need grows without end"
)


def advice(error: BaseException, usual: str) -> str:
    """``usual``, or what to do about a model that asked for too much memory."""
    told = f"{type(error).__name__}: {error}".lower()
    return _MEMORY if any(word in told for word in _STARVED) else usual


def labels_of(frames: Sequence[Any], label: str) -> list[str]:
    """Labels of all tables, in their order; a missing one is none."""
    found = {
        class_name(value)
        for one in frames
        if label in one
        for value in one[label].dropna().unique()
    }
    return sorted(found, key=_natural)


def named(width: int, labels: Sequence[str]) -> list[str]:
    """Names for so many columns of scores.

    Raises:
        ArtifactError: The labels are no numbers of columns, and not as many as there are.
    """
    if len(labels) == width:
        return list(labels)
    places = [str(place) for place in range(width)]
    if not set(labels) & set(places):
        raise ArtifactError(
            "no label of the rows is a class of the model",
            rule="labels are numbers of the model's scores, or as many words as there are scores",
            expected=f"{width} classes",
            found=f"{len(labels)} labels: {', '.join(labels[:_SHOWN])}",
            hint="give rows of all classes, or name the label column that the model predicts",
        )
    return places


def is_choice(labels: Sequence[str]) -> bool:
    """Whether labels are a choice of two: words, or 0 and 1."""
    if set(labels) <= {"0", "1"}:
        return bool(labels)
    return len(labels) == _TWO and not all(_is_number(name) for name in labels)


def two_columns(
    scores: Callable[[Any], Any], labels: Sequence[str], first: Any
) -> tuple[list[str], Callable[[Any], Any]]:
    """Names and scores of both classes, for a model that scores the second one.

    Args:
        first: Scores of some rows; beyond 0 and 1 they are margins, not probabilities.
    """
    names = ["0", "1"] if set(labels) <= {"0", "1"} else list(labels)
    is_margin = bool(np.min(first, initial=0.0) < 0 or np.max(first, initial=0.0) > 1)

    def both(rows: Any) -> Any:
        second = np.asarray(scores(rows), np.float64).reshape(len(rows))
        if is_margin:
            second = 1 / (1 + np.exp(-np.clip(second, -_MARGIN, _MARGIN)))
        return np.column_stack([1 - second, second])

    return names, both


def are_probabilities(scores: Any) -> bool:
    """Whether each row is a distribution over classes, as far as floats go."""
    return bool(
        len(scores) and scores.min() >= -1e-6 and np.abs(scores.sum(axis=1) - 1).max() < 1e-3  # noqa: PLR2004
    )


def softmax(scores: Any) -> Any:
    """Logits as probabilities, ``(n, n_classes)``."""
    moved = np.exp(scores - scores.max(axis=1, keepdims=True))
    return moved / moved.sum(axis=1, keepdims=True)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers in their order, before words in theirs."""
    return (0, float(name), name) if _is_number(name) else (1, 0.0, name)
