"""Metrics by name, computed from a predictor and the rows it is judged on.

A minimal evaluator of its own, independent of whatever a project's metric script does: it
reads every row once, drops none, and rounds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset, Predictor
from hauberk.errors import ArtifactError, UsageError
from hauberk.methods.metrics import Counts, count, roc_auc_of_classes

_LOG_FLOOR = 1e-15
"""Probabilities are kept this far from 0 and 1, as scikit-learn's log loss did it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Scores of all rows beside the truth.

    Attributes:
        truth: ``(n_rows,)``: class names, or numbers where ``classes`` is empty.
        scores: ``(n_rows, n_classes)``, or ``(n_rows,)`` for regression.
    """

    classes: tuple[str, ...]
    truth: Any
    scores: Any

    @property
    def n_rows(self) -> int:
        """Rows judged."""
        return len(self.truth)

    @property
    def counts(self) -> Counts:
        """How often each class was given each class."""
        predicted = [self.classes[place] for place in self.scores.argmax(axis=1)]
        unseen = tuple(sorted(set(self.truth) - set(self.classes)))
        return count(self.truth, predicted, classes=(*self.classes, *unseen))


def judge_rows(predictor: Predictor, data: Dataset) -> Judged:
    """Score every row of ``data``.

    Raises:
        UsageError: The data has no label column.
        ArtifactError: There are no rows.
    """
    if data.label is None:
        raise UsageError(
            "metrics need a label column", subject=data.name, hint="name it with --label"
        )
    scores, truth = [], []
    for batch in data.read():
        scores.append(np.asarray(predictor.scores(batch), np.float64))
        truth.extend(batch.column(data.label).to_pylist())
    if not truth:
        raise ArtifactError("there are no rows to compute metrics on", subject=data.name)
    joined = np.concatenate(scores)
    if joined.ndim == 1:
        return Judged(classes=(), truth=np.asarray(truth, np.float64), scores=joined)
    classes = predictor.classes or tuple(map(str, range(joined.shape[1])))
    return Judged(classes=tuple(classes), truth=tuple(map(class_name, truth)), scores=joined)


def class_name(value: Any) -> str:
    """A label as the name of its class: whole numbers are written without a fraction."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _per_class(counts: Counts) -> tuple[Any, Any, Any]:
    """Hits, rows given and rows of each class."""
    table = counts.confusion
    return np.diag(table).astype(float), table.sum(axis=0), table.sum(axis=1)


def _ratio(part: Any, total: Any) -> Any:
    return np.divide(part, total, out=np.zeros_like(part, dtype=float), where=total > 0)


def _chosen(values: Any, counts: Counts) -> float:
    """The second class where there are two, as usual; else the mean over the classes."""
    seen = _per_class(counts)[2] + _per_class(counts)[1] > 0
    is_binary = len(values) == 2  # noqa: PLR2004 - two classes
    return float(values[1]) if is_binary else float(np.mean(values[seen]))


def _recalls(counts: Counts) -> Any:
    hits, _, rows = _per_class(counts)
    return _ratio(hits, rows)


def _precisions(counts: Counts) -> Any:
    hits, given, _ = _per_class(counts)
    return _ratio(hits, given)


def _f1s(counts: Counts) -> Any:
    hits, given, rows = _per_class(counts)
    return _ratio(2 * hits, given + rows)


def _macro(values: Any, counts: Counts) -> float:
    seen = _per_class(counts)[2] > 0
    return float(np.mean(values[seen]))


def _auc(judged: Judged) -> float:
    return roc_auc_of_classes(judged.truth, judged.scores, judged.classes)


def _log_loss(judged: Judged) -> float:
    places = [judged.classes.index(name) if name in judged.classes else -1 for name in judged.truth]
    rows = np.clip(judged.scores, _LOG_FLOOR, 1 - _LOG_FLOOR)
    rows = rows / rows.sum(axis=1, keepdims=True)
    chosen = [rows[i, place] if place >= 0 else _LOG_FLOOR for i, place in enumerate(places)]
    return float(-np.mean(np.log(chosen)))


_OF_CLASSES: Mapping[str, Callable[[Judged], float]] = {
    "accuracy": lambda judged: judged.counts.accuracy,
    "error_rate": lambda judged: 1 - judged.counts.accuracy,
    "balanced_accuracy": lambda judged: _macro(_recalls(judged.counts), judged.counts),
    "precision": lambda judged: _chosen(_precisions(judged.counts), judged.counts),
    "recall": lambda judged: _chosen(_recalls(judged.counts), judged.counts),
    "f1": lambda judged: _chosen(_f1s(judged.counts), judged.counts),
    "f1_macro": lambda judged: _macro(_f1s(judged.counts), judged.counts),
    "roc_auc": _auc,
    "log_loss": _log_loss,
}


def _errors(judged: Judged) -> Any:
    return judged.scores - judged.truth


def _r2(judged: Judged) -> float:
    spread = float(np.sum((judged.truth - judged.truth.mean()) ** 2))
    missed = float(np.sum(_errors(judged) ** 2))
    return 1 - missed / spread if spread else 0.0


_OF_NUMBERS: Mapping[str, Callable[[Judged], float]] = {
    "mse": lambda judged: float(np.mean(_errors(judged) ** 2)),
    "rmse": lambda judged: float(np.sqrt(np.mean(_errors(judged) ** 2))),
    "mae": lambda judged: float(np.mean(np.abs(_errors(judged)))),
    "r2": _r2,
}

_OTHER_NAMES = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "rocauc": "roc_auc",
    "f1_score": "f1",
    "precision_score": "precision",
    "recall_score": "recall",
    "accuracy_score": "accuracy",
    "roc_auc_score": "roc_auc",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "r2_score": "r2",
    "logloss": "log_loss",
}


def metric_name(reported: str) -> str | None:
    """The metric that a project means, or ``None`` where it is none that is known here.

    >>> metric_name("test/ROC-AUC")
    'roc_auc'
    """
    words = reported.strip().lower().replace("-", "_").replace(" ", "_")
    for prefix in ("test", "validation", "val", "eval", "holdout"):
        words = words.removeprefix(f"{prefix}/").removeprefix(f"{prefix}_")
    name = _OTHER_NAMES.get(words, words)
    return name if name in _OF_CLASSES or name in _OF_NUMBERS else None


def computed(judged: Judged, names: Iterable[str]) -> dict[str, float]:
    """Metrics by name; names that do not fit the kind of model are left out."""
    known = _OF_CLASSES if judged.classes else _OF_NUMBERS
    return {name: known[name](judged) for name in names if name in known}


def metric_names() -> Sequence[str]:
    """All metrics that can be computed."""
    return (*_OF_CLASSES, *_OF_NUMBERS)
