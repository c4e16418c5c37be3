"""Live columns that are not the ones training had; see `ChangedColumns`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import ColumnKind, Window
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.sketches.profile import Profile

_MAX_NAMED = 20
"""Columns named one by one; a table of other columns altogether is one finding more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedColumns(Check[Window]):
    """Columns that are gone, new, or hold another kind of value than in training.

    Distributions can only be compared column by column where the columns are the same. One
    that is gone, or that turned from numbers into text, would otherwise drop out of every
    comparison without a word, which is how a changed feed hides.

    Limits:
        A column that keeps its name and kind and changes its meaning is left to
        `hauberk.controls.dataset.input_drift`. A label that has not come yet is not missed.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> from hauberk.sketches.profile import profile_of
        >>> train = table_of("train", [pa.record_batch({"x": [1, 2], "y": [3, 4]})])
        >>> live = table_of("live", [pa.record_batch({"x": ["a", "b"]})])
        >>> window = Window(profile=profile_of(train).to_bytes(), live=live)
        >>> [finding.location.field for finding in ChangedColumns().check(window)]
        ['y', 'x']

    References:
        Breck and others (2019), Data validation for machine learning, section 3.
    """

    title: ClassVar[str] = "Live columns are not those of training"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-3"),)
    subject: ClassVar[Any] = Window

    def check(self, subject: Window) -> Iterator[Finding]:
        """One finding for each column that is gone, new or of another kind."""
        training = Profile.from_bytes(subject.profile)
        before = {column.name: column.kind for column in training.columns}
        now = {column.name: column.kind for column in subject.live.columns}
        gone = [name for name in before if name not in now and name != training.label]
        new = [name for name in now if name not in before]
        changed = [name for name in before if name in now and _is_other(before[name], now[name])]
        for name in gone[:_MAX_NAMED]:
            yield _finding(subject, name, "is gone", f"a column of {before[name]}", "nothing")
        for name in changed[:_MAX_NAMED]:
            text = "holds another kind of value"
            yield _finding(subject, name, text, str(before[name]), str(now[name]))
        for name in new[:_MAX_NAMED]:
            text = "was not there in training"
            yield _finding(
                subject, name, text, "no such column", str(now[name]), severity=Severity.LOW
            )
        left_out = sum(max(len(names) - _MAX_NAMED, 0) for names in (gone, changed, new))
        if left_out:
            text = f"and {left_out} more columns are gone, new or changed"
            yield _finding(subject, "", text, "the columns of training", f"{len(now)} columns")


def _is_other(before: ColumnKind, now: ColumnKind) -> bool:
    """Whether values of the two kinds cannot be compared; categories and texts can."""
    words = {ColumnKind.CATEGORY, ColumnKind.TEXT}
    return before is not now and not {before, now} <= words


def _finding(
    subject: Window,
    name: str,
    text: str,
    expected: str,
    found: str,
    *,
    severity: Severity = Severity.HIGH,
) -> Finding:
    where = f"column {name} {text}" if name else text
    return Finding(
        message=f"{where}; expected {expected}, found {found}",
        path=subject.live.name,
        severity=severity,
        remedy="find out what changed in the feed; train again if it was meant",
        location=Location(field=name or None),
        evidence=Evidence(facts={"expected": expected, "found": found}),
    )
