"""What the monitor reads: guards' logs, dropped tables, rows and signed batches that are pushed.

Each source is read from where the last reading ended, and what it gave is written together
with the new place. So the monitor can be down for hours and catches up, and nothing counts
twice. A table that cannot be read is an alert and is not tried again until it changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError
from hauberk.methods.alerting import Alert
from hauberk.methods.days import seconds
from hauberk.methods.decisions import MAX_TEXT, decision_of, serving_of, shadow_of, text_of
from hauberk.monitor import hours, streams
from hauberk.monitor.hours import HOUR_S, Hour
from hauberk.monitor.own_alerts import left_out, other_columns, unreadable
from hauberk.monitor.store import Change, Decided, Store
from hauberk.sketches.grid import Grid
from hauberk.trust.keys import PublicKey
from hauberk.trust.telemetry import Batch, open_batch

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.monitor.settings import Watched, WatchedLog
    from hauberk.trust.log import Log

TABLES: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather"})
MAX_FILES = 10_000
"""Files of one folder that are looked at in one pass."""
READ_AT_ONCE = 20_000
"""Records of a log that are taken in by one transaction."""
MAX_FUTURE_S = 300.0
_APART: Final = "\x1f"
"""Between a prediction that waits and its group."""
SERVING: Final = "serving"
LOG, TABLE, LABELS = "log", "table", "labels"


# Tables ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Tables that somebody drops into a folder.

    Attributes:
        columns: All that training had; others are new.
    """

    model: str
    watched: Watched
    grid: Grid
    columns: frozenset[str] = frozenset()

    def read(self, store: Store, *, now: float, oldest: float) -> Iterator[Alert]:
        """Take in every table that is new or has changed its content.

        Raises:
            UnavailableError: Some could not be taken in now; they are tried again.
        """
        folders = ((TABLE, self.watched.predictions), (LABELS, self.watched.labels))
        for kind, folder in folders:
            yield from self._read(kind, folder, store, now=now, oldest=oldest)

    def _read(
        self, kind: str, folder: Path | None, store: Store, *, now: float, oldest: float
    ) -> Iterator[Alert]:
        later: UnavailableError | None = None
        for path in _tables(folder):
            source = f"{kind}:{self.model}:{path.name}"
            mark = _mark(path)
            if mark is None or store.place(source) == mark:
                continue
            try:
                yield from self._take(store, path, source, mark, now=now, oldest=oldest)
            except UnavailableError as error:
                later = error  # no fault of the table's: a full disk, a store that is not there
            except HauberkError as error:
                with store.changing() as change:
                    change.put_place(source, mark)
                yield unreadable(self.model, path, error, now)
        if later is not None:
            raise later

    def _take(
        self, store: Store, path: Path, source: str, mark: Any, *, now: float, oldest: float
    ) -> Iterator[Alert]:
        from hauberk.formats.tables import open_table

        known = store.place(f"content:{self.model}")
        seen = set(known or ())
        digest = _digest(path)
        if digest in seen:  # the same file under another name, or touched
            with store.changing() as change:
                change.put_place(source, mark)
            return
        rows = Rows(
            model=self.model,
            watched=self.watched,
            grid=self.grid,
            only_labels=source.startswith(LABELS) if self.watched.labels else None,
        )
        with store.changing() as change:
            if change.place(source) == mark:
                return  # another monitor was quicker
            at = min(path.stat().st_mtime, now)
            table = open_table(path)
            _, left = rows.take(change, table, at=at, now=now, oldest=oldest)
            change.put_place(source, mark)
            change.put_place(f"content:{self.model}", [*(known or ()), digest][-MAX_FILES:])
        if left:
            yield left_out(self.model, path, left, now)
        yield from self._unknown(path, {column.name for column in table.columns}, now)

    def _unknown(self, path: Path, names: set[str], now: float) -> Iterator[Alert]:
        """Columns that training did not have, and those that it had and are gone."""
        watched = self.watched
        own = watched.not_inputs | {watched.prediction, watched.confidence, watched.group}
        if not self.columns or names <= own:  # labels alone
            return
        new = sorted(names - self.columns - own)
        gone = sorted({axis.name for axis in self.grid.axes} - names)
        for what, found in (("new", new), ("gone", gone)):
            if found:
                yield other_columns(self.model, path, (what, found), now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows with predictions, counted into the hours that they belong to.

    Attributes:
        only_labels: Whether the table may hold labels and nothing else (true), or whose labels
            are not believed, since they come by another way (false); ``None`` takes both.
    """

    model: str
    watched: Watched
    grid: Grid
    only_labels: bool | None = None

    def take(
        self, change: Change, table: Dataset, *, at: float, now: float, oldest: float
    ) -> tuple[int, int]:
        """Count a table in.

        Args:
            change: The transaction.
            at: When the rows count as, where they have no time of their own.

        Returns:
            Rows that were counted, and those of the future or too old, which were not.
        """
        taken = left = 0
        for batch in table.read():
            times = self._times(batch, at)
            fits = (times >= oldest) & (times <= now + MAX_FUTURE_S)
            left += int(np.count_nonzero(~fits))
            for hour in np.unique(times[fits] // HOUR_S).astype(int).tolist():
                rows = np.flatnonzero(fits & (times // HOUR_S == hour))
                taken += rows.size
                self._count(change, batch.take(rows), hour)  # type: ignore[attr-defined]  # Arrow's
        return taken, left

    def _times(self, batch: Any, at: float) -> Any:
        if self.watched.time not in batch.schema.names:
            return np.full(batch.num_rows, at)
        return seconds(batch.column(self.watched.time))

    def _count(self, change: Change, batch: Any, hour: int) -> None:
        if self._is_only_labels(batch):
            self._judge(change, batch, hour)
            return
        if self.only_labels:
            raise ArtifactError(
                "this is no table of labels",
                subject=self.model,
                rule="a folder of labels holds labels, and rows come another way",
                expected=f"columns {self.watched.id}, {self.watched.label}",
                found=", ".join(batch.schema.names)[:120],
            )
        found = Hour(rows=batch.num_rows, requests=batch.num_rows)
        found.add_columns(self.grid.count(batch))
        for tally, column in ((hours.PREDICTED, self.watched.prediction),):
            for name, n in _counts(batch, column):
                found.count(tally, name, n)
        self._confidences(batch, found)
        self._groups(batch, found)
        change.add(self.model, hour, "", found)
        self._sources(change, batch, hour)
        self._remember(change, batch, hour)
        self._judge(change, batch, hour)

    def _is_only_labels(self, batch: Any) -> bool:
        names = set(batch.schema.names)
        own = {self.watched.id, self.watched.label, self.watched.time} - {""}
        return self.watched.label in names and names <= own

    def _confidences(self, batch: Any, found: Hour) -> None:
        import pyarrow as pa

        if self.watched.confidence not in batch.schema.names:
            return
        cells = batch.column(self.watched.confidence).cast(pa.float64(), safe=False)
        values = cells.to_numpy(zero_copy_only=False)
        values = values[np.isfinite(values)]
        bins = np.clip((values * hours.N_CONFIDENCE).astype(int), 0, hours.N_CONFIDENCE - 1)
        for place, n in zip(*np.unique(bins, return_counts=True), strict=True):
            found.count(hours.CONFIDENCE, str(place), int(n))

    def _groups(self, batch: Any, found: Hour) -> None:
        names = (self.watched.group, self.watched.prediction)
        if not all(name and name in batch.schema.names for name in names):
            return
        groups, predicted = (_texts(batch, name) for name in names)
        pairs = [f"{g}\t{p}" for g, p in zip(groups, predicted, strict=True)]
        for pair, n in zip(*np.unique(np.array(pairs), return_counts=True), strict=True):
            found.count(hours.GROUP, str(pair), int(n))

    def _sources(self, change: Change, batch: Any, hour: int) -> None:
        """Count what each source sent into its day."""
        if not self.watched.source or self.watched.source not in batch.schema.names:
            return
        names = np.array([name[: hours.MAX_NAME] for name in _texts(batch, self.watched.source)])
        for name in np.unique(names).tolist():
            part = batch.take(np.flatnonzero(names == name))
            found = Hour(rows=part.num_rows, counts=self.grid.count(part))
            change.add_source(self.model, hour // hours.DAY_H, name, found)

    def _remember(self, change: Change, batch: Any, hour: int) -> None:
        """Let predictions wait for their labels, or meet those that came before."""
        names = (self.watched.id, self.watched.prediction)
        if not all(name and name in batch.schema.names for name in names):
            return
        has_groups = self.watched.group and self.watched.group in batch.schema.names
        groups = _texts(batch, self.watched.group) if has_groups else [""] * batch.num_rows
        judged = Hour()
        keys, values = (_texts(batch, name) for name in names)
        for key, value, group in zip(keys, values, groups, strict=True):
            said = value[:MAX_TEXT]
            said += f"{_APART}{group[: hours.MAX_NAME]}" if group else ""
            label = change.met(self.model, _key(key), is_label=True)
            if label is None:
                change.wait(self.model, _key(key), hour, said, is_label=False)
            else:
                _count_judged(judged, said, label[1])
        if judged.tallies:
            change.add(self.model, hour, "", judged)

    def _judge(self, change: Change, batch: Any, hour: int) -> None:
        """Count each label that came to the hour of its prediction, or let it wait for one."""
        names = (self.watched.id, self.watched.label)
        has_both = all(name and name in batch.schema.names for name in names)
        if not has_both or self.only_labels is False:
            return
        judged: dict[int, Hour] = {}
        for key, value in zip(*(_texts(batch, name) for name in names), strict=True):
            label = value[:MAX_TEXT]
            waited = change.met(self.model, _key(key), is_label=False) if label else None
            if waited is not None:
                at, said = waited
                _count_judged(judged.setdefault(at, Hour()), said, label)
            elif label:
                change.wait(self.model, _key(key), hour, label, is_label=True)
        for at, counts in judged.items():
            change.add(self.model, at, "", counts)


def _count_judged(counts: Hour, said: str, label: str) -> None:
    """Count whether a prediction, with its group where it has one, was right."""
    predicted, _, group = said.partition(_APART)
    verdict = hours.RIGHT if predicted == label else hours.WRONG
    counts.count(hours.JUDGED, verdict)
    if group:
        counts.count(hours.GROUP_JUDGED, f"{group}\t{verdict}")


def _tables(folder: Path | None) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.suffix.lower() in TABLES)
    return sorted(path for path in found if path.is_file() and not path.is_symlink())[:MAX_FILES]


def _mark(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _texts(batch: Any, column: str) -> list[str]:
    from hauberk.formats.rows import cell_texts

    return [
        "" if cell is None else str(cell) for cell in cell_texts(batch.column(column)).to_pylist()
    ]


def _counts(batch: Any, column: str) -> list[tuple[str, int]]:
    if not column or column not in batch.schema.names:
        return []
    names, counts = np.unique(np.array(_texts(batch, column)), return_counts=True)
    return [(str(name), int(n)) for name, n in zip(names, counts, strict=True)]


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


# Logs --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """A guard's log, followed.

    Attributes:
        names: Digest of a bundle's manifest to the name of its model.
    """

    name: str
    watched: WatchedLog
    log: Log

    def read(self, store: Store, *, oldest: float) -> Iterator[Decided]:
        """Take in the records that are new; what they decided.

        Raises:
            TrustError: The log is damaged or shorter than it was.
        """
        source = f"log:{self.name}"
        start = int(store.place(source) or 0)
        self.log.refresh()
        if self.log.size < start:
            raise TrustError(
                "a log of decisions is shorter than it was",
                subject=str(self.watched.path),
                rule="records are only added",
                expected=f"{start} records or more",
                found=str(self.log.size),
                hint="somebody cut or replaced it: compare it with its witness",
            )
        while start < self.log.size:
            end = min(start + READ_AT_ONCE, self.log.size)
            yield from self._take(store, start, end, oldest)
            start = end

    def _take(self, store: Store, start: int, end: int, oldest: float) -> Iterator[Decided]:
        serving: dict[str, Any] | None = None
        taken, found = [], dict[tuple[str, int], Hour]()
        for number, record in enumerate(self.log.records(start, end), start=start):
            value = decision_of(record)
            if value is None:
                serving = serving_of(record) or serving
                continue
            if not oldest <= value["at"]:
                continue
            model = self.watched.model or text_of(value, "model")
            item = decided(number, self.name, model, value)
            taken.append(item)
            hour = found.setdefault((model, int(item.at // HOUR_S)), Hour())
            _count_decision(hour, item, value)
        with store.changing() as change:
            if int(change.place(f"log:{self.name}") or 0) != start:
                raise UnavailableError("another monitor reads this log", subject=self.name)
            for (model, at), hour in found.items():
                change.add(model, at, f"{LOG}:{self.name}", hour)
            change.put_decisions(taken)
            streams.keep(change, taken)
            if serving is not None:
                name = self.watched.model or text_of(serving, "model")
                change.keep_state(f"{SERVING}:{name}", json.dumps(serving).encode())
            change.put_place(f"log:{self.name}", end)
        yield from taken


def decided(number: int, log: str, model: str, value: Mapping[str, Any]) -> Decided:
    """A record's decision without anything of the payload."""
    return Decided(
        number=number,
        log=log,
        at=float(value["at"]),
        model=model,
        principal=text_of(value, "principal"),
        action=text_of(value, "action"),
        rule=text_of(value, "rule"),
        status=_whole(value.get("status")),
        rows=_whole(value.get("rows")),
        shadow=",".join(shadow_of(value)),
    )


def _count_decision(hour: Hour, item: Decided, value: Mapping[str, Any]) -> None:
    hour.requests += 1
    hour.count(hours.PRINCIPAL, item.principal)
    latency_s = _whole(value.get("latency_us")) / 1e6
    hour.count(hours.LATENCY, hours.latency_bin(latency_s))
    if item.status >= 500:  # noqa: PLR2004 - the server's own fault
        hour.errors += 1
    if item.rule:
        hour.count(hours.REFUSED, item.rule)
    for control in shadow_of(value):
        hour.count(hours.SHADOW, control)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 53 else 0


# Pushed ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Signed telemetry of replicas.

    Attributes:
        keys: Name of each known replica to its key.
        grids: Model to its bins.
    """

    keys: Mapping[str, PublicKey]
    grids: Mapping[str, Grid]

    def take(self, store: Store, data: bytes, *, now: float, oldest: float) -> Batch:
        """Verify a batch and count it in, once.

        Raises:
            ArtifactError: It is no batch, or no counts over the model's grid.
            TrustError: It is not signed by its replica, came before, or is of another time.
        """
        batch = open_batch(data, self.keys)
        grid = self.grids.get(batch.model)
        if grid is None or batch.reference != grid.digest:
            raise TrustError(
                "telemetry of a model that is not watched",
                subject=f"replica {batch.replica}",
                rule="a batch is over the bins of a watched model",
                expected=", ".join(f"{n} {g.digest[:12]}" for n, g in self.grids.items()),
                found=f"{batch.model[:MAX_TEXT]} {batch.reference[:12]}",
                hint="give the replica and the monitor the same reference",
            )
        hour = Hour.from_json(dict(batch.body), grid)
        with store.changing() as change:
            ledger = change.ledger(batch.replica)
            ledger.check(batch, now=now, oldest=oldest)
            ledger.take(batch.sequence)
            change.add(batch.model, int(batch.end // HOUR_S), batch.replica, hour)
            change.put_ledger(batch.replica, ledger, now)
        return batch
