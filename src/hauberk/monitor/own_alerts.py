"""Alerts about the monitor's own sources: tables, telemetry, replicas, and its store."""

from __future__ import annotations

from pathlib import Path

from hauberk.core.finding import Severity
from hauberk.errors import HauberkError, UnavailableError
from hauberk.methods.alerting import Alert


def unreadable(model: str, path: Path, error: HauberkError, now: float) -> Alert:
    """A table that cannot be read."""
    return Alert(
        kind="unreadable table",
        cause=f"unreadable table/{model}/{path.name}",
        title=f"{path.name}: {error.message}",
        severity=Severity.MEDIUM,
        at=now,
        asset=model,
        facts=dict(error.details()),
    )


def left_out(model: str, path: Path, n: int, now: float) -> Alert:
    """Rows that count no longer, or not yet."""
    return Alert(
        kind="rows left out",
        cause=f"rows left out/{model}",
        title=f"{path.name}: {n} rows are of the future or older than what is kept",
        severity=Severity.MEDIUM,
        at=now,
        asset=model,
        facts={"rows": str(n)},
    )


def other_columns(model: str, path: Path, found: tuple[str, list[str]], now: float) -> Alert:
    """Columns that training did not have, or that are gone."""
    what, names = found
    return Alert(
        kind=f"{what} columns",
        cause=f"{what} columns/{model}",
        title=f"{path.name}: columns that are {what}: {', '.join(names[:10])}"[:200],
        severity=Severity.HIGH if what == "gone" else Severity.MEDIUM,
        at=now,
        asset=model,
        facts={"columns": ", ".join(names)[:200]},
    )


def refused(error: HauberkError, rule: str, now: float) -> Alert:
    """Telemetry that was not believed."""
    return Alert(
        kind="telemetry refused",
        cause=f"telemetry refused/{rule}",
        title=f"telemetry was refused: {error.message}",
        severity=Severity.HIGH,
        at=now,
        facts=dict(error.details()),
    )


def trouble(name: str, error: Exception, now: float) -> Alert:
    """Something that the monitor cannot do at the moment."""
    is_broken = isinstance(error, HauberkError) and not isinstance(error, UnavailableError)
    return Alert(
        kind="monitor",
        cause=f"monitor/{name}/{type(error).__name__}",
        title=f"{name} cannot be read: {error}"[:200],
        severity=Severity.CRITICAL if is_broken else Severity.HIGH,
        at=now,
    )


def replica(name: str, what: str, found: str, now: float) -> Alert:
    """Something about a replica's telemetry."""
    return Alert(
        kind=f"replica {what}",
        cause=f"replica {what}/{name}",
        title=f"replica {name} {what}",
        severity=Severity.HIGH,
        at=now,
        facts={"found": found},
    )


def rebuilt(damaged: Path, now: float) -> Alert:
    """A store that was damaged."""
    return Alert(
        kind="monitor",
        cause="monitor/store rebuilt",
        title="the monitor's store was damaged; it is made again from its sources",
        severity=Severity.HIGH,
        at=now,
        facts={"set aside as": damaged.name},
    )
