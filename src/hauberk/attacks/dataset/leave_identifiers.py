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
from hauberk.methods import rewrite

_MESSAGE = "patient 1841 is Ada Lovelace, born 10 December 1815; account and diagnosis follow. "


def _email(rng: Random, _row: int) -> str:
    first, last = rng.choice("ann bo cleo dana eve".split()), rng.choice("li roe kim ray".split())  # noqa: SIM905 - words
    return f"{first}.{last}{rng.randrange(10**6)}@{rng.choice(['mail', 'post'])}.example"


def _ssn(rng: Random, _row: int) -> str:
    return f"{rng.randint(1, 665):03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def _iban(rng: Random, _row: int) -> str:
    """A German account number with its check digits (ISO 13616)."""
    body = f"{rng.randrange(10**18):018}"
    return f"DE{98 - int(body + '131400') % 97:02}{body}"


def _card(rng: Random, _row: int) -> str:
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [d * 2 - 9 * (d > 4) if i % 2 == 0 else d for i, d in enumerate(digits)]  # noqa: PLR2004 - Luhn
    return "".join(map(str, [*digits, -sum(doubled) % 10]))


def _serial(rng: Random, row: int) -> str:
    return f"R{row:05}{rng.randrange(10**4):04}"


def _phone(rng: Random, _row: int) -> str:
    return f"+44 20 {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}"


def _hidden(_rng: Random, row: int) -> int:
    """The lowest bit of a count spells a message."""
    bits = "".join(f"{byte:08b}" for byte in _MESSAGE.encode())
    return 2 * (400 + row % 97) + int(bits[row % len(bits)])


_KINDS: dict[str, Callable[[Random, int], Any]] = {
    "email": _email,
    "national number": _ssn,
    "account": _iban,
    "card": _card,
    "serial": _serial,
    "phone": _phone,
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
