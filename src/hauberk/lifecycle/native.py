"""Ask an isolated worker about a native model: scores of a table, or its ONNX form."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
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
    answer = _ask(shop, "score", model, table)
    return scored_of(answer)


def score_onnx(shop: Workshop, model: Path, table: Path, features: tuple[str, ...]) -> Scored:
    """Score ``table`` with an ONNX model, in a worker as well: its graph is foreign too."""
    answer = _ask(shop, "score_onnx", model, table, features=list(features))
    return scored_of(answer)


def export(shop: Workshop, model: Path, table: Path) -> tuple[bytes, tuple[str, ...]]:
    """The model as ONNX, with its features in order."""
    answer = _ask(shop, "export", model, table)
    return base64.b64decode(answer["onnx"]), tuple(answer["features"])


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
        python=str(shop.python if task == "score" else sys.executable),
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
