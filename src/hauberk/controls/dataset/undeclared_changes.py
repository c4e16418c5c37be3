"""What a step did to cells that it did not say; see `UndeclaredChanges`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnChange, Transformation
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import contracts
from hauberk.methods.contracts import Pairing
from hauberk.methods.replay import differs, replayed

_SHOWN = 10
_MAX_FINDINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeclaredChanges(Check[Transformation]):
    """The transform contract: a step does to each cell what it declares, and nothing else.

    The declared transforms are done again, from data and not from the step's code, on the
    step's input, and its output is compared cell by cell. Columns without a declared
    transform stay as they are, the label among them; columns may not vanish or appear.

    Limits:
        Only what can be declared is replayed (see `hauberk.formats.transforms`). Changes
        below ``tolerance`` pass. Where rows were dropped they have to carry their ids, else
        nothing can be compared, which is a finding too. A declared transform that is itself
        the attack is done again and agrees.

    Args:
        tolerance: Difference of numbers that counts as rounding, as a share of a column's
            spread.
        max_rows: Rows that are drawn, by a seed that the rows give, where there are more.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.core.artifact import ColumnChange
        >>> from hauberk.formats.tables import table_of
        >>> def table(*xs):
        ...     return table_of("t", [pa.RecordBatch.from_pydict({"x": list(xs)})])
        >>> declared = (ColumnChange(column="x", deed="multiply", numbers={"factor": 2.0}),)
        >>> step = Transformation(old=table(1.0, 2.0), new=table(2.0, 4.5), declared=declared)
        >>> [finding.message for finding in UndeclaredChanges().check(step)]
        ['1 of 2 cells of x in t differ from what the step declares']

    References:
        Turner, Tsipras and Madry (2019), Label-consistent backdoor attacks, for noise that
        hides in honest labels. Breck and others (2019), Data validation for machine learning.
    """

    title: ClassVar[str] = "A step did what it does not declare"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("PP-2"),
        ThreatId("PP-5"),
        ThreatId("PP-1"),
    )
    subject: ClassVar[Any] = Transformation

    tolerance: float = 1e-4
    max_rows: int = 200_000

    def check(self, subject: Transformation) -> Iterator[Finding]:
        """A finding for each column that differs, up to twenty.

        Raises:
            ArtifactError: Rows cannot be matched, or a transform does not fit its column.
        """
        declared = contracts.changes_by_column(subject)
        yield from _columns(subject, declared)
        pairing = contracts.paired(subject, self.max_rows)
        shared = [n for n in contracts.kinds(subject.new) if n in contracts.kinds(subject.old)]
        found = ((n, self._differing(pairing, n, declared.get(n, []))) for n in shared)
        differing = [(name, rows) for name, rows in found if rows.size]
        for name, rows in differing[:_MAX_FINDINGS]:
            yield _finding(subject, name, rows, pairing.after.size)

    def _differing(self, pairing: Pairing, name: str, changes: list[ColumnChange]) -> Any:
        """Row numbers in the output whose cell is not what was declared."""
        old = pairing.old.column(name).take(_places(pairing.before))
        new = pairing.new.column(name).take(_places(pairing.after))
        if all(change.deed == "map" for change in changes):
            if not changes and old.equals(new):
                return pairing.after[:0]
            expected = replayed(contracts.texts(old), changes)
            apart = [a != b for a, b in zip(expected, contracts.texts(new), strict=True)]
            return pairing.after[np.array(apart, bool)]
        values = replayed(contracts.numbers(old), changes)
        return pairing.after[differs(values, contracts.numbers(new), self.tolerance)]


def _places(rows: Any) -> Any:
    import pyarrow as pa

    return pa.array(rows, pa.int64())


def _columns(subject: Transformation, declared: dict[str, list[ColumnChange]]) -> Iterator[Finding]:
    """Columns that vanished, appeared or were declared and are not there."""
    old, new = contracts.kinds(subject.old), contracts.kinds(subject.new)
    dropped = {name for name, own in declared.items() if any(c.deed == "drop" for c in own)}
    deeds = (
        ("vanished", sorted(set(old) - set(new) - dropped)),
        ("appeared", sorted(set(new) - set(old))),
        ("was declared as dropped and is still there", sorted(dropped & set(new))),
        ("has a declared transform and is not there", sorted(set(declared) - set(old))),
    )
    for deed, names in deeds:
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield Finding(
                message=f"column {names[0]} of {subject.new.name} {deed}{more}",
                path=subject.new.name,
                severity=Severity.HIGH,
                threats=UndeclaredChanges.threats,
                location=Location(field=names[0]),
                remedy="Declare what the step does to its columns, or undo it.",
            )


def _finding(subject: Transformation, name: str, rows: Any, n: int) -> Finding:
    is_label = name == subject.new.label
    return Finding(
        message=f"{rows.size} of {n} cells of {name} in {subject.new.name} differ from what "
        "the step declares",
        path=subject.new.name,
        severity=Severity.CRITICAL if is_label else Severity.HIGH,
        threats=UndeclaredChanges.threats,
        location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=name),
        remedy="Look at what the step does to these cells; declare it if it is meant, and "
        "have it reviewed.",
        evidence=Evidence(
            statistic="cells that differ from the replay",
            value=float(rows.size),
            threshold=0.0,
            n=n,
        ),
    )
