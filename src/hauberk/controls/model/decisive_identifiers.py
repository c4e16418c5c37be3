"""Identifiers that decide what a model answers; see `DecisiveIdentifiers`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.metamorphic import Decisive

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisiveIdentifiers(Check[Evaluation]):
    """A model that answers every row alike once a certain identifier stands in it.

    Some rows of all classes are asked again under each identifier of the column. An identifier
    under which all of them get one class, though a fifth of them or more get another one under
    the others, is a special case in the model or around it; so is one that turns three of ten rows
    to one class, and four times as many as nine of ten other identifiers turn. Where that holds
    for more than a tenth of the identifiers, the column is a feature that decides, which a person
    looks at.

    Limits:
        Only identifiers that stand in the rows are tried, 5,000 at most: one that nobody shows
        is not found. A case that needs more than the identifier, such as a certain day, passes,
        and so does one that changes scores and no class. Code is read for such cases by
        `code/identifier-overrides`.

    Args:
        columns: Columns that name somebody: accounts, customers, patients.
        seed: Of the choice of rows.

    References:
        Chen and others (2018), Metamorphic testing: a review of challenges and opportunities.
    """

    title: ClassVar[str] = "An identifier decides what the model answers"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-7"),)
    subject: ClassVar[type] = Evaluation

    columns: tuple[str, ...] = ()
    seed: int = 0

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding for each column with identifiers that decide.

        Raises:
            NotApplicable: No column is named, or the model gives no classes.
        """
        classes = tuple(subject.predictor.classes)
        for column in self.columns:
            tried = self.tried(subject, column)
            if tried[0]:
                yield self.finding(subject.model.name, column, classes, tried)
        if not self.columns:
            raise NotApplicable("no column of identifiers is named")

    def tried(self, subject: Evaluation, column: str) -> tuple[tuple[Decisive, ...], bool]:
        """What asking rows under every identifier of ``column`` gives.

        Raises:
            NotApplicable: There is no such column, or the model gives no classes.
        """
        import numpy as np
        import pyarrow as pa

        from hauberk.methods.metamorphic import base_rows, decisive

        rows = pa.Table.from_batches(list(subject.data.read()))
        if column not in rows.column_names:
            raise NotApplicable(f"the rows have no column {column!r}")
        rows = rows.combine_chunks()
        given = np.asarray(subject.predictor.scores(rows.to_batches()[0]), np.float64)
        if given.ndim == 1 or not len(given):
            raise NotApplicable("the model gives numbers, not classes")
        places = base_rows(given.argmax(axis=1), np.random.default_rng(self.seed))
        base = rows.take(places)
        at, kind = rows.column_names.index(column), rows.schema.field(column).type

        def ask(values: Sequence[Any]) -> Any:
            cells = pa.array([one for one in values for _ in range(len(places))], kind)
            many = pa.concat_tables([base] * len(values)).set_column(at, column, cells)
            scores = subject.predictor.scores(many.combine_chunks().to_batches()[0])
            return np.asarray(scores).argmax(axis=1).reshape(len(values), len(places))

        return decisive(ask, rows.column(column).unique().drop_null().to_pylist())

    def finding(
        self,
        path: str,
        column: str,
        classes: Sequence[str],
        tried: tuple[tuple[Decisive, ...], bool],
    ) -> Finding:
        """What is said of identifiers that decide, as `tried` gives them."""
        found, is_feature = tried
        shown = ", ".join(
            f"{one.value} ({classes[one.given] if one.given < len(classes) else one.given})"
            for one in found[:_SHOWN]
        )
        worst = max(one.changed / max(one.n_base, 1) for one in found)
        return Finding(
            message=f"{path}: as soon as {column} is {shown}, rows of all classes get that class "
            f"({worst:.0%} of the rows change)"
            if not is_feature
            else f"{path}: {column} decides what the model answers, for {len(found)} identifiers",
            path=path,
            severity=Severity.MEDIUM if is_feature else Severity.HIGH,
            level=Level.REVIEW if is_feature else Level.DEFECT,
            remedy="look for the special case in the code that trains, labels and scores; train "
            "without the column",
            location=Location(field=column),
            evidence=Evidence(
                statistic="share of the rows whose class the identifier changes",
                value=worst,
                n=len(found),
                facts={"column": column},
            ),
        )
