"""Answer in the place of a worker; see `AnswerAsWorker`."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Summaries
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

_DEEP = 100_000


class _Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._path,))


class _Trap(Exception):  # noqa: N818 - not an error of ours
    """An exception as a worker's runtime hands it on: as a pickle."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._path,))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerAsWorker(Transform[Summaries]):
    """One worker of an engine belongs to an attacker, who answers in its place.

    Args:
        way: ``pickle`` and ``exception`` run code where they are unpickled; ``noise``, ``cut``,
            ``deep`` and ``huge-number`` break careless parsers; ``columns``, ``counts`` and
            ``negative`` are well-formed and wrong; ``empty`` says that there were no rows.
        canary: File that the code in a pickle makes.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> table = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0]})])
        >>> told = Summaries(name="t", table=table, parts=(b"{}",), again=lambda _: b"{}")
        >>> AnswerAsWorker(way="noise").apply(told, Random(1)).truth["part"]
        0

    References:
        Ray, security advisory on exposed job interfaces (CVE-2023-48022). Slaviero (2011), Sour
        pickles, for code in a pickle.
    """

    title: ClassVar[str] = "Answer as a worker"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-6"),)
    subject: ClassVar[Any] = Summaries

    way: str = "pickle"
    canary: Path = Path("/nonexistent/canary")

    def apply(self, subject: Summaries, rng: Random) -> Attacked[Summaries]:
        """The twin with one answer replaced; ``truth`` names the part.

        Raises:
            UsageError: There is no answer to replace, or no such way.
        """
        if not subject.parts or self.way not in WAYS:
            raise UsageError(
                "an answer and a way to change it are needed",
                subject=subject.name,
                expected=", ".join(WAYS),
                found=self.way,
            )
        place = rng.randrange(len(subject.parts))
        answer = WAYS[self.way](subject.parts[place], self.canary, rng)
        parts = tuple(answer if i == place else part for i, part in enumerate(subject.parts))
        return Attacked(subject=replace(subject, parts=parts), truth={"part": place})


def _changed(part: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    try:
        value = json.loads(part)
        change(value)
    except (ValueError, KeyError, IndexError, TypeError):
        return b"[]"  # it was no summary to begin with
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def _counts(value: dict[str, Any]) -> None:
    """A thousand more rows, missing in every column so that the columns agree."""
    value["rows"] += 1_000
    for column in value["columns"]:
        column["missing"] += 1_000


Way = Callable[[bytes, Path, Random], bytes]
WAYS: Mapping[str, Way] = {
    "pickle": lambda _part, canary, _rng: pickle.dumps(_Touch(canary)),
    "exception": lambda _part, canary, _rng: pickle.dumps(_Trap(canary)),
    "noise": lambda part, _canary, rng: rng.randbytes(max(len(part), 1)),
    "cut": lambda part, _canary, rng: part[: rng.randrange(len(part))] if part else b"{",
    "deep": lambda _part, _canary, _rng: b"[" * _DEEP,
    "huge-number": lambda part, _c, _rng: _changed(part, lambda v: v.update(rows=10**400)),
    "columns": lambda part, _c, _rng: _changed(part, lambda v: v["columns"].pop()),
    "counts": lambda part, _c, _rng: _changed(part, _counts),
    "negative": lambda part, _c, _rng: _changed(part, lambda v: v.update(rows=-1)),
    "empty": lambda _part, _canary, _rng: b"",
}
"""How an answer is changed."""
