"""Labels that a step changed though it declared no new ones; see `ChangedLabels`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hauberk.core.artifact import ROW_COLUMN, Comparison, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts, row_digests
from hauberk.formats.tables import features_of

_SHOWN = 10

Labels = dict[str, list[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedLabels(Check[Comparison[Dataset]]):
    """The transform contract: a step keeps the label of every row, byte for byte.

    Rows are matched by the row ids that the step carried through; without them by their
    features, as a multiset of labels for each. Labels compare as canonical text, so that a
    change of file format is none. A declared ``relabel`` map is applied to the old labels
    first.

    Limits:
        Without row ids a step that changes the features too leaves nothing to match by:
        those rows are counted in the evidence of a finding but are no finding. Where the
        same features carried several labels, a swap among them is no change.

    Args:
        relabel: Old label to new label, for a step that declares one; others must stay.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def table(*labels):
        ...     rows = pa.RecordBatch.from_pydict({"x": [1, 2], "y": labels})
        ...     return table_of("t", [rows], label="y")
        >>> step = Comparison(old=table("a", "b"), new=table("a", "c"))
        >>> [finding.message for finding in ChangedLabels().check(step)]
        ['1 of 2 matched rows of t has another label than before']
        >>> list(ChangedLabels(relabel={"b": "c"}).check(step))
        []

    References:
        Biggio and Roli (2018), Wild patterns, section 4 (attacks on training labels).
    """

    title: ClassVar[str] = "A step changed labels"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-1"),)
    subject: ClassVar[Any] = (Comparison, Dataset)

    relabel: Mapping[str, str] = field(default_factory=dict)

    def check(self, subject: Comparison[Dataset]) -> Iterator[Finding]:
        """At most one finding.

        Raises:
            NotApplicable: One half or its label is missing, or no row can be matched.
        """
        old, new = subject.old, subject.new
        if old is None:
            raise NotApplicable("there is no data set from before the step")
        if old.label is None or new.label is None:
            raise NotApplicable("no column is named as the label")
        names = _shared_features(old, new)
        carried = all(_carries_ids(part) for part in (old, new))
        before = _labels_by_key(old, names, carried=carried)
        matched, changed = self._compare(before, new, names, carried=carried)
        if not matched:
            raise NotApplicable("no row of the new data set can be matched with an old one")
        if changed:
            yield _finding(new, matched, changed, by="row id" if carried else "features")

    def _compare(
        self, before: Labels, new: Dataset, names: list[str], *, carried: bool
    ) -> tuple[int, list[int]]:
        """Rows matched, and the numbers of those whose label is none they had."""
        left = {
            key: [None if y is None else self.relabel.get(y, y) for y in ys]
            for key, ys in before.items()
        }
        matched, changed = 0, []
        for row, (key, label) in enumerate(_keyed(new, names, carried=carried)):
            if key not in left:
                continue
            matched += 1
            if label in left[key]:
                left[key].remove(label)
            else:
                changed.append(row)
        return matched, changed


def _carries_ids(part: Dataset) -> bool:
    return any(column.name == ROW_COLUMN for column in part.columns)


def _shared_features(old: Dataset, new: Dataset) -> list[str]:
    known = {column.name for column in features_of(old)}
    return [column.name for column in features_of(new) if column.name in known]


def _labels_by_key(part: Dataset, names: list[str], *, carried: bool) -> Labels:
    labels: Labels = {}
    for key, label in _keyed(part, names, carried=carried):
        labels.setdefault(key, []).append(label)
    return labels


def _keyed(part: Dataset, names: list[str], *, carried: bool) -> Iterator[tuple[str, str | None]]:
    """What each row is matched by, with its label."""
    for batch in part.read():
        labels = cell_texts(batch.column(part.label)).to_pylist()
        if carried:
            keys = batch.column(ROW_COLUMN).to_pylist()
        else:
            keys = [d.hex() for d in row_digests(batch.select(names))]  # type: ignore[attr-defined] # Arrow's own
        yield from zip(keys, labels, strict=True)


def _finding(new: Dataset, matched: int, changed: list[int], *, by: str) -> Finding:
    verb = "has" if len(changed) == 1 else "have"
    return Finding(
        message=f"{len(changed)} of {matched} matched rows of {new.name} {verb} another label "
        "than before",
        path=new.name,
        severity=Severity.CRITICAL,
        threats=ChangedLabels.threats,
        location=Location(rows=tuple(changed[:_SHOWN]), field=new.label),
        remedy="Undo the change in the step, or declare a relabel map and have it reviewed.",
        evidence=Evidence(
            statistic="rows with another label",
            value=float(len(changed)),
            threshold=0.0,
            n=matched,
            facts={"rows matched by": by},
        ),
    )
