"""Rows that a model of one's own has said: see `GeneratedRows`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.formats.tables import features_of
from hauberk.methods.output_marks import Marks

_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedRows(Check[Dataset]):
    """Rows that a model of one's own has said.

    The guard leaves a mark of every text that a model answers in its log. Here the texts of a
    data set are held against those marks, word for word and, by runs of three words, after
    edits. What a model said and somebody stored comes back as generated, whatever was stripped
    from it on the way.

    Limits:
        Outputs of fewer than eight words, of models that no guard stood before, and numbers are
        not marked. A text that is said again in other words throughout is another text: beyond
        a third of the words changed most pass. Text that the model itself quoted from its
        sources is found in the sources, too.

    References:
        Shumailov et al. (2024), AI models collapse when trained on recursively generated data.
        Krishna et al. (2023), Paraphrasing evades detectors of AI-generated text, but retrieval
        is an effective defense. For the marks see `hauberk.methods.output_marks`.
    """

    title: ClassVar[str] = "Rows were said by a model of one's own"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("OU-3"), ThreatId("OU-6"), ThreatId("IN-6"))
    subject: ClassVar[Any] = Dataset

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and at most one finding.

        Raises:
            ArtifactError: The marks are none.
            NotApplicable: There are no marks, or no texts.
        """
        if not subject.generated:
            raise NotApplicable("no log that holds marks of outputs is named (--outputs)")
        names = [c.name for c in features_of(subject) if c.kind is ColumnKind.TEXT]
        if not names:
            raise NotApplicable("no column holds texts")
        marks, scores, exact = Marks(subject.generated), [], 0
        for batch in subject.read():
            columns = [cell_texts(batch.column(name)).to_pylist() for name in names]
            for cells in zip(*columns, strict=True):
                matches = [found for cell in cells if cell and (found := marks.match(cell))]
                scores.append(max((match.share for match in matches), default=0.0))
                exact += any(match.is_exact for match in matches)
        yield RowScores(
            path=subject.name,
            n_rows=len(scores),
            read=lambda: iter([(0, scores)]),
            flagged_above=0.0,
        )
        rows = [row for row, score in enumerate(scores) if score]
        if rows:
            yield self._finding(subject, rows, exact, len(marks))

    def _finding(self, subject: Dataset, rows: list[int], exact: int, n_marks: int) -> Finding:
        return Finding(
            message=f"{len(rows)} rows of {subject.name} were said by a model: {exact} word for "
            f"word, {len(rows) - exact} with changes",
            path=subject.name,
            severity=Severity.HIGH,
            threats=self.threats,
            location=Location(rows=tuple(rows[:_SHOWN])),
            remedy="Leave these rows out (hauberk data quarantine), or keep them as generated, "
            "with a weight of their own; ask where they were collected.",
            evidence=Evidence(
                statistic="rows known from the log of outputs",
                value=float(len(rows)),
                threshold=0.0,
                facts={"word for word": str(exact), "outputs in the log": str(n_marks)},
            ),
        )
