"""The monitor at work: reads its sources, sums hours, and says what is wrong.

One `Monitor` writes to a folder at a time (a lock says whose it is); pages read beside it.
`tick` does what is due and returns; everything it does can be done again after a crash.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Final

from hauberk.core.finding import Severity
from hauberk.errors import HauberkError, TrustError, UnavailableError
from hauberk.methods import seasons
from hauberk.methods.alerting import Alert, Board
from hauberk.methods.decisions import alerts_of
from hauberk.methods.sequential import Detectors
from hauberk.monitor import hours
from hauberk.monitor.hours import DAY_H, HOUR_S
from hauberk.monitor.intake import Batches, Decisions, Folder
from hauberk.monitor.judging import (
    Slow,
    alerts,
    fall_alerts,
    hour_alerts,
    judge,
    moved_alerts,
    sum_of,
    unusual,
)
from hauberk.monitor.own_alerts import rebuilt, refused, replica, trouble
from hauberk.monitor.settings import IMPORTANCE
from hauberk.monitor.store import Decided, Shown, Store, open_store
from hauberk.monitor.viewers import alert_line, redacted_alert
from hauberk.sketches.grid import Grid, grid_of
from hauberk.trust.keys import PublicKey
from hauberk.trust.telemetry import host_of

if TYPE_CHECKING:
    from hauberk.monitor.otlp import Taken
    from hauberk.monitor.settings import Settings, Watched
    from hauberk.trust.telemetry import Batch

BOARD: Final = "board"
ALERT_LINES: Final = "alerts.jsonl"
MAX_LINES_BYTES: Final = 64 << 20
QUIET_REPLICA_S: Final = 900.0
"""A replica that was heard before and not for so long is silent."""
LOG_CHECK_S: Final = 60.0
SUMS_AT_ONCE: Final = 200
"""Hours whose sums are written by one transaction."""
LEASE_S: Final = 60.0
"""After a monitor was silent for so long, another one over the same store takes its place."""
RETAIN_S: Final = 3600.0
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A watched model with its bins and, where training had times, what a day looks like.

    Attributes:
        rows: Rows of training.
        columns: All columns of training, watched or not.
        signer: Id of the key that signed the reference; empty where none was asked for.
    """

    name: str
    watched: Watched
    grid: Grid
    baseline: seasons.Baseline | None = None
    rows: int = 0
    columns: frozenset[str] = frozenset()
    signer: str = ""


@dataclass(slots=True, kw_only=True)
class Monitor:
    """Running state.

    Attributes:
        clock: Seconds since the epoch.
        name: Which of several monitors over one store this is.
        troubles: What cannot be done at the moment, by what it is: a full disk, a log that
            cannot be read. Shown on the page and in the metrics.
    """

    settings: Settings
    store: Store
    models: Mapping[str, Model]
    logs: tuple[Decisions, ...]
    keys: Mapping[str, PublicKey]
    clock: Callable[[], float]
    board: Board = field(default_factory=Board)
    troubles: dict[str, str] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    name: str = "monitor"
    _lock: RLock = field(default_factory=RLock)
    _due: dict[str, float] = field(default_factory=dict)

    def tick(self) -> None:
        """Do what is due."""
        with self._lock:
            if not self._leads():
                return
            for name, work in (
                ("tables", self._read_folders),
                ("logs", self._read_logs),
                ("sums", self._sum),
                ("canaries", self._ask_canaries),
                ("actions", self._act),
                ("replicas", self._look_for_replicas),
                ("watch", self._watch_logs),
                ("retention", self._retain),
                ("alerts", self._show_waiting),
            ):
                self._try(name, work)
        self._notify()

    def _leads(self) -> bool:
        """Whether this is the one of several monitors over one store that reads the sources."""
        if not self.settings.store:
            return True  # whoever holds the folder's lock
        try:
            with self.store.changing() as change:
                leads = change.lead(self.name, now=self.clock(), for_s=LEASE_S)
            self.troubles.pop("store", None)
        except (HauberkError, OSError) as error:
            self.troubles["store"] = str(error)[:300]
            return False
        return leads

    def _notify(self) -> None:
        """Tell others, outside of the lock: they may be slow."""
        from hauberk.monitor.notify import channels

        for name, send in channels(self.settings.notify).items():
            self._try(f"notify {name}", partial(self._send, name, send))

    def _send(self, name: str, send: Callable[[Sequence[Shown]], None]) -> None:
        """What a channel was not told yet, oldest first."""
        place = f"told:{name}"
        waiting = self.store.alerts_after(int(self.store.place(place) or 0))
        if waiting:
            send(waiting)
            with self.store.changing() as change:
                change.put_place(place, waiting[-1].number)

    def push(self, data: bytes) -> Batch:
        """Take in a signed batch.

        Raises:
            ArtifactError: It is no batch.
            TrustError: It is refused; that is an alert.
            UnavailableError: It cannot be written now; send it again.
        """
        grids = {name: model.grid for name, model in self.models.items()}
        batches = Batches(keys=self.keys, grids=grids)
        with self._lock:
            try:
                return batches.take(self.store, data, now=self.clock(), oldest=self.oldest())
            except UnavailableError:
                raise
            except HauberkError as error:
                rule = error.rule or error.message
                self.refused[rule] = self.refused.get(rule, 0) + 1
                with suppress(HauberkError):
                    self.tell([refused(error, rule, self.clock())])
                raise

    def take_otlp(self, model: str, path: str, data: bytes, authorization: str) -> Taken:
        """Take in rows or durations that a sender with a token pushed.

        Raises:
            ArtifactError: It is no OTLP.
            TrustError: There is no such door, or the token is another one; that is an alert.
            UnavailableError: It cannot be written now; send it again.
        """
        from hauberk.monitor.otlp import Intake

        door = self.settings.otlp.get(model)
        if door is None or model not in self.models:
            raise TrustError("there is no door for OTLP about this model", rule="[otlp.NAME]")
        intake = Intake(door=door, model=self.models[model])
        try:
            intake.admit(authorization)
        except TrustError as error:
            with self._lock, suppress(HauberkError):
                self.tell([refused(error, error.rule or "", self.clock())])
            raise
        with self._lock:
            return intake.take(self.store, path, data, now=self.clock(), oldest=self.oldest())

    def oldest(self) -> float:
        """Seconds since the epoch before which nothing is kept."""
        return self.clock() - self.settings.retention_days * _DAY_S

    def tell(self, found: Iterable[Alert]) -> None:
        """Offer alerts to the board; keep those that it shows."""
        now, found = self.clock(), [self._weighed(alert) for alert in found]
        if not found:
            return
        silences = [silence for _, silence in self.store.silences(now)]
        shown: list[Alert] = []
        for alert in found:
            if not any(silence.covers(alert) for silence in silences):
                shown += self.board.offer(alert, now)
        self._keep(shown)

    def _weighed(self, alert: Alert) -> Alert:
        """An alert as severe as the model that it is about makes it."""
        known = self.models.get(alert.asset)
        steps = 0 if known is None else IMPORTANCE.index(known.watched.importance) - 1
        levels = tuple(Severity)
        place = min(max(alert.severity.rank + steps, 0), len(levels) - 1)
        return replace(alert, severity=levels[place]) if steps else alert

    def _keep(self, shown: list[Alert]) -> None:
        shown = [redacted_alert(alert) for alert in shown]
        if shown:
            now = self.clock()
            with self.store.changing() as change:
                for alert in shown:
                    change.put_alert(alert, now)
                change.keep_state(BOARD, json.dumps(self.board.to_json()).encode())
            self._write_lines(shown)

    def _write_lines(self, shown: list[Alert]) -> None:
        """For those who collect files: one line each, the file cut at a bound."""
        path = self.settings.state / ALERT_LINES
        if path.exists() and path.stat().st_size > MAX_LINES_BYTES:
            path.replace(path.with_name(f"{ALERT_LINES}.1"))
        with path.open("a", encoding="ascii") as file:
            file.writelines(f"{alert_line(alert)}\n" for alert in shown)

    def _show_waiting(self) -> None:
        self._keep(list(self.board.waiting(self.clock())))

    def _try(self, name: str, work: Callable[[], None]) -> None:
        """Whatever cannot be done now is tried again at the next tick, and is said."""
        try:
            work()
            self.troubles.pop(name, None)
        except (HauberkError, OSError) as error:
            self.troubles[name] = str(error)[:300]
            with suppress(HauberkError, OSError):
                self.tell([trouble(name, error, self.clock())])

    def _is_due(self, name: str, every_s: float) -> bool:
        now = self.clock()
        if 0 <= self._due.get(name, 0.0) - now <= every_s:
            return False
        self._due[name] = now + every_s
        return True

    # Sources -------------------------------------------------------------------------

    def _read_folders(self) -> None:
        for model in self.models.values():
            folder = Folder(
                model=model.name, watched=model.watched, grid=model.grid, columns=model.columns
            )
            self._tell_each(folder.read(self.store, now=self.clock(), oldest=self.oldest()))

    def _read_logs(self) -> None:
        for log in self.logs:
            self._tell_each(_of_decisions(log.read(self.store, oldest=self.oldest())))

    def _tell_each(self, found: Iterator[Alert]) -> None:
        """Tell also what was found before a source could not be read on."""
        told: list[Alert] = []
        try:
            told.extend(found)  # what came before an error stays in the list
        finally:
            self.tell(told)

    # Sums ----------------------------------------------------------------------------

    def _sum(self) -> None:
        changed = self.store.dirty()
        for start in range(0, len(changed), SUMS_AT_ONCE):
            self._sum_hours(changed[start : start + SUMS_AT_ONCE])
        for model, day in sorted({(model, hour // DAY_H) for model, hour in changed}):
            self._sum_day(model, day)

    def _sum_hours(self, changed: Sequence[tuple[str, int]]) -> None:
        found = [
            (model, hour, judge(self._grid(model), self.store.hour(model, hour)))
            for model, hour in changed
        ]
        for model, _, judged in found:
            self.tell(hour_alerts(model, judged.counts, at=self.clock()))
        with self.store.changing() as change:
            for model, hour, judged in found:
                change.put_sum(model, sum_of(hour, judged))

    def _grid(self, model: str) -> Grid:
        known = self.models.get(model)
        return known.grid if known is not None else Grid(axes=())

    def _sum_day(self, model: str, day: int) -> None:
        first = day * DAY_H
        found = judge(self._grid(model), self.store.hour(model, first, first + DAY_H - 1))
        with self.store.changing() as change:
            change.put_sum(model, sum_of(first, found), span=DAY_H)
        known = self.models.get(model)
        now = self.clock()
        is_over = now >= (day + 1) * _DAY_S
        odd = None
        if known is not None and known.baseline is not None:
            odd = unusual(known.grid, known.baseline, day, found.counts)
        self.tell(alerts(model, found, at=now, unusual=odd))
        if is_over:
            self._slow(known, day, found.counts)
            days = self.store.sums(model, first - 60 * DAY_H, first, span=DAY_H)
            self.tell(fall_alerts(model, days, at=now))
            every = self.store.sums(model, 0, first, span=DAY_H)
            self.tell(moved_alerts(model, every, at=now))

    def _slow(self, model: Model | None, day: int, counts: hours.Hour) -> None:
        if model is None or model.baseline is None:
            return
        name = f"slow:{model.name}:{model.grid.digest[:16]}"
        slow = Slow(
            grid=model.grid,
            baseline=model.baseline,
            detectors=Detectors(n=len(seasons.names(model.grid))),
        )
        kept = self.store.state(name)
        if kept is not None:
            value = json.loads(kept)
            slow.day, slow.detectors = value["day"], Detectors.from_json(value["detectors"])
        found = list(slow.update(model.name, day, counts))
        body = json.dumps({"day": slow.day, "detectors": slow.detectors.to_json()})
        with self.store.changing() as change:
            change.keep_state(name, body.encode())
        self.tell(found)

    def _ask_canaries(self) -> None:
        """Ask rows with known answers, each model by its own schedule, also over restarts."""
        from hauberk.monitor.canary import rescore

        for name, canary in self.settings.canaries.items():
            place, now = f"canary:{name}", self.clock()
            last = float(self.store.place(place) or 0.0)
            if name in self.models and not 0 <= now - last < canary.every_h * HOUR_S:
                self.tell(rescore(self.store, name, canary, now))
                with self.store.changing() as change:
                    change.put_place(place, now)

    def _act(self) -> None:
        """Say which sources move, and ask for what two origins agree on, once for each day."""
        from hauberk.monitor.acting import act

        for model in self.models.values():
            self.tell(act(self.store, model, self.settings.actions.get(model.name), self.clock()))

    # Watching ------------------------------------------------------------------------

    def _look_for_replicas(self) -> None:
        now, found = self.clock(), self.store.ledgers()
        heard: dict[str, float] = {}
        for name, (_, seen) in found.items():
            host = host_of(name)
            heard[host] = max(heard.get(host, 0.0), seen)
        for name, seen in heard.items():
            if now - seen > QUIET_REPLICA_S:
                self.tell([replica(name, "is silent", f"heard {now - seen:.0f} s ago", now)])
        for name, (ledger, _) in found.items():
            if ledger.missing and self._is_due(f"missing:{name}", QUIET_REPLICA_S):
                n = len(ledger.missing)
                self.tell([replica(name, "lost batches", f"{n} numbers are missing", now)])

    def _watch_logs(self) -> None:
        from hauberk.monitor.log_watch import leaked, watch

        if self._is_due("log watch", LOG_CHECK_S):
            for log in self.logs:
                self.tell(watch(log, now=self.clock()))
        for log in self.logs:
            self.tell(leaked(self.store, log, now=self.clock()))

    def _retain(self) -> None:
        if self._is_due("retention", RETAIN_S):
            with self.store.changing() as change:
                change.retain(
                    hour=int(self.oldest() // HOUR_S), hour_now=int(self.clock() // HOUR_S)
                )


def open_monitor(settings: Settings, *, clock: Callable[[], float]) -> Monitor:
    """Read references, keys and logs; open or mend the store.

    Raises:
        ArtifactError: A reference is no profile.
        UnavailableError: Something cannot be read or written.
        UsageError: A file that the settings name does not exist.
    """
    from hauberk.monitor.references import keys_of, logs_of

    store, damaged = open_store(settings.state, address=settings.store, schema=settings.schema)
    models = {name: _model(name, watched) for name, watched in settings.models.items()}
    _register(store, models)
    monitor = Monitor(
        settings=settings,
        store=store,
        models=models,
        logs=logs_of(settings.logs),
        keys=keys_of(settings.replicas),
        clock=clock,
        name=f"{platform.node()}:{settings.state.absolute()}",
        board=Board.from_json(json.loads(store.state(BOARD) or b"{}")),
    )
    if damaged is not None:
        monitor.tell([rebuilt(damaged, clock())])
    return monitor


def _model(name: str, watched: Watched) -> Model:
    from hauberk.monitor.references import read_reference

    reference = read_reference(watched.reference, key=watched.reference_key)
    without = watched.not_inputs | {reference.profile.label or ""}
    grid = grid_of(reference.profile, without=without)
    baseline = None
    if reference.days is not None:
        baseline = reference.days.baseline(grid)
    return Model(
        name=name,
        watched=watched,
        grid=grid,
        baseline=baseline,
        rows=reference.profile.rows,
        columns=frozenset(column.name for column in reference.profile.columns),
        signer=reference.signer,
    )


def _register(store: Store, models: Mapping[str, Model]) -> None:
    known = store.models()
    for name, model in models.items():
        data = model.grid.to_bytes()
        facts = {"reference": model.watched.reference.name}
        if name in known and known[name][0] == data:
            continue
        with store.changing() as change:
            if name in known:
                change.forget_model(name)
            change.put_model(name, data, facts)


def _of_decisions(found: Iterable[Decided]) -> Iterator[Alert]:
    """One alert for each refusal and each control in shadow; the board groups them."""
    for item in found:
        value = {**asdict(item), "shadow": [name for name in item.shadow.split(",") if name]}
        yield from alerts_of(value, model=item.model, record=f"{item.log} {item.number}")
