"""Who labelled or gave each row of a data set, ready to be held against everybody else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import NotApplicable
from hauberk.core.finding import RowScores
from hauberk.formats.rows import cell_texts, row_digests
from hauberk.formats.tables import features_of
from hauberk.methods import embed
from hauberk.methods.crowd import Crowd, Votes, judge

MAX_CLASSES = 100
MIN_PEOPLE = 3
MIN_ROWS = 40

GOLD = "gold"
"""Who is called so is right: their labels are known truths."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Everybody's rows and what was found.

    Attributes:
        places: Row numbers of the rows that were judged.
        people: Code of the person of each of them.
        names: Name of each code.
        classes: Text of each class.
        n_rows: Rows of the data set.
    """

    crowd: Crowd
    places: Any
    people: Any
    labels: Any
    names: tuple[str, ...]
    classes: tuple[str, ...]
    n_rows: int

    def rows_of(self, person: int, *, only_wrong: bool = True) -> Any:
        """Row numbers of a person, those whose label was likelier changed than not first."""
        own = np.flatnonzero(self.people == person)
        chance = self.crowd.chance[own]
        kept = own[chance > 0.5] if only_wrong else own  # noqa: PLR2004 - likelier than not
        return self.places[kept[np.argsort(-self.crowd.chance[kept], kind="stable")]]

    def scores(self, subject: Dataset) -> RowScores:
        """Half for the person, half for the row: the wrong rows of bad people come first."""
        values = np.zeros(self.n_rows)
        blame = 1 - self.crowd.p_values[self.people]
        values[self.places] = (blame + self.crowd.chance) / 2
        return RowScores(
            path=subject.name,
            n_rows=self.n_rows,
            read=lambda: iter([(0, values.tolist())]),
            flagged_above=0.75,
        )


def held(subject: Dataset, column: str) -> Held:
    """Everybody named in ``column`` against all others.

    Raises:
        NotApplicable: There is no label, it is no class, or there are too few people or rows.
    """
    if subject.label is None:
        raise NotApplicable("no column is named as the label")
    people, items = _read(subject, column)
    rows = embed.load(_without_times(subject))
    named, codes = np.unique(people[people >= ""], return_inverse=True)
    known = np.flatnonzero(rows.labels >= 0)
    if len(rows.classes) > MAX_CLASSES or len(rows.classes) < 2:  # noqa: PLR2004 - classes
        raise NotApplicable(f"the label has {len(rows.classes)} values, which are no classes")
    if named.size < MIN_PEOPLE or known.size < MIN_ROWS:
        raise NotApplicable(f"{named.size} names in {column} and {known.size} labelled rows")
    gold = np.array([name.casefold() == GOLD for name in named])[codes[known]]
    votes = Votes(
        labels=rows.labels[known],
        people=codes[known],
        items=np.unique(items[known], return_inverse=True)[1],
        gold=gold,
    )
    crowd = judge(embed.features(rows)[known], votes, len(rows.classes))
    return Held(
        crowd=crowd,
        places=known,
        people=codes[known],
        labels=rows.labels[known],
        names=tuple(map(str, named)),
        classes=rows.classes,
        n_rows=rows.n_rows,
    )


def _without_times(subject: Dataset) -> Dataset:
    kept = tuple(c for c in subject.columns if c.kind is not ColumnKind.TIME)
    return replace(subject, columns=kept)


def _read(subject: Dataset, column: str) -> tuple[Any, Any]:
    """The name behind each row, and a number for what the row is about."""
    names: list[str] = []
    items: dict[bytes, int] = {}
    codes: list[int] = []
    features = [c.name for c in features_of(subject) if c.kind is not ColumnKind.TIME]
    others = {subject.source, subject.annotator} - {None}
    kept = [name for name in features if name not in others]
    for batch in subject.read():
        names += [text or "" for text in cell_texts(batch.column(column)).to_pylist()]
        digests = row_digests(batch.select(kept))  # type: ignore[attr-defined] # Arrow's own
        codes.extend(items.setdefault(digest, len(items)) for digest in digests)
    return np.array(names, object).astype(str), np.array(codes, np.int64)


def told(held_: Held, person: int) -> str:
    """What a person does, in words: the class pair, a single label, or errors of all kinds."""
    crowd = held_.crowd
    believed, given = (int(code) for code in crowd.pairs[person])
    rate = float(crowd.rates[person, believed, given])
    share = crowd.errors[person]
    words = f"{share:.0%} of the labels are contradicted"
    if rate > 0.05 and believed != given:  # noqa: PLR2004 - a kind of error worth naming
        words += f"; most: {held_.classes[believed]} labelled {held_.classes[given]}"
    if crowd.partner[person] >= 0:
        words += f"; errs like {held_.names[crowd.partner[person]]}"
    return words
