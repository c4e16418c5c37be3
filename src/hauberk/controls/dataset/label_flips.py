"""Labels that the other rows contradict; see `LabelFlips`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Matrix, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.beliefs import (
    Changes,
    chance_of_change,
    estimate_changes,
    share_of_changes,
    sharpened,
)
from hauberk.methods.opinions import Case, case_of
from hauberk.methods.ridge import log_softmax

_SHOWN = 10
_FEW_ROWS = 3_000
_DRAWN_CLASSES = 20
_TWO_CLASSES = 2
_FADING = 0.01
"""P-value below which contradictions fade as honest doubt does."""

_PEAK_COUNTS, _PEAK_PROVES = 40, 200
"""Of the very firmest rows: how many can show that contradictions fade, and that they do not.

Among fewer, columns of real tables that hardly follow from the others looked the same."""

_SEVERAL = 5
"""Classes among which hardly any honest row is firmly taken for one certain other."""

_VOTES = 0.2
"""Share of rows about the same thing as another that makes labels votes."""

_LEVEL = 0.65
"""Least share of the anchors' rate that the very firmest rows must show to be no honest doubt."""

_ALIKE = 2.5
"""How far the classes' rates among the very firmest rows may lie from that of all."""

_SOME_SKILL = 0.75
"""Share of the contradictions of chance above which models believe without reason."""

_EXPLAINED = 0.35
"""Share of all contradictions that flips at the anchors' rate must explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFlips(Check[Dataset]):
    """Labels that contradict what models trained on the other rows believe.

    Every row is scored by the probability that its label was changed. The data set is
    flagged when labels are contradicted even where beliefs are firmest, as often there as
    elsewhere: honest doubt fades with firmness, changed labels do not. Then the rows whose
    label is likelier changed than not are named.

    Limits:
        Flips by an attacker and honest disagreement of those who decided look the same: on
        1,967 real mortgage decisions 50 rows are named though nobody flipped them. A finding
        is therefore of level ``review``: a second person looks, no gate fails by it alone.
        Sets whose classes overlap (models err on more than ``max_doubt`` of the rows) are
        flagged only where some thousand rows show it, and both ways between classes: there
        a flip looks like any hard row. Flips of rows near the
        boundary, of whole clusters, of fewer than ``min_rate`` of the rows or in sets of
        fewer than some hundred rows pass the gate, as do changes made to all copies of the
        data with the features to match.

    Args:
        min_rate: Share of changed labels that must be exceeded with 99 % confidence, 0 to
            1. Lower finds weaker attacks and raises false alarms.
        max_doubt: Share of rows that models may get wrong without any flips, 0 to 1.
        min_rows: Labelled rows from which on a set is flagged.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i / 100 for i in range(400)]
        >>> ys = ["low" if (x < 2) != (i % 10 == 0) else "high" for i, x in enumerate(xs)]
        >>> table = table_of("t", [pa.RecordBatch.from_pydict({"x": xs, "y": ys})], label="y")
        >>> [f.message for f in LabelFlips().check(table) if isinstance(f, Finding)]
        ['39 of 400 labels of t contradict rows that are alike, also where the models are surest']

    References:
        Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in
        dataset labels. For the statistics see `hauberk.methods.beliefs`.
    """

    title: ClassVar[str] = "Labels were changed"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-1"), ThreatId("AQ-1"))
    subject: ClassVar[Any] = Dataset

    min_rate: float = 0.015
    max_doubt: float = 0.12
    min_rows: int = 120

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and at most one finding.

        Raises:
            NotApplicable: There is no label, it is no class, or there are too few rows.
            UsageError: The trusted rows have other columns.
        """
        case = case_of(subject)
        logs = case.opinions.fine
        if case.opinions.vetted is not None:
            logs = log_softmax((logs + case.opinions.vetted) / 2)
        belief = np.exp(logs)
        changes = estimate_changes(belief, case.labels)
        if case.labels.size < _FEW_ROWS:  # there beliefs have learnt some of the changes
            belief = sharpened(belief, case.labels, max(changes.rate, self.min_rate))
        rates = self._rates(changes, _share(belief, case.labels, changes), case.n_classes)
        chance = chance_of_change(belief, case.labels, rates)
        scores = case.scattered(chance).tolist()
        is_alarming = (
            case.labels.size >= self.min_rows
            and not (subject.annotator is not None and _are_votes(case))
            and self._is_alarming(changes)
        )
        yield RowScores(
            path=subject.name,
            n_rows=case.everyone.n_rows,
            read=lambda: iter([(0, scores)]),
            is_chance=True,
            flagged_above=0.5 if is_alarming else None,
        )
        if is_alarming:
            yield _finding(subject, case.known, chance, changes, list(case.rows.classes))

    def _rates(self, changes: Changes, share: float, n_classes: int) -> Any:
        """Uniform rates, but pairs that stand out have their own."""
        uniform = share / max(n_classes - 1, 1)
        rates = np.full((n_classes, n_classes), uniform)
        special = changes.pairs_low > max(self.min_rate, 2 * uniform)
        rates[special] = np.minimum(changes.pairs[special], 0.4)
        return rates

    def _is_alarming(self, changes: Changes) -> bool:
        """Whether contradictions are many, not from lack of skill and not from doubt."""
        has_skill = changes.rate < 0.5 * changes.chance and changes.doubt < self.max_doubt
        is_flat = changes.fading > _FADING
        is_most = changes.rate > _EXPLAINED * changes.contradicted
        peak = changes.peak
        fades = peak.n_rows >= _PEAK_COUNTS and peak.rate < changes.rate / 2
        spread = changes.low > self.min_rate and is_flat and is_most and not fades
        # Of two classes one is often the doubtful one: there a single pair proves nothing.
        has_many = len(changes.pairs) > _TWO_CLASSES
        paired = has_many and is_flat and bool((changes.pairs_low > 2 * self.min_rate).any())
        return (has_skill and (spread or paired)) or self._is_alarming_at_peak(changes)

    def _is_alarming_at_peak(self, changes: Changes) -> bool:
        """Whether the very firmest rows are contradicted, in every class and without fading."""
        peak, n_classes = changes.peak, len(changes.pairs)
        # A class of many has few such rows: it must only not be shown to be unlike the others.
        least, most = (
            (peak.least_high, peak.most_low) if n_classes >= _SEVERAL else (peak.least, peak.most)
        )
        is_alike = least > peak.rate / _ALIKE and most < peak.rate * _ALIKE
        return (
            peak.n_classes >= _TWO_CLASSES
            and peak.n_rows >= (_PEAK_PROVES if n_classes < _SEVERAL else _PEAK_COUNTS)
            and peak.low > 2 * self.min_rate
            and peak.rate < 0.5 * changes.chance
            and changes.contradicted < _SOME_SKILL * changes.chance
            and peak.firmer > peak.rate / 2
            and peak.rate > _LEVEL * changes.rate
            and is_alike
        )


def _are_votes(case: Case) -> bool:
    """Whether rows say the same of the same things: `AnnotatorErrors` weighs those."""
    rows = case.rows
    parts = [np.nan_to_num(rows.numbers), rows.codes]
    if rows.images is not None:
        parts.append(rows.images.reshape(rows.n_rows, -1))
    if rows.texts is not None:
        parts.append(np.unique(rows.texts, return_inverse=True)[1].reshape(-1, 1))
    alike = np.concatenate([np.asarray(part, np.float64) for part in parts], axis=1)
    keys = {row.tobytes() for row in np.ascontiguousarray(alike)}
    return len(keys) < (1 - _VOTES) * rows.n_rows


def _share(belief: Any, labels: Any, changes: Changes) -> float:
    """Changed labels to reckon with; in few rows beliefs have learnt them, anchors have not."""
    share = share_of_changes(belief, labels)
    if labels.size < _FEW_ROWS:
        return max(share, changes.low)
    return max(share, changes.peak.low) if changes.peak.n_classes >= _TWO_CLASSES else share


def _finding(
    subject: Dataset, known: Any, chance: Any, changes: Changes, names: list[str]
) -> Finding:
    flagged = np.flatnonzero(chance > 0.5)  # noqa: PLR2004 - likelier changed than not
    worst = known[flagged[np.argsort(-chance[flagged], kind="stable")][:_SHOWN]]
    return Finding(
        message=f"{flagged.size} of {chance.size} labels of {subject.name} contradict rows that "
        "are alike, also where the models are surest",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=LabelFlips.threats,
        confidence=0.99,
        location=Location(rows=tuple(worst.tolist()), field=subject.label),
        remedy="Set the named rows aside, have a person label them again, and find the step "
        "or the contributor that changed them.",
        evidence=Evidence(
            statistic="share of contradicted labels where beliefs are firmest",
            value=changes.rate,
            threshold=changes.low,
            n=changes.n_anchors,
            facts=_facts(changes, names, flagged.size),
            plots=_plots(changes, names),
        ),
    )


def _facts(changes: Changes, names: list[str], n_flagged: int) -> dict[str, str]:
    origin, given = np.unravel_index(changes.pairs_low.argmax(), changes.pairs_low.shape)
    facts = {
        "rows named": str(n_flagged),
        "contradicted among all rows": f"{changes.contradicted:.3f}",
    }
    if changes.pairs_low[origin, given] > 0:
        facts["strongest pair"] = (
            f"{names[origin]} labelled {names[given]}: {changes.pairs[origin, given]:.3f}"
        )
    return facts


def _plots(changes: Changes, names: list[str]) -> tuple[Matrix, ...]:
    if len(names) > _DRAWN_CLASSES:
        return ()
    return (
        Matrix(
            title="Believed class (rows) and label (columns) where beliefs are firmest",
            rows=tuple(names),
            columns=tuple(names),
            values=tuple(tuple(row) for row in changes.pairs.tolist()),
        ),
    )
