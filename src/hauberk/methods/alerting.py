"""Which of many alerts people are shown: grouped, capped, with room kept for rare kinds.

An alert has a cause (what is wrong), a kind (the class of causes), and a principal (who). What
has the same cause is one group, whoever it comes from; a group is shown once and then only
counted, until it has been quiet or has grown tenfold. Within an hour at most `MAX_SHOWN` lines
are shown, and they are shared out so that no flood takes them all:

* every kind has a room of its own, so a kind that was rare is shown however loud others are;
* a group of many principals is one line, "from 4,000 principals";
* when more alerts come than people could read, that is an alert itself, once an hour.

References:
    Valdes and Skinner (2001), Probabilistic alert correlation, for grouping by cause and
    source; Julisch (2003), Clustering intrusion detection alarms to support root cause
    analysis, which finds that a few causes make nearly all alarms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hauberk.core.finding import Severity

HOUR_S = 3600.0
MAX_SHOWN = 20
"""Lines in any hour; more are not read."""
ROOM = 3
"""Lines that one kind may take while others have none."""
QUIET_S = 6 * HOUR_S
"""A group that was silent for so long is shown again when it returns."""
GROWTH = 10
REPEAT_S = 900.0
"""However much a group has grown, it is not shown again before."""
FLOOD = 500
"""Alerts within an hour from which on there is a flood."""
MAX_GROUPS = 5_000
MAX_PRINCIPALS = 1_000
KEPT_PRINCIPALS = 50
"""Principals of a group that are remembered over a restart."""

FLOOD_KIND = "flood"
_RESERVED = 6
"""Lines that only kinds with nothing shown this hour may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that somebody should look at.

    Attributes:
        kind: Class of causes: a control's id, ``drift``, ``refusals`` ...
        cause: What exactly: kind, model and column or rule; alerts of one cause are one group.
        principal: Who; empty where nobody in particular.
        asset: Model or log that it is about.
        facts: Evidence in words and numbers; never payloads.
    """

    kind: str
    cause: str
    title: str
    severity: Severity
    at: float
    principal: str = ""
    asset: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """Alerts of one cause.

    Attributes:
        heard: When the last one came.
        shown_at: When it was last shown; ``None`` before that.
        shown_count: How many alerts it had then.
    """

    latest: Alert
    first: float
    heard: float = 0.0
    count: int = 0
    principals: set[str] = field(default_factory=set)
    shown_at: float | None = None
    shown_count: int = 0

    def wants_to_be_shown(self, now: float) -> bool:
        """Whether there is something new to say of it."""
        if self.shown_at is None:
            return True
        has_grown = self.count >= GROWTH * max(self.shown_count, 1)
        return has_grown and now - self.shown_at >= REPEAT_S

    def to_json(self) -> dict[str, Any]:
        """Plain values; of many principals only some, so that the number is a lower bound."""
        return {
            "latest": {**asdict(self.latest), "severity": self.latest.severity.value},
            "first": self.first,
            "heard": self.heard,
            "count": self.count,
            "principals": sorted(self.principals)[:KEPT_PRINCIPALS],
            "shown_at": self.shown_at,
            "shown_count": self.shown_count,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Group:
        """What `to_json` gave."""
        latest = dict(value["latest"])
        latest["severity"] = Severity(latest["severity"])
        known = {**value, "latest": Alert(**latest), "principals": set(value["principals"])}
        return cls(**known)


@dataclass(slots=True)
class Board:
    """Decides what is shown; fed in the order of time.

    Attributes:
        severities: Lowest severity shown for an asset; everything where it is not named.
    """

    max_shown: int = MAX_SHOWN
    groups: dict[str, Group] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    _shown: list[tuple[float, str]] = field(default_factory=list)
    _arrived: deque[float] = field(default_factory=deque)

    def offer(self, alert: Alert, now: float | None = None) -> Iterator[Alert]:
        """Take in an alert; what is to be shown now, which may be a line about the flood.

        Args:
            alert: What happened; it may have happened a while ago.
            now: The reader's clock, which must not run back; the alert's own time by default.
        """
        now = alert.at if now is None else now
        self._forget(now)
        self._arrived.append(now)
        group = self._group(alert, now)
        if len(self._arrived) >= FLOOD:
            yield from self._flood(now)
        floor = self.severities.get(alert.asset)
        if floor is not None and alert.severity.rank < floor.rank:
            return
        if group.wants_to_be_shown(now) and self._has_room(alert, group):
            yield self._show(alert, group, now)

    def waiting(self, now: float) -> Iterator[Alert]:
        """Groups that found no room before and find some now, rarest kinds first."""
        self._forget(now)
        counts: dict[str, int] = {}
        for group in self.groups.values():
            counts[group.latest.kind] = counts.get(group.latest.kind, 0) + group.count
        waiting = [group for group in self.groups.values() if group.shown_at is None]
        waiting.sort(key=lambda g: (-g.latest.severity.rank, counts[g.latest.kind], g.first))
        for group in waiting:
            if self._has_room(group.latest, group):
                yield self._show(group.latest, group, now)

    def to_json(self) -> dict[str, Any]:
        """What was shown, so that a restart shows none of it again."""
        shown = {name: g.to_json() for name, g in self.groups.items() if g.shown_at is not None}
        return {"groups": shown, "shown": self._shown}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Board:
        """What `to_json` gave; an empty board where it is something else."""
        board = cls()
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            board.groups = {n: Group.from_json(g) for n, g in value.get("groups", {}).items()}
            board._shown = [(float(at), str(kind)) for at, kind in value.get("shown", [])]
        return board

    def _group(self, alert: Alert, now: float) -> Group:
        group = self.groups.get(alert.cause)
        if group is not None and now - group.heard > QUIET_S:
            group = None
        if group is None:
            self._make_room(now)
            group = self.groups[alert.cause] = Group(latest=alert, first=now)
        group.latest, group.heard = alert, now
        group.count += 1
        if alert.principal and len(group.principals) < MAX_PRINCIPALS:
            group.principals.add(alert.principal)
        return group

    def _make_room(self, now: float) -> None:
        """Forget what is quiet, then half of the loudest kind, those that were silent longest."""
        if len(self.groups) < MAX_GROUPS:
            return
        self.groups = {
            cause: group for cause, group in self.groups.items() if group.heard > now - QUIET_S
        }
        if len(self.groups) < MAX_GROUPS:
            return
        kinds: dict[str, int] = {}
        for group in self.groups.values():
            kinds[group.latest.kind] = kinds.get(group.latest.kind, 0) + 1
        loudest = max(kinds, key=lambda kind: kinds[kind])
        of_kind = [cause for cause, g in self.groups.items() if g.latest.kind == loudest]
        of_kind.sort(key=lambda cause: self.groups[cause].heard)
        for cause in of_kind[: len(of_kind) // 2 + 1]:
            del self.groups[cause]

    def _has_room(self, alert: Alert, group: Group) -> bool:
        of_kind = sum(kind == alert.kind for _, kind in self._shown)
        left = self.max_shown - len(self._shown)
        if of_kind == 0:
            return left > 0
        is_worse = alert.severity.rank >= Severity.HIGH.rank and group.shown_at is None
        room = ROOM + 2 if is_worse else ROOM
        return of_kind < room and left > _RESERVED

    def _show(self, alert: Alert, group: Group, now: float) -> Alert:
        self._shown.append((now, alert.kind))
        group.shown_at, group.shown_count = now, group.count
        many = len(group.principals)
        facts = {**alert.facts, "alerts": str(group.count)}
        if many > 1:
            facts["principals"] = f"{many}{'+' if many >= MAX_PRINCIPALS else ''}"
        return replace(alert, facts=facts)

    def _flood(self, now: float) -> Iterator[Alert]:
        is_told = any(kind == FLOOD_KIND for _, kind in self._shown)
        if is_told or len(self._shown) >= self.max_shown:
            return
        self._shown.append((now, FLOOD_KIND))
        yield Alert(
            kind=FLOOD_KIND,
            cause=FLOOD_KIND,
            title=f"{len(self._arrived)} alerts within an hour: somebody may be hiding one",
            severity=Severity.HIGH,
            at=now,
            facts=self._loudest(),
        )

    def _loudest(self) -> dict[str, str]:
        ranked = sorted(self.groups.values(), key=lambda group: -group.count)[:3]
        return {f"cause {i}": f"{g.latest.cause}: {g.count}" for i, g in enumerate(ranked, 1)}

    def _forget(self, now: float) -> None:
        """Only the last hour counts."""
        self._shown = [(at, kind) for at, kind in self._shown if at > now - HOUR_S]
        while self._arrived and self._arrived[0] <= now - HOUR_S:
            self._arrived.popleft()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A cause that somebody answers for, for a time.

    Attributes:
        cause: Beginning of the causes meant.
        owner: Who answers for it.
        until: Seconds since the epoch; a silence always ends.
    """

    cause: str
    owner: str
    reason: str
    until: float

    def covers(self, alert: Alert) -> bool:
        """Whether the alert is meant, and the silence has not ended."""
        return alert.at < self.until and alert.cause.startswith(self.cause)
