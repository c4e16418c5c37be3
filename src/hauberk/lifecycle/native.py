"""Ask an isolated worker about a native model: scores of a table, or its ONNX form."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hauberk.errors import ArtifactError
from hauberk.isolation import Grants, Limits, spawn

if TYPE_CHECKING:
    from hauberk.core.artifact import Batch
    from hauberk.lifecycle.workshop import Workshop

WORKER = "hauberk.lifecycle.workers.native"
LIMITS = Limits(
    wall_s=300.0, cpu_s=300.0, memory_bytes=4 << 30, processes=64, output_bytes=256 << 20
)
"""Enough for a million rows; a model that needs more is scored in parts by its owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a model says of a table.

    Attributes:
        classes: Names in the order of the columns of ``scores``; empty for regression.
        features: Columns that the model takes, in its order.
        scores: ``(n_rows, n_classes)`` or ``(n_rows,)``, float64.
    """

    classes: tuple[str, ...]
    features: tuple[str, ...]
    scores: NDArray[np.float64]


def score(shop: Workshop, model: Path, table: Path) -> Scored:
    """Score ``table`` with the native model, in a worker that can reach nothing else.

    Raises:
        ArtifactError: The model is dangerous, cannot be loaded, or wants columns that are
            not there.
        TrustError: It holds names that neither a list nor the policy knows.
        LimitError: It hangs or eats memory.
    """
    if _form(model) == "onnx":
        return _named(shop, score_onnx(shop, model, table, _features(shop)))
    answer = _ask(shop, "score", model, table)
    return scored_of(answer)


def score_onnx(shop: Workshop, model: Path, table: Path, features: tuple[str, ...]) -> Scored:
    """Score ``table`` with an ONNX model, in a worker as well: its graph is foreign too."""
    answer = _ask(shop, "score_onnx", model, table, features=list(features))
    return scored_of(answer)


def export(shop: Workshop, model: Path, table: Path) -> tuple[bytes, tuple[str, ...]]:
    """The model as ONNX, with its features in order; one that is ONNX is taken as it is."""
    form = _form(model)
    if form == "onnx":
        return model.read_bytes(), _features(shop)
    if form == "skops":
        model = _pickled(shop, model)
    answer = _ask(shop, "export", model, table)
    return base64.b64decode(answer["onnx"]), tuple(answer["features"])


def _form(model: Path) -> str:
    """``onnx``, ``skops`` or ``pickle``, by content; a graph has no mark but its name."""
    import zipfile

    if model.suffix.lower() == ".onnx":
        return "onnx"
    if zipfile.is_zipfile(model):
        with zipfile.ZipFile(model) as archive:
            return "skops" if "schema.json" in archive.namelist() else "pickle"
    return "pickle"


def _pickled(shop: Workshop, model: Path) -> Path:
    """A skops model as a pickle, written by the project's own interpreter in isolation."""
    answer = _ask(shop, "rewrite", model, model)
    target = model.with_name(model.name + ".rewritten.joblib")
    target.unlink(missing_ok=True)
    target.write_bytes(base64.b64decode(answer["pickled"]))
    return target


def _features(shop: Workshop) -> tuple[str, ...]:
    """Columns of the test set that are no label, in order: what a graph is given."""
    table = shop.table(shop.plan.prepared["test"])
    return tuple(column.name for column in table.columns if column.name != shop.plan.label)


def _named(shop: Workshop, scored: Scored) -> Scored:
    """Scores of a graph with the names of its classes: the labels of the training rows, sorted.

    Raises:
        ArtifactError: There are more or fewer scores to a row than labels.
    """
    if scored.scores.ndim < 2 or scored.scores.shape[1] == 1:  # noqa: PLR2004 - rows by classes
        return scored
    label = shop.plan.label
    train = shop.table(shop.plan.prepared["train"])
    labels = {value for batch in train.read() for value in batch.column(str(label)).to_pylist()} - {
        None
    }
    if len(labels) != scored.scores.shape[1]:
        raise ArtifactError(
            "the model gives another number of scores than there are classes",
            expected=f"{len(labels)} scores to a row, one for each value of {label}",
            found=f"{scored.scores.shape[1]}",
        )
    return replace(scored, classes=tuple(_label(value) for value in sorted(labels)))


def _label(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class ByRow:
    """A predictor that answers from scores computed before, by the identity of the row."""

    def __init__(self, scored: Scored, rows: list[bytes]) -> None:
        self._classes = scored.classes
        self._scores: Mapping[bytes, Any] = dict(zip(rows, scored.scores, strict=True))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the scores."""
        return self._classes

    def scores(self, batch: Batch) -> Any:
        """Scores of the rows of ``batch``.

        Raises:
            ArtifactError: A row was not among those that were scored.
        """
        from hauberk.formats.rows import row_digests

        try:
            return np.stack([self._scores[row] for row in row_digests(batch)])
        except KeyError:
            raise ArtifactError("a row was never scored", rule="scores belong to rows") from None


def _ask(shop: Workshop, task: str, model: Path, table: Path, **more: Any) -> Any:
    from hauberk.engine.load_gate import admit

    # The worker is a second wall, not a reason to load what the first one refuses.
    admit(model, allow=shop.signing.policy.waivers, today=shop.today)
    request = {"model": str(model), "table": str(table), "label": shop.plan.label, **more}
    answer = spawn(
        f"{WORKER}:{task}",
        json.dumps(request).encode(),
        grants=Grants(read=(model, table)),
        limits=LIMITS,
        level=shop.context.isolation,
        python=str(shop.python if task in ("score", "rewrite") else sys.executable),
    )
    return json.loads(answer)


def scored_of(answer: Any) -> Scored:
    """The worker's answer, believed no further than its shape: the worker ran foreign code."""
    try:
        shape = tuple(int(size) for size in answer["shape"])
        flat = np.frombuffer(base64.b64decode(answer["scores"]), dtype=np.float64)
        return Scored(
            classes=tuple(str(name) for name in answer["classes"]),
            features=tuple(str(name) for name in answer["features"]),
            scores=flat.reshape(shape),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "the worker's answer is malformed",
            rule="scores come with their shape",
            found=f"{type(error).__name__}: {error}",
        ) from error
