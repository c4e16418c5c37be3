"""A guard's log, watched: is it whole, does it go on, and does a second place hold its heads.

1. What was read before must still be there: the root at the size that was seen last.
2. The newest signed head is carried to the witness; a witness that saw something else is an
   alarm, since then the log was written anew.
3. Every full check holds all records against heads and witness and looks for gaps in time.
4. Silence beyond what the log promises, or its settings say, is an alarm.
5. Each new record is looked at for credentials and personal data; where the keys of an erasable
   log are named, also what is sealed in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from hauberk.controls.log.broken_log import BrokenLog
from hauberk.controls.log.leaked_records import LeakedRecords
from hauberk.core.artifact import LogSegment
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Severity
from hauberk.errors import HauberkError, TrustError, UsageError
from hauberk.methods.alerting import Alert
from hauberk.trust.heads import HeadsFile
from hauberk.trust.heartbeats import moment_of

if TYPE_CHECKING:
    from hauberk.monitor.intake import Decisions
    from hauberk.monitor.store import Store

LEAKS_AT_ONCE = 20_000
"""Records that are looked at in one pass; the rest waits for the next."""
_TAIL = 200
"""Records from the end among which the latest time is looked for."""


def watch(log: Decisions, *, now: float) -> Iterator[Alert]:
    """What is wrong with the log at the moment: steps 2 to 4."""
    name, path = log.name, log.watched.path
    with suppress(UsageError):  # nothing is signed yet
        if log.watched.witness is not None:
            try:
                log.log.witness(log.watched.witness)
            except TrustError as error:
                yield _broken(name, error.message, error.found or "", now)
    yield from _whole(log, now)
    latest = _latest(log)
    beat_s = log.watched.beat_s
    if beat_s and latest is not None and now - latest > beat_s:
        yield Alert(
            kind="log silent",
            cause=f"log silent/{name}",
            title=f"the log {name} is silent for {now - latest:.0f} s",
            severity=Severity.HIGH,
            at=now,
            asset=name,
            facts={"expected": f"a record every {beat_s:.0f} s", "log": path.name},
        )


def leaked(store: Store, log: Decisions, *, now: float) -> Iterator[Alert]:
    """Step 5, over the records that are new since the last time."""
    place = f"leaks:{log.name}"
    start = int(store.place(place) or 0)
    end = min(start + LEAKS_AT_ONCE, log.log.size)
    if end <= start:
        return
    segment = LogSegment(name=log.name, records=lambda: _readable(log, start, end), heads=())
    found = list(LeakedRecords().check(segment))
    with store.changing() as change:
        change.put_place(place, end)
    if found:
        first = found[0].location.rows[0]
        kinds = sorted({item.evidence.facts["kinds"] for item in found})
        yield Alert(
            kind="log leaks",
            cause=f"log leaks/{log.name}",
            title=f"{log.name}: records hold credentials or personal data",
            severity=Severity.HIGH,
            at=now,
            asset=log.name,
            facts={
                "records": str(len(found)),
                "first record": str(start + first),
                "kinds": ", ".join(kinds)[:200],
            },
        )


def _readable(log: Decisions, start: int, end: int) -> Iterator[bytes]:
    """Records with what was sealed in them, where the keys are there."""
    from hauberk.trust.erasure import Vault, opened

    vault = None if log.watched.erasable is None else Vault(log.watched.erasable)
    for record in log.log.records(start, end):
        value = None if vault is None else opened(record, vault)
        yield record if value is None else json.dumps(value).encode()


def _whole(log: Decisions, now: float) -> Iterator[Alert]:
    witness = log.watched.witness
    segment = LogSegment(
        name=log.name,
        records=log.log.records,
        heads=tuple(log.log.heads()),
        witnessed=() if witness is None else tuple(HeadsFile(witness)),
        until=now,
    )
    try:
        for finding in BrokenLog().check(segment):
            yield _broken(log.name, finding.message, finding.evidence.facts.get("defect", ""), now)
    except NotApplicable:
        return
    except HauberkError as error:
        yield _broken(log.name, error.message, error.found or "", now)


def _latest(log: Decisions) -> float | None:
    size = log.log.size
    times = [
        moment.at
        for record in log.log.records(max(size - _TAIL, 0), size)
        if (moment := moment_of(record)) is not None
    ]
    return max(times, default=None)


def _broken(name: str, message: str, found: str, now: float) -> Alert:
    return Alert(
        kind="log broken",
        cause=f"log broken/{name}/{found[:40]}",
        title=f"{name}: {message}"[:200],
        severity=Severity.CRITICAL,
        at=now,
        asset=name,
        facts={"found": found} if found else {},
    )
