"""What ordinary inputs of a model look like, small enough to lie in its bundle.

Learnt once from training rows: their mean, main directions, and how far rows that were not
used for these lie from them. `Reference.oddness` then says of any row how far it lies
outside, in units of the outermost hundredth of ordinary rows: 0 in the middle, 1 at the
edge, far above 1 for noise, pictures of other things, and rows moved along gradients.

References:
    Tipping and Bishop (1999), Probabilistic principal component analysis, section 3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError
from hauberk.methods import hidden_steps, picture_residuals, table_reference
from hauberk.methods.hidden_steps import HiddenSteps
from hauberk.methods.networks import Network
from hauberk.methods.picture_residuals import Residuals, packed, unpacked
from hauberk.methods.table_reference import TableReference

MAX_DIRECTIONS = 32
MIN_ROWS = 200
"""Fewer training rows say too little of what is ordinary."""

MAX_ROWS = 20_000
POOLED = 1_024
"""Wider rows are averaged down to so many values first."""

MAX_BYTES = 8 << 20
MAX_SIGNALS = 47
"""Wider rows whose columns are all alike are pictures or signals, and no table."""

EDGE = 0.99
_FITTED = 0.7
_VERSION = 1
_SEED = 17


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Ordinary rows of one model.

    Attributes:
        n_features: Width of a row before pooling.
        mean: ``(width,)`` float32.
        scale: ``(width,)`` float32, unit of each value: 1 where all are alike, as pixels are.
        directions: ``(width, k)`` float32, orthonormal, each divided by its spread.
        spread: Spread of what the directions leave, per value.
        middle: Median of the raw distance of ordinary rows.
        edge: Its 99 % quantile.
        table: What else is known of columns of different kinds; ``None`` of pictures.
        residuals: How pixels hang together; ``None`` of tables, and of very large pictures.
        steps: What tells small steps along the served network's gradients; ``None`` of tables,
            and where the model is no network, or none that is known.
    """

    n_features: int
    mean: Any
    scale: Any
    directions: Any
    spreads: Any
    spread: float
    middle: float
    edge: float
    table: TableReference | None = None
    residuals: Residuals | None = None
    steps: HiddenSteps | None = None

    def oddness(self, rows: Any) -> Any:
        """``(n_rows,)``: 0 for the median of ordinary rows, 1 for their outermost hundredth."""
        raw = self._raw(pooled(rows))
        return (raw - self.middle) / (self.edge - self.middle)

    def _raw(self, rows: Any) -> Any:
        centred = (rows - self.mean) / self.scale
        along = centred @ self.directions
        left = np.maximum((centred * centred).sum(axis=1) - (along * along).sum(axis=1), 0)
        scaled = along / self.spreads
        return np.sqrt((scaled * scaled).sum(axis=1) + left / self.spread**2)

    def to_bytes(self) -> bytes:
        """Canonical JSON; equal references give equal bytes."""
        value: dict[str, Any] = {
            "schema": _VERSION,
            "n_features": self.n_features,
            "mean": packed(self.mean),
            "scale": packed(self.scale),
            "directions": packed(self.directions),
            "spreads": packed(self.spreads),
            "spread": self.spread,
            "middle": self.middle,
            "edge": self.edge,
        }
        if self.table is not None:
            value["table"] = self.table.to_json()
        if self.residuals is not None:
            value["residuals"] = self.residuals.to_json()
        if self.steps is not None:
            value["steps"] = self.steps.to_json()
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def learn(rows: Any, network: Network | None = None) -> Reference:
    """What is ordinary, from ``(n_rows, n_features)`` training rows.

    Args:
        network: The model that is served, where it is one with known gradients.

    Raises:
        ArtifactError: There are too few rows, or they do not differ.
    """
    rows = np.asarray(rows)
    n_features = rows.shape[1] if rows.ndim == 2 else 0  # noqa: PLR2004 - rows by columns
    order = np.random.default_rng(_SEED).permutation(len(rows))[:MAX_ROWS]
    if len(order) < MIN_ROWS or not n_features:
        raise _refusal(f"at least {MIN_ROWS} rows of numbers", f"{len(order)}")
    known = pooled(rows[order])
    fitted, others = np.split(known, [int(len(known) * _FITTED)])
    mean, scale = fitted.mean(axis=0), _scale_of(fitted)
    covariance = np.cov((fitted - mean) / scale, rowvar=False).reshape(mean.size, mean.size)
    values, vectors = np.linalg.eigh(covariance)
    k = min(MAX_DIRECTIONS, mean.size // 2, len(fitted) // 8)
    rest = float(np.maximum(values[: mean.size - k], 0).mean())
    if not np.isfinite(values).all() or rest <= 0:
        raise _refusal("rows that differ", "rows without spread")
    first = Reference(
        n_features=n_features,
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        directions=vectors[:, mean.size - k :].astype(np.float32),
        spreads=np.sqrt(values[mean.size - k :]).astype(np.float32),
        spread=rest**0.5,
        middle=0.0,
        edge=1.0,
    )
    raw = first._raw(others)  # noqa: SLF001 - its own class
    middle, edge = (float(x) for x in np.quantile(raw, [0.5, EDGE]))
    is_table = n_features <= MAX_SIGNALS or bool((scale != 1).any())
    pixels = (
        None if is_table else picture_residuals.learn(rows[order], network.shape if network else ())
    )
    steps = hidden_steps.learn(rows[order], network, pixels) if network and pixels else None
    return replace(
        first,
        middle=middle,
        edge=max(edge, middle * (1 + 1e-6)),
        table=table_reference.learn(rows[order]) if is_table else None,
        residuals=pixels,
        steps=steps,
    )


def learn_from(parts: Sequence[Any], network: Network | None = None) -> Reference:
    """What is ordinary, from blocks of rows.

    Args:
        network: As for `learn`.

    Raises:
        ArtifactError: There are too few rows, or they do not differ.
    """
    if not parts:
        raise _refusal(f"at least {MIN_ROWS} rows of numbers", "none")
    return learn(np.concatenate(parts), network)


def _scale_of(rows: Any) -> Any:
    """Spread of each column where columns are of different kinds; 1 where they are alike."""
    spreads = rows.std(axis=0)
    some = spreads[spreads > 0]
    if not some.size or some.max() <= _ALIKE * np.median(some):
        return np.ones(rows.shape[1])
    return np.where(spreads > 0, spreads, 1.0)


_ALIKE = 10.0


def pooled(rows: Any) -> Any:
    """``(n_rows, width)`` float32, wide rows averaged down."""
    rows = np.asarray(rows, np.float32)
    if rows.shape[1] <= POOLED:
        return rows
    width = rows.shape[1] // POOLED
    return rows[:, : width * POOLED].reshape(len(rows), POOLED, width).mean(axis=2)


def from_bytes(data: bytes) -> Reference:
    """The reference that `Reference.to_bytes` gave.

    Raises:
        ArtifactError: The bytes are no such reference.
    """
    if len(data) > MAX_BYTES:
        raise _refusal(f"at most {MAX_BYTES} bytes", f"{len(data)} bytes")
    try:
        value = json.loads(data)
        found = Reference(
            n_features=int(value["n_features"]),
            mean=unpacked(value["mean"]),
            scale=unpacked(value["scale"]),
            directions=unpacked(value["directions"]),
            spreads=unpacked(value["spreads"]),
            spread=float(value["spread"]),
            middle=float(value["middle"]),
            edge=float(value["edge"]),
            table=_table(value),
            residuals=_residuals(value),
            steps=hidden_steps.from_json(value["steps"]) if "steps" in value else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _refusal("JSON with the arrays of a reference", type(error).__name__) from error
    width, k = found.mean.size, found.spreads.size
    fits = found.directions.size == width * k and found.scale.size == width <= found.n_features
    positive = found.spread > 0 and (found.spreads > 0).all() and (found.scale > 0).all()
    if found.steps is not None and found.residuals is None:
        raise _refusal("steps with residuals", "steps alone")
    if value.get("schema") != _VERSION or not fits or not positive or found.edge <= found.middle:
        raise _refusal("arrays that fit each other", "others")
    return replace(found, directions=found.directions.reshape(width, k))


def _table(value: Mapping[str, Any]) -> TableReference | None:
    if "table" not in value:
        return None
    return table_reference.from_json(value["table"], int(value["n_features"]))


def _residuals(value: Mapping[str, Any]) -> Residuals | None:
    if "residuals" not in value:
        return None
    return picture_residuals.from_json(value["residuals"], int(value["n_features"]))


def _refusal(expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "what is ordinary for a model cannot be told from this",
        subject="reference.json",
        rule="reference of version 1",
        expected=expected,
        found=found,
    )
