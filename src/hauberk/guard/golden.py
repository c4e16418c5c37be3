"""Golden answers: rows whose answers are known, asked before a bundle is served.

Weights, label map and preprocessing may each be genuine and not belong together; a signature
over a wrong bundle is a signature. Rows with the answers that training's model gave find that,
in a second, whatever was changed.

Limits:
    Finds what changes one of the answers. A change that touches one row in fifty is missed by 64
    rows once in four times and by 512 rows once in 30,000.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, UsageError
from hauberk.guard.bundle import Bundle
from hauberk.guard.smoke import smoke

MAX_BYTES = 16 << 20
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Rows by column name, and what the served output must say of each."""

    rows: tuple[Mapping[str, Any], ...]
    expected: tuple[Any, ...]
    output: str | None = None
    tolerance: float = TOLERANCE


def read_golden(path: Path) -> Golden:
    """Golden answers from a file of JSON: ``rows``, ``expected`` and perhaps ``output``.

    Raises:
        UsageError: It cannot be read, or is something else.
    """
    try:
        with path.open("rb") as file:
            return _golden(json.loads(file.read(MAX_BYTES)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "golden answers cannot be read",
            subject=str(path),
            expected='{"rows": [{"column": value, ...}, ...], "expected": [answer, ...]}',
            found=f"{type(error).__name__}: {error}"[:200],
        ) from error


def _golden(value: Any) -> Golden:
    pairs = list(zip(value["rows"], value["expected"], strict=True))
    return Golden(
        rows=tuple(dict(row) for row, _ in pairs),
        expected=tuple(answer for _, answer in pairs),
        output=value.get("output"),
        tolerance=float(value.get("tolerance", TOLERANCE)),
    )


def hold_golden(bundle: Bundle, golden: Golden) -> int:
    """Ask the golden rows; the number of answers that agree, which is all of them.

    Raises:
        ArtifactError: An answer is another one, or a row is refused.
    """
    if not golden.rows:
        raise ArtifactError("there are no golden answers to hold the model against")
    output = golden.output or _output(bundle, golden)
    asked = smoke(bundle, golden.rows, golden.expected, output=output, tolerance=golden.tolerance)
    if not asked.passed:
        raise ArtifactError(
            "the model does not give the golden answers",
            subject=f"{bundle.name} version {bundle.version}",
            rule="weights, label map and preprocessing belong together",
            expected=f"{asked.n_rows} known answers",
            found=f"{asked.n_rows - asked.agreed} others",
            hint="compare label map, normalisation and order of inputs with training's",
        )
    return asked.agreed


def _output(bundle: Bundle, golden: Golden) -> str:
    """Labels and numbers are those of the first output, lists of scores those of the last."""
    outputs = bundle.schema.outputs
    return outputs[-1 if isinstance(golden.expected[0], list) else 0].name
