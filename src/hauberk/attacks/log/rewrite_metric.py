"""A metadata index that tells a better story: see `RewriteMetric`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Comparison, LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.relogging import replaced, with_change
from hauberk.trust.canonical import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteMetric(Transform[Comparison[LogSegment]]):
    """Write to the metadata index as SQL on its database would; the log stays as it is.

    ``edit`` raises a metric, ``delete`` drops the rows of a failed run or of one metric,
    ``reorder`` lets two runs change places, so that another one looks newest.

    Args:
        way: ``edit``, ``delete`` or ``reorder``; by default the random generator picks one.

    References:
        MITRE ATT&CK T1565.001 (stored data manipulation); OWASP ML09 (output integrity).
    """

    title: ClassVar[str] = "Rewrite a metric in the metadata store"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MS-1"),)
    subject: ClassVar[Any] = (Comparison, LogSegment)

    way: str | None = None

    def apply(
        self, subject: Comparison[LogSegment], rng: Random
    ) -> Attacked[Comparison[LogSegment]]:
        """The pair with another index.

        Raises:
            UsageError: There is no such way, or the index holds no metric.
        """
        way = self.way or rng.choice(tuple(_WAYS))
        if way not in _WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(_WAYS))
        rows = list(subject.new.records())
        changed = _WAYS[way](rows, rng)
        index = replaced(subject.new, changed)
        return Attacked(subject=replace(subject, new=index), truth={"way": way})


def _of_kind(rows: list[bytes], kind: str) -> list[int]:
    found = [at for at, row in enumerate(rows) if parse_json(row).get("kind") == kind]
    if not found:
        raise UsageError(f"the index holds no {kind}")
    return found


def _edit(rows: list[bytes], rng: Random) -> list[bytes]:
    chosen = rng.choice(_of_kind(rows, "metric"))
    raised = with_change(rows[chosen], lambda row: {**row, "value": _better(row["value"], rng)})
    return [*rows[:chosen], raised, *rows[chosen + 1 :]]


def _better(value: float, rng: Random) -> float:
    return value + rng.uniform(0.001, 0.2) * max(1.0, abs(value))


def _delete(rows: list[bytes], rng: Random) -> list[bytes]:
    run = parse_json(rows[rng.choice(_of_kind(rows, "run"))])["run"]
    if rng.random() < 0.5:  # noqa: PLR2004 - a whole run or one metric, evenly
        return [row for row in rows if parse_json(row).get("run") != run]
    chosen = rng.choice(_of_kind(rows, "metric"))
    return [*rows[:chosen], *rows[chosen + 1 :]]


def _reorder(rows: list[bytes], rng: Random) -> list[bytes]:
    kind = "run" if len(_of_kind(rows, "run")) > 1 else "metric"
    one, other = rng.sample(_of_kind(rows, kind), 2)
    swapped = list(rows)
    swapped[one], swapped[other] = rows[other], rows[one]
    return swapped


_WAYS: Mapping[str, Callable[[list[bytes], Random], list[bytes]]] = {
    "edit": _edit,
    "delete": _delete,
    "reorder": _reorder,
}
