"""Sources whose rows move, window by window, where others' do not: see `SteeredSources`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Curve, Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.methods import seasons
from hauberk.methods.days import day_numbers, time_column
from hauberk.methods.sequential import DAYS, Detectors
from hauberk.sketches.grid import Grid, grid_of
from hauberk.sketches.numbers import Floats, Int64s
from hauberk.sketches.profile import profile_of

MAX_SOURCES = 500
"""Sources that are followed by themselves; of the others the largest come first."""
MIN_ROWS = 20
"""Rows of a source in a window below which it is not judged."""
MIN_SOURCES = 3
_DOUBT = 3.0
"""Errors of the trusted shares, which stay the same in every window and must not add up."""
_ALLOWED = 0.5
"""Distance that drift shared by all may leave in a source that differs from them."""
_REMEDY = (
    "leave the rows of these sources out of retraining, back to the first window named, and "
    "find out who sends them; retrain only when what is left is within the budget"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredSources(Check[Comparison[Dataset]]):
    """Sources of live rows that move away from the trusted core, a little in every window.

    Every window (a day) and every source is counted over the bins of the trusted rows and held
    against them, never against the window before, so that small steps add up. What all
    sources do together is natural drift and is taken out: for each bin the median of the
    sources is subtracted. What is left feeds an e-detector for each bin of each source. The
    share of rows that sources found so have sent is the poison that a retraining would take
    in; beyond ``budget`` there is a finding that says not to retrain.

    Limits:
        Whoever holds half of the sources is the median. Sources that send few rows are not
        judged, and rows without a source are one. Sources that differed from the beginning are
        held against their own trusted rows where there are enough, else against all.

    Args:
        time: Column of the moment of each row; empty takes the only column of times.
        days: Honest windows until the first false alarm is expected, for all sources.
        budget: Share of rows from sources that move, from which on nothing may be retrained.

    References:
        Kloft and Laskov (2010), Online anomaly detection under adversarial impact; Barreno et
        al. (2006); Shin, Ramdas and Rinaldo (2023), E-detectors.
    """

    title: ClassVar[str] = "Sources that steer the live distribution"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-2"),)
    subject: ClassVar[Any] = (Comparison, Dataset)

    time: str = ""
    days: float = DAYS
    budget: float = 0.01

    def check(self, subject: Comparison[Dataset]) -> Iterator[Finding]:
        """One finding for each source that moves, then one where the budget is spent."""
        old, new = subject.old, subject.new
        if old is None or new.source is None:
            raise NotApplicable("live rows name no source, or there are no trusted rows")
        time = time_column(new, self.time)
        if time is None:
            raise NotApplicable("live rows have no time: name its column")
        without = frozenset(x for x in (time, old.label, old.source, new.source) if x)
        grid = grid_of(profile_of(old), without=without)
        live = _counted(new, grid, new.source, time)
        if len(live.names) < MIN_SOURCES:
            raise NotApplicable(f"fewer than {MIN_SOURCES} sources, so nobody can be singled out")
        core = _counted(old, grid, new.source, None)
        yield from self.judge(new.name, grid, core, live)

    def judge(
        self, path: str, grid: Grid, core: SourceCounts, live: SourceCounts
    ) -> Iterator[Finding]:
        """The same over rows that were counted already; of the core as window 0."""
        steered: list[str] = []
        for finding in self._moving(path, grid, core, live):
            steered.append(str(finding.location.field))
            yield finding
        yield from self._spent(path, live, steered)

    def _moving(
        self, path: str, grid: Grid, core: SourceCounts, live: SourceCounts
    ) -> Iterator[Finding]:
        names = seasons.names(grid)
        expected = _expected(grid, core, live)
        detectors = Detectors(n=len(names) * len(live.names), days=self.days)
        told: set[str] = set()
        paths: dict[str, list[tuple[float, float]]] = {name: [] for name in live.names}
        for number, day in enumerate(live.days):
            z = _distances(grid, live, day, expected)
            evidence = detectors.update(np.nan_to_num(z).ravel()).reshape(z.shape)
            for place, source in enumerate(live.names):
                best = int(evidence[place].argmax())
                paths[source].append((float(number), float(evidence[place, best])))
                if source not in told and evidence[place, best] >= detectors.threshold:
                    told.add(source)
                    case = _Case(source, names[best], day, tuple(paths[source]))
                    yield _finding(path, case, detectors.threshold)

    def _spent(self, path: str, live: SourceCounts, steered: list[str]) -> Iterator[Finding]:
        total = sum(live.rows.values())
        share = sum(n for (_, s), n in live.rows.items() if s in steered) / max(total, 1)
        if steered and share > self.budget:
            yield Finding(
                message=(
                    f"{path}: {share:.1%} of the rows come from {len(steered)} sources that "
                    f"move away from the trusted rows; a retraining may take in {self.budget:.1%}"
                ),
                path=path,
                severity=Severity.HIGH,
                remedy=_REMEDY,
                threats=SteeredSources.threats,
                evidence=Evidence(
                    statistic="share of rows from sources that move",
                    value=share,
                    threshold=self.budget,
                    n=total,
                    facts={"leave out": ", ".join(sorted(steered)[:20])},
                ),
            )


@dataclass(frozen=True, slots=True)
class _Case:
    source: str
    column: str
    day: int
    path: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class SourceCounts:
    """Counts over the grid by window and source."""

    counts: dict[tuple[int, str], Int64s] = field(default_factory=dict)
    rows: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def days(self) -> list[int]:
        """Windows, in order."""
        return sorted({day for day, _ in self.counts})

    @property
    def names(self) -> list[str]:
        """Sources, those with most rows first kept, in the order of their names."""
        total: dict[str, int] = {}
        for (_, name), n in self.rows.items():
            total[name] = total.get(name, 0) + n
        return sorted(sorted(total, key=lambda name: (-total[name], name))[:MAX_SOURCES])


def _counted(table: Dataset, grid: Grid, source: str, time: str | None) -> SourceCounts:
    found = SourceCounts()
    for batch in table.read():
        has_source = source in batch.schema.names
        names = (
            cell_texts(batch.column(source)).to_pylist() if has_source else [""] * batch.num_rows
        )
        days = np.zeros(batch.num_rows) if time is None else day_numbers(batch.column(time))
        keys: dict[tuple[int, str], list[int]] = {}
        for place, (day, name) in enumerate(zip(days, names, strict=True)):
            if not math.isnan(day):
                keys.setdefault((int(day), str(name or "")), []).append(place)
        for key, places in keys.items():
            part = grid.count(batch.take(np.array(places)))  # type: ignore[attr-defined]  # Arrow's
            found.counts[key] = found.counts.get(key, 0) + part
            found.rows[key] = found.rows.get(key, 0) + len(places)
    return found


def _expected(
    grid: Grid, core: SourceCounts, live: SourceCounts
) -> dict[str, tuple[Floats, float]]:
    """Shares of each source among trusted rows and how many rows that rests on."""
    everything = seasons.shares(grid, grid.training())
    total = float(sum(core.rows.values()))
    found = {}
    for name in live.names:
        n = core.rows.get((0, name), 0)
        if n >= MIN_ROWS * seasons.COARSE:
            found[name] = (seasons.shares(grid, core.counts[0, name]), float(n))
        else:
            found[name] = (everything, total)
    return found


def _distances(
    grid: Grid, live: SourceCounts, day: int, expected: dict[str, tuple[Floats, float]]
) -> Floats:
    """``(n_sources, n_shares)``: how far each source is, less what all do together."""
    rows, doubt = [], []
    for name in live.names:
        shares, n_core = expected[name]
        n = live.rows.get((day, name), 0)
        if n < MIN_ROWS:
            rows.append(np.full(shares.size, np.nan))
            doubt.append(0.0)
            continue
        seen = seasons.shares(grid, live.counts[day, name])
        floor = 1 / max(n, MIN_ROWS)
        rows.append((seen - shares) / np.sqrt(np.maximum(shares * (1 - shares), floor) / n))
        doubt.append(_ALLOWED + _DOUBT * math.sqrt(n / max(n_core, 1.0)))
    z = np.array(rows)
    known = ~np.isnan(z).all(axis=1)
    if known.sum() >= MIN_SOURCES:
        z = z - np.nanmedian(z[known], axis=0)
    z = np.sign(z) * np.maximum(np.abs(z) - np.array(doubt)[:, None], 0.0)
    return np.asarray(np.clip(z, -seasons.MAX_Z, seasons.MAX_Z))


def _finding(path: str, case: _Case, threshold: float) -> Finding:
    date = str(np.datetime64(case.day, "D"))
    return Finding(
        message=(
            f"{path}: by {date} rows of source {case.source[:60]!r} had moved away from the "
            f"trusted rows in {case.column}, where those of other sources had not"
        ),
        path=path,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        remedy=_REMEDY,
        threats=SteeredSources.threats,
        location=Location(field=case.source),
        evidence=Evidence(
            statistic="evidence that adds up over windows (logarithm)",
            value=case.path[-1][1],
            threshold=threshold,
            n=len(case.path),
            facts={"window": date, "windows": str(len(case.path)), "column": case.column},
            plots=(
                Curve(
                    title=f"evidence against {case.source[:40]}",
                    x="windows",
                    y="logarithm",
                    series={"evidence": case.path},
                ),
            ),
        ),
    )
