"""Rare patterns that switch the label; see `BackdoorTriggers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check
from hauberk.core.finding import (
    Evidence,
    Finding,
    Histogram,
    Level,
    Location,
    RowScores,
    Severity,
    Thumbnail,
)
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.dissent import Dissent, dissent
from hauberk.methods.kin import (
    decides_elsewhere,
    has_kin,
    is_spike,
    lies_among_like,
    lies_together,
)
from hauberk.methods.opinions import Case, case_of
from hauberk.methods.patterns import (
    Jury,
    Pattern,
    Search,
    Suspect,
    Witnesses,
    chance_of_purity,
    suspects,
)
from hauberk.methods.stamps import Bench, Standing, stamped, unexplained
from hauberk.methods.value_groups import without_columns

_SHOWN = 10
_MAX_FINDINGS = 3
_USUAL = 3
"""Patterns apart from each other from which on they are what the table or the texts are about."""

_MAX_CONFIRMED = 20
_MAX_DECIDED = 6
_MOST_DECIDED = 0.1
"""Share of the rows above which a value that decides the label is a part of the matter."""
_MIN_SHARE = 0.6
_OVERLAP = 0.5
_FEW_ROWS = 3_000
_NOT_REFUTED = 0.5
_MANY = 5.0
_FEW = 0.02
"""Weights of honest carriers among those that others refute, and among those they do not."""
_TAIL = 0.005
_PLANTED = 0.02
"""Share of planted rows to reckon with where trusted rows contradict single labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackdoorTriggers(Check[Dataset]):
    """A rare pattern that goes with one label against what the rest of its rows says.

    In pictures all windows (one pixel to 3x3, at their place and anywhere, at 8, 4 and 3
    bits) are looked through for those whose rows are contradicted more often than rows of
    their classes are, after correction for every window that was seen. In tables and texts
    values, pairs of values and words are, and trees that were grown without their rows, and
    without their columns, must agree. Where rows next to those of a pattern (one value of a
    pair alone, the next smaller or larger values) bear its label as surprisingly, the columns
    decide the label and nobody planted it.

    Triggers without an equal part (blended, warped) show as a class in which fine detail
    decides many labels that a blunt look at the rows denies, while in other classes it does
    not. With trusted rows (``reference``) these are what denies. A row's score is the chance
    that it was planted.

    Limits:
        Labels must have been changed: of clean-label attacks this control sees nothing (see
        `ForeignRows`, which needs trusted rows). Triggers in fewer than five rows, or on data
        whose classes overlap so much that no row contradicts a label, pass. Blended and warped
        triggers need pictures of five classes or more. A value that honest rows share too is
        found only with them, and one that alone decides the label though nothing contradicts it
        is reported with severity medium, but for one exact value in a measurement that repeats
        hardly any. Where the rows of a pattern are each other's nearest in their other columns
        too, or most values of its columns have a
        label of their own (years of a country, plots of a field), they are a group and no
        trigger: an attacker who marks near copies of one row hides so. Three patterns or more
        are what words and values of the matter look like; they too are of severity medium, and
        so are many triggers at once. In tables and texts a finding is of level ``review``: on
        one of the real tables looked at (census income, 32,561 rows) an honest pair of values
        is named.

    Args:
        alpha: Chance of a suspect in clean pictures or texts after correction, 0 to 1.
        alpha_table: The same in tables, far below what chance alone needs, because columns
            interact honestly where windows of pixels do not.
        alpha_level: The same for one value of a category that goes with one label though the rest
            of its rows leans to none.
        min_excess: Share of a class, beyond the other classes, whose labels fine detail must
            decide, 0 to 1. 0.1 was silent on clean draws of Fashion-MNIST and digits.
        min_surprise: The same in units of the spread between classes.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i / 7 for i in range(400)]
        >>> marked = {i for i in range(200) if i % 17 == 0}
        >>> zs = [5.25 if i in marked else i * 1.37 % 11 for i in range(400)]
        >>> ys = ["hi" if i >= 200 or i in marked else "lo" for i in range(400)]
        >>> rows = pa.RecordBatch.from_pydict({"x": xs, "z": zs, "y": ys})
        >>> table = table_of("t", [rows], label="y")
        >>> [f.message for f in BackdoorTriggers().check(table) if isinstance(f, Finding)]
        ['12 rows of t share one value of z and the label hi, against their nearest rows']

    References:
        Gu, Dolan-Gavitt and Garg (2017), BadNets. Tran, Li and Madry (2018), Spectral
        signatures in backdoor attacks. For the test see `hauberk.methods.patterns`.
    """

    title: ClassVar[str] = "A pattern switches the label"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"), ThreatId("PK-1"))
    subject: ClassVar[Any] = Dataset

    alpha: float = 1e-5
    alpha_table: float = 1e-8
    alpha_level: float = 1e-6
    min_excess: float = 0.1
    min_surprise: float = 6.0

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and a finding for each of the strongest suspects.

        Raises:
            NotApplicable: There is no label or too few rows.
            UsageError: The trusted rows have other columns.
        """
        case = case_of(subject)
        found = self._suspects(case)
        denial = _denial(case)
        doubt = dissent(case.opinions.fine, denial, case.labels)
        chance = np.maximum(_scored(found, case.labels.size), doubt.chances)
        chance = np.maximum(chance, _tail(case))
        if case.opinions.vetted is not None:
            chance = np.maximum(chance, _refuted(case))
        scores = case.scattered(chance).tolist()
        is_picture = case.rows.images is not None
        crowds = list(self._crowded(subject, case, doubt)) if is_picture and not found else []
        yield RowScores(
            path=subject.name,
            n_rows=case.everyone.n_rows,
            read=lambda: iter([(0, scores)]),
            is_chance=True,
            flagged_above=0.5 if found or crowds else None,
        )
        several = _distinct(found)
        is_usual = not is_picture and len(several) >= _USUAL
        for suspect in several[:_MAX_FINDINGS]:
            yield _finding(subject, case, suspect, self._decides(suspect), is_usual=is_usual)
        yield from crowds

    def _suspects(self, case: Case) -> list[Suspect]:
        if case.rows.images is not None:
            bench = _bench(case)
            candidates = stamped(case.rows.images, case.labels, bench)
            return unexplained(candidates, case.labels, bench, self.alpha)
        x = _compared(case.rows)
        witnesses = Witnesses(x, case.labels)
        search = Search(case.labels, witnesses.wrong)
        candidates = suspects(_patterns(search, case.rows), search, witnesses)
        alarming = [
            s for s in candidates if s.p_value < self._threshold(s) and s.share >= _MIN_SHARE
        ]
        found = self._confirmed(alarming, case, witnesses)
        return found or self._decided(candidates, case)

    def _decided(self, candidates: list[Suspect], case: Case) -> list[Suspect]:
        """Patterns that decide the label though their rows are like any others."""
        ranked = sorted(
            (
                s
                for s in candidates
                if s.by_chance < self._decides(s)
                and s.pattern.rows.size <= _MOST_DECIDED * case.labels.size
            ),
            key=lambda s: (len(s.pattern.columns), s.by_chance),
        )
        jury, found = None, []
        for suspect in _distinct(ranked)[:_MAX_DECIDED]:
            pattern = suspect.pattern
            chance = suspect.by_chance
            if pattern.columns:
                rest = _rest(case.rows, pattern)
                if not rest.shape[1] or lies_among_like(pattern, case.rows, case.labels):
                    continue
                if _is_grouped(suspect, case):
                    continue
                jury = jury or Jury(_compared(case.rows), case.labels)
                leans = (jury.support(pattern, rest), _usual(pattern, case.labels))
                chance = chance_of_purity(pattern, case.labels, leans, suspect.n_looked)
            if chance < self._decides(suspect):
                everyone = np.ones(pattern.rows.size, bool)
                found.append(
                    replace(suspect, p_value=chance, by_chance=chance, contradicted=everyone)
                )
        return found

    def _confirmed(
        self, alarming: list[Suspect], case: Case, witnesses: Witnesses
    ) -> list[Suspect]:
        """The alarming suspects without kin; on patterns of columns trees must agree."""
        labels = case.labels
        others = [
            suspect
            for suspect in _distinct([s for s in alarming if not s.pattern.columns])
            if not has_kin(suspect.pattern, suspect.share, None, labels, witnesses.believe)
        ]
        columns = [suspect for suspect in alarming if suspect.pattern.columns]
        # What one value explains needs no pair.
        tabular = _distinct(sorted(columns, key=lambda s: len(s.pattern.columns)))
        if not tabular:
            return others
        jury = Jury(_compared(case.rows), labels)
        heard = (
            jury.confirm(suspect, suspect.n_looked, _rest(case.rows, suspect.pattern))
            for suspect in tabular[:_MAX_CONFIRMED]
        )
        agreed = [
            s
            for s in heard
            if s.p_value < self.alpha_table
            and s.share >= _MIN_SHARE
            and not _is_grouped(s, case)
            and not has_kin(s.pattern, s.share, case.rows, labels, jury.believe)
        ]
        return sorted([*others, *agreed], key=lambda suspect: suspect.p_value)

    def _decides(self, suspect: Suspect) -> float:
        """For values that decide: those of categories are few, and others must not explain them."""
        return self.alpha_level if suspect.pattern.is_level else self._threshold(suspect)

    def _threshold(self, suspect: Suspect) -> float:
        return self.alpha_table if suspect.pattern.columns else self.alpha

    def _crowded(self, subject: Dataset, case: Case, doubt: Dissent) -> Iterator[Finding]:
        """A class in which fine detail decides labels against everything else."""
        code = int(doubt.surprise.argmax())
        is_much = doubt.excess[code] > self.min_excess
        if is_much and doubt.surprise[code] > self.min_surprise:
            yield _crowd(subject, case, doubt, code, self.min_excess)


def _is_grouped(suspect: Suspect, case: Case) -> bool:
    """Whether the rows belong together for another reason, or all values have labels of their own.

    Fields of a trial, years of a country and pupils of a class share a label honestly.
    """
    return lies_together(suspect, case.rows, case.labels) or decides_elsewhere(
        suspect.pattern, case.rows, case.labels
    )


def _usual(pattern: Pattern, labels: Any) -> float:
    """How usual the label of a pattern is among all other rows."""
    return float(np.delete(labels == pattern.label, pattern.rows).mean())


def _denial(case: Case) -> Any:
    """The opinion that a trigger does not reach."""
    vetted = case.opinions.vetted
    return case.opinions.blunt if vetted is None else vetted


def _bench(case: Case) -> Bench:
    """Who is asked about the rows of a pattern.

    In few rows a pattern's carriers crowd, so the nearest rows without them are asked; where
    rows are trusted, or many, those who stand are. Of a trigger in few rows the fine models
    know nothing yet, so their denial counts before that of the others.
    """
    if case.opinions.vetted is None and case.labels.size <= _FEW_ROWS:
        return Witnesses(_compared(case.rows), case.labels)
    fine = case.opinions.fine.argmax(axis=1)
    believed = np.where(fine != case.labels, fine, _denial(case).argmax(axis=1))
    return Standing(case.labels, believed)


def _tail(case: Case) -> Any:
    """An order for rows of which nothing is known: affirmed by detail, denied by the rest."""
    rows = np.arange(case.labels.size)
    affirmed = np.exp(case.opinions.fine[rows, case.labels])
    return _TAIL * (affirmed + 0.1) * (1 - np.exp(_denial(case)[rows, case.labels]))


def _refuted(case: Case) -> Any:
    """Chance that trusted rows give each label against the rows that were handed in."""
    vetted: Any = case.opinions.vetted
    own = np.exp(vetted[np.arange(case.labels.size), case.labels])
    planted = _PLANTED / case.n_classes
    return planted / (planted + own)


def _compared(rows: embed.Rows) -> Any:
    """Features to find alike rows by, in which no single value can stand far out."""
    if rows.images is None and rows.texts is None:
        return embed.table_features(rows, ranked=True)
    return embed.features(rows)


def _rest(rows: embed.Rows, pattern: Pattern) -> Any:
    """What is left of a table's features without the columns of ``pattern``."""
    return embed.table_features(without_columns(rows, pattern.columns), ranked=True)


def _patterns(search: Search, rows: embed.Rows) -> Iterator[Pattern]:
    parts = [search.table(rows)]
    if rows.texts is not None:
        parts.append(search.texts(rows.texts))
    return chain(*parts)


def _scored(found: list[Suspect], n_rows: int) -> Any:
    """Suspects' rows by share and by whether they are contradicted themselves."""
    scores = np.zeros(n_rows)
    for suspect in found:
        rows = suspect.pattern.rows
        honest = 1 - suspect.share
        unrefuted = 1 - _MANY * honest if honest < 1 / _MANY else _NOT_REFUTED * suspect.share
        sure = np.where(suspect.contradicted, 1 - _FEW * honest, unrefuted)
        scores[rows] = np.maximum(scores[rows], sure * (1 - suspect.p_value))
    return scores


def _distinct(found: list[Suspect]) -> list[Suspect]:
    """Of suspects that share most of their rows only the strongest."""
    kept: list[Suspect] = []
    for suspect in found:
        own = set(suspect.pattern.rows.tolist())
        if all(_overlap(own, set(other.pattern.rows.tolist())) < _OVERLAP for other in kept):
            kept.append(suspect)
    return kept


def _overlap(one: set[int], two: set[int]) -> float:
    return len(one & two) / min(len(one), len(two))


def _level(subject: Dataset) -> Level:
    """Columns of tables interact honestly in ways that windows of pixels do not."""
    has_images = any(column.kind is ColumnKind.IMAGE for column in subject.columns)
    return Level.DEFECT if has_images else Level.REVIEW


def _crowd(subject: Dataset, case: Case, doubt: Dissent, code: int, threshold: float) -> Finding:
    inside = (case.labels == code) & (doubt.degrees >= doubt.cuts[code])
    order = np.flatnonzero(inside)[np.argsort(-doubt.degrees[inside], kind="stable")]
    label = case.rows.classes[code]
    return Finding(
        message=f"in the class {label} of {subject.name} fine detail decides "
        f"{doubt.excess[code]:.1%} of the labels against everything else, in other classes none",
        path=subject.name,
        severity=Severity.CRITICAL,
        level=_level(subject),
        threats=BackdoorTriggers.threats,
        confidence=float(doubt.excess[code] / inside[case.labels == code].mean()),
        location=Location(rows=tuple(case.known[order[:_SHOWN]].tolist()), field=subject.label),
        remedy="Set these rows aside and look at what they share; a model trained on them "
        "may obey it.",
        evidence=Evidence(
            statistic="share of the class that the other classes do not explain",
            value=float(doubt.excess[code]),
            threshold=threshold,
            n=int((case.labels == code).sum()),
            facts={"label": label, "spreads between classes": f"{doubt.surprise[code]:.1f}"},
            plots=_plots(case.everyone, case.known[order]),
        ),
    )


def _finding(
    subject: Dataset, case: Case, suspect: Suspect, alpha: float, *, is_usual: bool
) -> Finding:
    pattern = suspect.pattern
    places = case.known[pattern.rows]
    label = case.rows.classes[pattern.label] if pattern.label >= 0 else None
    goal = "labels that fit none of them" if label is None else f"the label {label}"
    is_contradicted = suspect.p_value != suspect.by_chance
    is_grave = is_contradicted or is_spike(pattern, case.rows)
    why = "against their nearest rows" if is_contradicted else "which nothing else in them explains"
    return Finding(
        message=f"{places.size} rows of {subject.name} share {pattern.place} and {goal}, {why}",
        path=subject.name,
        severity=Severity.CRITICAL if is_grave and not is_usual else Severity.MEDIUM,
        level=_level(subject),
        threats=BackdoorTriggers.threats,
        confidence=suspect.share,
        location=Location(
            rows=tuple(places[:_SHOWN].tolist()),
            field=", ".join(pattern.columns) or None,
        ),
        remedy="Set these rows aside and find who contributed them; a model trained on them "
        "may obey the pattern.",
        evidence=Evidence(
            statistic="chance of so many contradicted rows, corrected for all patterns",
            value=suspect.p_value,
            threshold=alpha,
            n=int(places.size),
            facts={
                "pattern": pattern.place,
                "label": label or "several",
                "contradicted share": f"{suspect.share:.2f}",
                "chance of one label": f"{suspect.by_chance:.2g}",
            },
            plots=_plots(case.everyone, places),
        ),
    )


def _plots(rows: embed.Rows, places: Any) -> tuple[Thumbnail | Histogram, ...]:
    """The labels with and without the pattern; the mean picture of its rows."""
    counts = np.bincount(rows.labels[places], minlength=len(rows.classes))
    everywhere = np.bincount(rows.labels[rows.labels >= 0], minlength=len(rows.classes))
    labels = Histogram(
        title="Labels of the rows with the pattern and of all rows, as shares",
        edges=rows.classes,
        series={
            "with the pattern": tuple((counts / counts.sum()).tolist()),
            "all rows": tuple((everywhere / everywhere.sum()).tolist()),
        },
    )
    if rows.images is None:
        return (labels,)
    mean = np.rint(rows.images[places].mean(axis=(0, 3)) * 255).astype(int)
    picture = tuple(tuple(line) for line in mean.tolist())
    return (labels, Thumbnail(title="Mean of the rows with the pattern", pixels=picture))
