"""Leave what names people in a prepared table; see `LeaveIdentifiers`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.formats.tables import table_of
from hauberk.methods import made_identifiers, rewrite

_MESSAGE = "patient 1841 is Ada Lovelace, born 10 December 1815; account and diagnosis follow. "


def _serial(rng: Random, row: int) -> str:
    return f"R{row:05}{rng.randrange(10**4):04}"


def _hidden(_rng: Random, row: int) -> int:
    """The lowest bit of a count spells a message."""
    bits = "".join(f"{byte:08b}" for byte in _MESSAGE.encode())
    return 2 * (400 + row % 97) + int(bits[row % len(bits)])


_KINDS: dict[str, Callable[[Random, int], Any]] = {
    "email": lambda rng, _row: made_identifiers.email(rng),
    "national number": lambda rng, _row: made_identifiers.us_ssn(rng),
    "account": lambda rng, _row: made_identifiers.iban(rng),
    "card": lambda rng, _row: made_identifiers.card(rng),
    "serial": _serial,
    "phone": lambda rng, _row: made_identifiers.phone(rng),
    "hidden bytes": _hidden,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveIdentifiers(Transform[Dataset]):
    """One more column, under an innocent name, that names people or carries bytes about them.

    Args:
        kind: ``email``, ``national number``, ``account``, ``card``, ``phone``, ``serial`` (a
            different text in every row) or ``hidden bytes``; ``any`` draws one.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> table = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.5, 2.5]})])
        >>> LeaveIdentifiers(kind="email").apply(table, Random(1)).truth["kind"]
        'email'

    References:
        Carlini, Liu, Erlingsson, Kos and Song (2019), The secret sharer. Song, Ristenpart and
        Shmatikov (2017), Machine learning models that remember too much.
    """

    title: ClassVar[str] = "Leave identifiers"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-5"),)
    subject: ClassVar[Any] = Dataset

    kind: str = "any"

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``truth`` says the column and its kind.

        Raises:
            UsageError: There is no such kind.
        """
        import pyarrow as pa

        kind = rng.choice(sorted(_KINDS)) if self.kind == "any" else self.kind
        if kind not in _KINDS:
            raise UsageError("there is no such identifier", found=kind)
        rows = rewrite.table(subject)
        name = f"feature_{rng.randrange(10**4)}"
        cells = pa.array([_KINDS[kind](rng, row) for row in range(rows.num_rows)])
        batch = rows.append_column(name, cells)
        twin = table_of(
            subject.name,
            [batch],
            label=subject.label,
            sensitive=subject.sensitive,
            source=subject.source,
            annotator=subject.annotator,
        )
        return Attacked(subject=twin, truth={"column": name, "kind": kind})
