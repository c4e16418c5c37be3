"""Rare patterns that switch the label; see `BackdoorTriggers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
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
from hauberk.methods.patterns import Jury, Pattern, Search, Suspect, Witnesses, suspects

_SHOWN = 10
_MAX_FINDINGS = 3
_MAX_CONFIRMED = 20
_MIN_ROWS = 40
_MIN_SHARE = 0.6
_OVERLAP = 0.5
_SPECTRAL_WEIGHT = 0.05
_TAIL_WEIGHT = 0.009
_MIN_DIFFUSE_SHARE = 0.85
_MIN_CLASSES = 6
_MIN_DIFFUSE_ROWS = 15
_MIN_ORIGINS = 0.4
_NOT_REFUTED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BackdoorTriggers(Check[Dataset]):
    """A rare pattern that goes with one label against what the rest of its rows says.

    Windows of pixels (one pixel and 3x3, at their place and anywhere, at 8, 4 and 3 bits),
    values and pairs of values of columns, and words are looked through for those that a few
    rows share and that go with one label. A pattern is a suspect when the nearest rows
    without it give most of its rows another label, more often than rows of that label
    otherwise are, after correction for every pattern looked at; in tables trees that were
    grown without its rows must agree. So are groups inside a class that a fine structure
    sets apart, when their rows seem to come from many other classes. A row's score is how
    sure that is; below 0.01 come the rows whose neighbours have another label, then
    those that stick out of their class along its first principal component (the spectral
    test).

    Limits:
        Labels must have been changed: clean-label attacks (sinusoidal signals, feature
        collisions) pass, and so do triggers in fewer than five rows, or on data whose
        classes overlap so much that no row contradicts a label. Triggers without equal
        pixels (warped, or blended into textured pictures) need six classes or more and some
        hundred pixels. A value that honest rows share too is found only with them, and one
        that alone decides the label (an imputed constant) is reported as a trigger. In
        tables and texts a finding is of level ``review``: on one of the real tables looked
        at (census income, 32,561 rows) an honest pair of values is named.

    Args:
        alpha: Chance of a suspect in clean pictures or texts after correction, 0 to 1.
        alpha_table: The same in tables and for fine structures, far below what chance alone
            needs, because columns interact honestly where windows of pixels do not.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i / 7 for i in range(400)]
        >>> zs = [5.25 if i < 12 else i * 1.37 % 11 for i in range(400)]
        >>> ys = ["hi" if i >= 200 or i < 12 else "lo" for i in range(400)]
        >>> rows = pa.RecordBatch.from_pydict({"x": xs, "z": zs, "y": ys})
        >>> table = table_of("t", [rows], label="y")
        >>> [f.message for f in BackdoorTriggers().check(table) if isinstance(f, Finding)]
        ['12 rows of t share one value of z and the label hi, against their nearest rows']

    References:
        Gu, Dolan-Gavitt and Garg (2017), BadNets. Tran, Li and Madry (2018), Spectral
        signatures in backdoor attacks. For the test see `hauberk.methods.patterns`.
    """

    title: ClassVar[str] = "A pattern switches the label"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"),)
    subject: ClassVar[Any] = Dataset

    alpha: float = 1e-5
    alpha_table: float = 1e-8

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and a finding for each of the strongest suspects.

        Raises:
            NotApplicable: There is no label or too few rows.
        """
        rows, known = _labelled(subject)
        x = _compared(rows)[known]
        labels = rows.labels[known]
        witnesses = Witnesses(x, labels)
        search = Search(labels, witnesses.wrong)
        candidates = suspects(_patterns(search, rows, known), search, witnesses)
        alarming = [s for s in candidates if self._is_alarming(s, len(rows.classes))]
        found = self._confirmed(alarming, x, labels, search.n_looked)
        tail = np.maximum(witnesses.margins(), 0) + _SPECTRAL_WEIGHT * spectral(x, labels)
        scores = np.zeros(rows.n_rows)
        scores[known] = _scored(found, _TAIL_WEIGHT * tail)
        yield RowScores(
            path=subject.name, n_rows=rows.n_rows, read=lambda: iter([(0, scores.tolist())])
        )
        for suspect in _distinct(found)[:_MAX_FINDINGS]:
            yield _finding(subject, rows, known, suspect, self._threshold(suspect))

    def _confirmed(
        self, alarming: list[Suspect], x: Any, labels: Any, n_looked: int
    ) -> list[Suspect]:
        """The alarming suspects; on patterns of columns trees must agree."""
        others = [suspect for suspect in alarming if not suspect.pattern.columns]
        tabular = _distinct([suspect for suspect in alarming if suspect.pattern.columns])
        if not tabular:
            return others
        jury = Jury(x, labels)
        heard = (jury.confirm(suspect, n_looked) for suspect in tabular[:_MAX_CONFIRMED])
        agreed = [s for s in heard if s.p_value < self.alpha_table and s.share >= _MIN_SHARE]
        return sorted([*others, *agreed], key=lambda suspect: suspect.p_value)

    def _threshold(self, suspect: Suspect) -> float:
        is_blunt = bool(suspect.pattern.columns) or suspect.pattern.is_diffuse
        return self.alpha_table if is_blunt else self.alpha

    def _is_alarming(self, suspect: Suspect, n_classes: int) -> bool:
        """Groups without an equal part must also have come from many classes.

        Honest variants of a class resemble one or two others; stamped rows came from all.
        """
        if suspect.p_value >= self._threshold(suspect):
            return False
        if not suspect.pattern.is_diffuse:
            return suspect.share >= _MIN_SHARE
        if suspect.pattern.rows.size < _MIN_DIFFUSE_ROWS:
            return False
        many = n_classes >= _MIN_CLASSES and suspect.n_origins >= _MIN_ORIGINS * n_classes
        return suspect.share >= _MIN_DIFFUSE_SHARE and many


def _labelled(subject: Dataset) -> tuple[embed.Rows, Any]:
    if subject.label is None:
        raise NotApplicable("no column is named as the label")
    rows = embed.load(subject)
    known = np.flatnonzero(rows.labels >= 0)
    n_classes = np.unique(rows.labels[known]).size
    if known.size < _MIN_ROWS or n_classes < 2 or n_classes > known.size // 4:  # noqa: PLR2004 - classes have rows
        raise NotApplicable(f"{known.size} labelled rows of {n_classes} classes are too few")
    return rows, known


def _compared(rows: embed.Rows) -> Any:
    """Features to find alike rows by, in which no single value can stand far out."""
    if rows.images is None and rows.texts is None:
        return embed.table_features(rows, ranked=True)
    return embed.features(rows)


def _patterns(search: Search, rows: embed.Rows, known: Any) -> Iterator[Pattern]:
    parts: list[Iterator[Pattern]] = []
    if rows.images is not None:
        parts += [search.images(rows.images[known]), search.directions(rows.images[known])]
    else:
        parts.append(search.table(embed.picked(rows, known)))
    if rows.texts is not None:
        parts.append(search.texts(tuple(rows.texts[place] for place in known)))
    return chain(*parts)


def spectral(x: Any, labels: Any) -> Any:
    """How far each row sticks out of its class along the class's first component, 0 to 1."""
    out = np.zeros(len(x))
    for code in np.unique(labels):
        own = np.flatnonzero(labels == code)
        along = np.abs(embed.principal(x[own], 1))
        if along.shape[1]:
            out[own] = np.argsort(np.argsort(along[:, 0], kind="stable")) / own.size
    return out


def _scored(found: list[Suspect], tail: Any) -> Any:
    """Suspects' rows by share and by whether they are contradicted themselves, then the tail."""
    scores = tail.copy()
    for suspect in found:
        rows = suspect.pattern.rows
        sure = suspect.share * np.where(suspect.contradicted, 1.0, _NOT_REFUTED)
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


def _finding(
    subject: Dataset, rows: embed.Rows, known: Any, suspect: Suspect, alpha: float
) -> Finding:
    pattern = suspect.pattern
    places = known[pattern.rows]
    label = rows.classes[pattern.label] if pattern.label >= 0 else None
    goal = "labels that fit none of them" if label is None else f"the label {label}"
    return Finding(
        message=f"{places.size} rows of {subject.name} share {pattern.place} and {goal}, "
        "against their nearest rows",
        path=subject.name,
        severity=Severity.CRITICAL,
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
            },
            plots=_plots(rows, places),
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
