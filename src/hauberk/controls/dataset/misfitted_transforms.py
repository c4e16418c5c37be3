"""Parameters of a transform that its training rows do not give; see `MisfittedTransforms`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import ColumnChange, Transformation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import contracts
from hauberk.methods.replay import fitted, replayed, spread_of

_MAX_FINDINGS = 20
_FITTED = ("standardise", "min_max", "robust", "fill")
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class MisfittedTransforms(Check[Transformation]):
    """Scalers and fills whose parameters are not those of the training rows.

    Means, scales, limits and fills that a contract declares are computed again from the
    training rows, after the transforms that come before them. A scaler's file that was
    edited, or one that was fitted on test rows too, gives others.

    Limits:
        Parameters of other deeds (``clip``, ``multiply``) follow from no rows and are only
        replayed (see `UndeclaredChanges`). Rows that were planted before the fit move the
        parameters themselves: those are `DistortedValues`.

    Args:
        tolerance: Difference that counts as rounding, as a share of the column's spread.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> x = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0, 2.0, 3.0]})])
        >>> how = {"mean": 2.0, "scale": 9.0}
        >>> declared = (ColumnChange(column="x", deed="standardise", numbers=how),)
        >>> step = Transformation(old=x, new=x, declared=declared)
        >>> [finding.location.field for finding in MisfittedTransforms().check(step)]
        ['x']

    References:
        Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in machine
        learning based science, section on preprocessing of training and test rows together.
    """

    title: ClassVar[str] = "A scaler does not fit its training rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-5"),)
    subject: ClassVar[Any] = Transformation

    tolerance: float = 1e-3

    def check(self, subject: Transformation) -> Iterator[Finding]:
        """A finding for each column whose parameters differ, up to twenty.

        Raises:
            NotApplicable: Nothing that is declared is fitted on rows.
            ArtifactError: A transform of numbers is declared for other cells.
        """
        declared = {
            name: changes
            for name, changes in contracts.changes_by_column(subject).items()
            if any(change.deed in _FITTED for change in changes)
        }
        if not declared:
            raise NotApplicable("no declared transform has parameters that rows give")
        training = subject.training or subject.old
        shown = 0
        for name, cells in contracts.columns_of(training, set(declared)):
            for change, ways in self._others(declared[name], contracts.numbers(cells)):
                if shown < _MAX_FINDINGS:
                    yield _finding(subject, name, change, ways)
                shown += 1

    def _others(
        self, changes: list[ColumnChange], cells: Any
    ) -> Iterator[tuple[ColumnChange, tuple[Mapping[str, float], ...]]]:
        """Changes whose parameters none of the usual ways gives, with what they give."""
        for place, change in enumerate(changes):
            values = replayed(cells, changes[:place])
            ways = fitted(change, values)
            room = self.tolerance * max(spread_of(values), _TINY)
            if ways and not any(_agree(change.numbers, way, room) for way in ways):
                yield change, ways


def _agree(declared: Mapping[str, float], way: Mapping[str, float], room: float) -> bool:
    return all(abs(declared[key] - value) <= room for key, value in way.items())


def _finding(
    subject: Transformation,
    name: str,
    change: ColumnChange,
    ways: tuple[Mapping[str, float], ...],
) -> Finding:
    said = ", ".join(f"{key} {value:g}" for key, value in change.numbers.items())
    gives = ", ".join(f"{key} {value:g}" for key, value in ways[0].items())
    training = subject.training or subject.old
    return Finding(
        message=f"{change.deed} of {name} uses {said}; the rows of {training.name} give {gives}",
        path=subject.new.name,
        severity=Severity.HIGH,
        threats=MisfittedTransforms.threats,
        location=Location(field=name),
        remedy="Fit the transform again on the training rows alone; find who edited its file.",
        evidence=Evidence(facts={"declared": said, "training rows give": gives}),
    )
