"""The end of the monitor's work: sources that move, and signed requests to those who act.

Once for each finished day of a model:

1. Counts of single sources are held against training; a source that moves away where others
   do not is told, with the share of rows that such sources sent.
2. Signals are gathered from whoever speaks: replicas, dropped tables, labels that others
   brought, guards' logs, canaries. Labels that come in the same folder as predictions are the
   word of whoever fills that folder, and no second one.
3. What two origins agree on, and the settings allow, becomes a request: signed, numbered, put
   whole into a folder. A retraining beyond the poison budget is not asked for; that is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hauberk.core.finding import Severity
from hauberk.methods.alerting import Alert
from hauberk.monitor.actions import (
    Action,
    Decision,
    Signal,
    decide,
    label_signals,
    telemetry_signals,
)
from hauberk.monitor.canary import STATE
from hauberk.monitor.hours import DAY_H, HOUR_S, Hour
from hauberk.monitor.intake import LOG
from hauberk.monitor.judging import by_host, judge
from hauberk.monitor.settings import Acting
from hauberk.monitor.store import Store
from hauberk.trust.requests import MAX_SOURCES, MAX_TEXT, PPM, Request, details, seal_request

if TYPE_CHECKING:
    from hauberk.core.finding import Finding
    from hauberk.monitor.watching import Model

SOURCE_DAYS: Final = 60
"""Days over which the evidence against a source adds up."""
LABEL_DAYS: Final = 60
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What was found of single sources.

    Attributes:
        share: Of the rows since ``since``, those that moving sources sent.
    """

    moving: tuple[str, ...] = ()
    share: float = 0.0
    since: str = ""
    findings: tuple[Finding, ...] = ()


def act(store: Store, model: Model, acting: Acting | None, now: float) -> Iterator[Alert]:
    """Do what a finished day asks for, once; what is to be told."""
    place = f"acted:{model.name}:{model.grid.digest[:16]}"
    newest = store.newest(model.name)
    if newest is None:
        return
    day = min(newest // DAY_H, int(now // _DAY_S) - 1)
    if day <= int(store.place(place) or 0):
        return
    found = sources_of(store, model, day)
    yield from (_moves(model.name, finding, now) for finding in found.findings)
    if acting is not None:
        yield from _ask(store, model, acting, (day, found, now))
    with store.changing() as change:
        change.put_place(place, day)


# Sources -----------------------------------------------------------------------------


def sources_of(store: Store, model: Model, day: int) -> Sources:
    """Which sources moved away from training by the end of ``day``."""
    from hauberk.controls.dataset.steered_sources import SourceCounts, SteeredSources

    rows = store.sources(model.name, day - SOURCE_DAYS + 1, day)
    if not rows:
        return Sources()
    live = SourceCounts()
    for when, source, counts in rows:
        live.counts[when, source] = counts.counts
        live.rows[when, source] = counts.rows
    core = SourceCounts(rows={(0, ""): int(model.rows)})
    findings = tuple(SteeredSources().judge(model.name, model.grid, core, live))
    moving = tuple(sorted(str(f.location.field) for f in findings if f.location.field))
    total = sum(live.rows.values())
    sent = sum(n for (_, source), n in live.rows.items() if source in moving)
    return Sources(
        moving=moving,
        share=sent / max(total, 1),
        since=str(np.datetime64(min(live.days), "D")),
        findings=tuple(f for f in findings if f.location.field),
    )


def _moves(model: str, finding: Finding, now: float) -> Alert:
    source = str(finding.location.field)
    return Alert(
        kind="source moves",
        cause=f"source moves/{model}/{source}",
        title=f"rows of source {source} move away from training where those of others do not",
        severity=Severity.HIGH,
        at=now,
        principal=source,
        asset=model,
        facts={
            "by": finding.evidence.facts["window"],
            "days": finding.evidence.facts["windows"],
            "column": finding.evidence.facts["column"],
            "evidence": f"{finding.evidence.value:.1f}",
        },
    )


# Signals -----------------------------------------------------------------------------


def signals_of(store: Store, model: Model, acting: Acting, day: int) -> list[Signal]:
    """Everything that anybody says of the day, with whose word it is."""
    parts = store.hour(model.name, day * DAY_H, day * DAY_H + DAY_H - 1)
    by_origin: dict[str, dict[str, Hour]] = {"telemetry": {}, "tables": {}, "log": {}}
    for name, part in parts.items():
        is_log = name.startswith(f"{LOG}:")
        by_origin["log" if is_log else "telemetry" if name else "tables"][name] = part
    found = []
    for origin, own in by_origin.items():
        if own:
            judged = judge(model.grid, own)
            found += telemetry_signals(
                judged, by_host(own), origin=origin, latency_s=acting.latency_s
            )
    first = (day - LABEL_DAYS + 1) * DAY_H
    days = store.sums(model.name, first, day * DAY_H, span=DAY_H)
    found += label_signals(days, origin="tables" if model.watched.labels is None else "labels")
    return found + _canary_signals(store, model.name, day)


def _canary_signals(store: Store, model: str, day: int) -> list[Signal]:
    kept = store.state(f"{STATE}:{model}")
    value = json.loads(kept) if kept else {}
    if not value.get("failed") or value["at"] < day * _DAY_S:
        return []
    return [Signal(action=Action.ROLLBACK, origin=STATE, text=value["text"])]


# Requests ----------------------------------------------------------------------------


def _ask(
    store: Store, model: Model, acting: Acting, seen: tuple[int, Sources, float]
) -> Iterator[Alert]:
    day, sources, now = seen
    for decision in decide(signals_of(store, model, acting, day)):
        action = decision.action.value
        if action not in acting.allowed or _is_quiet(store, model.name, action, acting, now):
            continue
        if decision.action is Action.RETRAIN and sources.share > acting.budget:
            yield _held(model.name, sources, acting, now)
            continue
        request = _request(store, model.name, decision, (acting, sources, now))
        _put(request, acting)
        with store.changing() as change:
            change.keep_state(f"asked:{model.name}:{action}", json.dumps({"at": now}).encode())
            change.put_place(f"requests:{model.name}", request.number)
        yield _asked(request, now)


def _is_quiet(store: Store, model: str, action: str, acting: Acting, now: float) -> bool:
    kept = store.state(f"asked:{model}:{action}")
    return bool(kept) and 0 <= now - json.loads(kept or b"")["at"] < acting.quiet_h * HOUR_S


def _request(
    store: Store, model: str, decision: Decision, how: tuple[Acting, Sources, float]
) -> Request:
    acting, sources, now = how
    last = int(store.place(f"requests:{model}") or 0)
    return Request(
        action=decision.action.value,
        model=model,
        number=max(last + 1, int(now)),  # goes on even where the store was lost
        at=int(now),
        until=int(now + acting.lasts_h * HOUR_S),
        signals=tuple((s.origin, s.text[:MAX_TEXT]) for s in decision.signals),
        leave_out=tuple(name[:MAX_TEXT] for name in sources.moving[:MAX_SOURCES]),
        since=sources.since,
        share_ppm=min(round(sources.share * PPM), PPM),
    )


def _put(request: Request, acting: Acting) -> None:
    """Write the request whole, beside those that were written before."""
    from hauberk.trust.keys import read_private
    from hauberk.trust.private_files import make_folder, write

    make_folder(acting.requests)
    name = f"{request.action}-{request.number:012d}.json"
    write(acting.requests / name, seal_request(request, read_private(acting.key)), 0o644)


def _asked(request: Request, now: float) -> Alert:
    return Alert(
        kind=f"{request.action} asked for",
        cause=f"{request.action} asked for/{request.model}",
        title=f"{' and '.join(sorted(request.origins))} agree: {request.action} is asked for",
        severity=Severity.HIGH,
        at=now,
        asset=request.model,
        facts={**details(request), "request": str(request.number)},
    )


def _held(model: str, sources: Sources, acting: Acting, now: float) -> Alert:
    return Alert(
        kind="retraining held",
        cause=f"retraining held/{model}",
        title=(
            f"a retraining is not asked for: sources that move sent {sources.share:.1%} of the "
            f"rows, the budget is {acting.budget:.1%}"
        ),
        severity=Severity.HIGH,
        at=now,
        asset=model,
        facts={"leave out": ", ".join(sources.moving[:20]), "since": sources.since},
    )
