"""A new release that singles out people whom the old one hid; see `PrivacyRegression`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.privacy import USUAL_GROUP, Groups, groups, quasi_columns
from hauberk.methods.statistics import binomial_tail

_SHOWN = 1_000
_CHANCE = 0.001
_SURPRISE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRegression(Check[Comparison[Dataset]]):
    """Smaller groups than the old release had, by what outsiders know of people.

    What the old release keeps is taken as its promise: the rows of its smallest combination,
    at most ``usual``. It is looked for in the sensitive columns, and in all other columns
    but the sensitive ones and the label. A new release with smaller combinations breaks it;
    combinations that only shrank as much as chance explains ask for a review. Groups whose
    rows all have one confidential value where the old release had none are shown too, and
    where the old release promised nothing, the share of rows that stand alone may not rise.

    Limits:
        Columns that the old release lacks are looked at only if they are named as sensitive.
        An old release that hid nobody promises nothing, so that only a rise is seen.

    Args:
        usual: Largest group that is taken for a promise.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def table(*ages):
        ...     rows = pa.RecordBatch.from_pydict({"age": list(ages), "sex": ["f"] * len(ages)})
        ...     return table_of("t", [rows], sensitive=["age", "sex"])
        >>> pair = Comparison(old=table(*[30] * 12), new=table(*[30] * 10, 31, 32))
        >>> [f.message for f in PrivacyRegression().check(pair) if isinstance(f, Finding)]
        ['2 of 12 rows of t share their age, sex with fewer than 5 rows; in the old release the fewest were 12 (more values than before: age 1 to 3)']

    References:
        Sweeney (2002), k-anonymity: a model for protecting privacy, section 4 (attacks
        against subsequent releases).
    """  # noqa: E501 - a true output

    title: ClassVar[str] = "The new release singles people out"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-4"),)
    subject: ClassVar[Any] = (Comparison, Dataset)

    usual: int = USUAL_GROUP

    def check(self, subject: Comparison[Dataset]) -> Iterator[Finding | RowScores]:
        """Scores for all rows of the new release, and findings by set of columns.

        Raises:
            NotApplicable: A half is missing, or neither promise nor sensitive columns exist.
        """
        old, new = subject.old, subject.new
        if old is None:
            raise NotApplicable("there is no old release")
        judged = 0
        for columns, confidential in _readings(old, new):
            before = groups(old, columns, confidential=confidential)
            after = groups(new, columns, confidential=confidential)
            if before is None or after is None or not before.sizes.size or not after.sizes.size:
                continue
            is_declared = columns == new.sensitive
            if before.smallest < 2 and not is_declared:  # noqa: PLR2004 - a group
                continue
            judged += 1
            if judged == 1:
                yield _scores(new, after, min(before.smallest, self.usual))
            yield from self._held(new, before, after, confidential)
        if not judged:
            raise NotApplicable("the old release keeps no group of rows together")

    def _held(
        self, new: Dataset, before: Groups, after: Groups, confidential: str | None
    ) -> Iterator[Finding]:
        least = max(min(before.smallest, self.usual), new.min_group)
        rows = after.rows_below(least)
        is_chance = _chance_explains(before, after, least)
        # Few rows by chance before and fewer by chance now: nobody promised anything.
        is_weak = before.smallest < self.usual and not new.min_group and is_chance
        if least > 1 and rows.size and not is_weak:
            yield _smaller(new, before, after, least, is_chance=is_chance)
        elif least < 2:  # noqa: PLR2004 - no promise
            yield from _more_alone(new, before, after)
        uniform = (after.diversity < 2) & (after.sizes >= max(least, 2))  # noqa: PLR2004 - one value
        if confidential and before.diversity.min() > 1 and uniform.any():
            yield _uniform(new, after, confidential, uniform)


def _readings(old: Dataset, new: Dataset) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Sets of columns that outsiders may know, with what is to be kept from them."""
    both = {column.name for column in old.columns}
    declared = tuple(name for name in new.sensitive if name in both)
    if declared:
        yield declared, new.label if new.label in both else None
    others = tuple(name for name in quasi_columns(new, new.sensitive) if name in both)
    if others:
        yield others, declared[0] if declared else None


def _scores(new: Dataset, after: Groups, least: int) -> RowScores:
    values = 1.0 / after.sizes[after.codes]
    return RowScores(
        path=new.name,
        n_rows=int(values.size),
        read=lambda: iter([(0, values.tolist())]),
        flagged_above=1.0 / least if least > 1 else None,
    )


def _smaller(
    new: Dataset, before: Groups, after: Groups, least: int, *, is_chance: bool
) -> Finding:
    rows = after.rows_below(least)
    return Finding(
        message=f"{rows.size} of {after.codes.size} rows of {new.name} share their "
        f"{_named(after.columns)} with fewer than {least} rows; in the old release the fewest "
        f"were {before.smallest}{_finer(before, after)}",
        path=new.name,
        severity=Severity.HIGH,
        level=Level.REVIEW if is_chance else Level.DEFECT,
        threats=PrivacyRegression.threats,
        location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=after.columns[0]),
        remedy="Do not publish. Coarsen as the old release did, or leave the named rows out.",
        evidence=Evidence(
            statistic="rows of the smallest combination",
            value=float(after.smallest),
            threshold=float(least),
            n=int(after.codes.size),
            facts={
                "smallest before": str(before.smallest),
                "rows that stand alone": str(int((after.sizes == 1).sum())),
                "distance of values in a group (t), before and after": f"{before.distance:.2f}, "
                f"{after.distance:.2f}",
            },
        ),
    )


def _chance_explains(before: Groups, after: Groups, least: int) -> bool:
    """Whether each group that is too small was there before and shrank no more than by chance."""
    from scipy.stats import poisson

    known = before.by_key()
    ratio = after.codes.size / max(before.codes.size, 1)
    small = np.flatnonzero(after.sizes < least)
    for group in small.tolist():
        size = known.get(after.keys[group], 0)
        if not size or poisson.cdf(after.sizes[group], size * ratio) < _CHANCE:
            return False
    return True


def _finer(before: Groups, after: Groups) -> str:
    """Columns with more different values than before, which is why groups became smaller."""
    changes = []
    for place, name in enumerate(after.columns):
        old = len({key[place] for key in before.keys})
        new = len({key[place] for key in after.keys})
        if new > old:
            changes.append(f"{name} {old} to {new}")
    return f" (more values than before: {_named(changes)})" if changes else ""


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")  # noqa: PLR2004 - a line


def _more_alone(new: Dataset, before: Groups, after: Groups) -> Iterator[Finding]:
    """More rows that stand alone than as many rows of the old release would have."""
    n = min(before.codes.size, after.codes.size)
    old = _alone(before, n)
    alone = _alone(after, n)
    p_value = float(binomial_tail(alone, n, min((old + 1) / n, 1.0)))
    if alone > 1.5 * old + 5 and p_value < _SURPRISE:
        rows = np.flatnonzero(after.sizes[after.codes] == 1)
        yield Finding(
            message=f"{rows.size} of {after.codes.size} rows of {new.name} stand alone by "
            f"{_named(after.columns)}, where the old release would have {old}"
            f"{_finer(before, after)}",
            path=new.name,
            severity=Severity.HIGH,
            threats=PrivacyRegression.threats,
            location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=after.columns[0]),
            remedy="Do not publish. Coarsen as the old release did, or leave the named rows out.",
            evidence=Evidence(
                statistic="rows that stand alone",
                value=float(alone),
                threshold=float(old),
                n=int(n),
                facts={"p-value": f"{p_value:.3g}"},
            ),
        )


def _alone(found: Groups, n: int) -> int:
    """Rows that stand alone among evenly taken ``n`` rows."""
    taken = np.linspace(0, found.codes.size - 1, n).astype(np.int64)
    return int((np.bincount(found.codes[taken]) == 1).sum())


def _uniform(new: Dataset, after: Groups, confidential: str, uniform: Any) -> Finding:
    rows = np.flatnonzero(uniform[after.codes])
    return Finding(
        message=f"{rows.size} rows of {new.name} stand in groups whose rows all have the same "
        f"{confidential}; the old release had no such group",
        path=new.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        threats=PrivacyRegression.threats,
        location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=confidential),
        remedy="Coarsen the columns until each group holds several values.",
        evidence=Evidence(
            statistic="different values in the most uniform group",
            value=1.0,
            threshold=2.0,
            n=int(after.sizes.size),
        ),
    )
