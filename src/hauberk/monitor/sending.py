"""A server's own telemetry: counted by the hour, signed, and sent until it was taken.

What a replica saw is counted over training's bins, as the monitor does it, and no row is kept.
Every batch gets the next number, is signed and written into a folder before it is sent, and
removed when the monitor has taken it. So a monitor that is down for an hour loses nothing, and
a server that ends loses at most what it had not written yet. What the monitor refuses is set
aside and told; it would not be taken later either.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hauberk.errors import HauberkError, UnavailableError, UsageError
from hauberk.monitor import hours
from hauberk.monitor.behind import Behind
from hauberk.monitor.hours import HOUR_S, Hour
from hauberk.monitor.live import FLUSH_ROWS, Buffer, confidences, predicted_names
from hauberk.monitor.posting import posted
from hauberk.sketches.grid import Grid, grid_of
from hauberk.trust.keys import KeyPair, read_private
from hauberk.trust.private_files import make_folder, write
from hauberk.trust.telemetry import MAX_BEHIND, Batch, seal_batch

if TYPE_CHECKING:
    from hauberk.formats.v2 import Request, Tensor
    from hauberk.formats.v2_schema import InputSchema
    from hauberk.sketches.profile import Profile

REFUSED: Final = "refused"
NUMBER: Final = "number"
MAX_SPOOLED: Final = MAX_BEHIND
"""Batches that wait; the monitor would not take older ones."""
WORKER: Final = "worker-"
_KEYS = {"url", "replica", "key", "model", "spool", "every_s", "without", "group", "reference"}
_OK, _ERROR = 200, 500
_BAD_REQUEST, _FORBIDDEN = 400, 403
_AHEAD = "a batch is of the past"
"""The rule of a monitor whose clock is behind; later it takes the same batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Where telemetry goes, and in whose name.

    Attributes:
        url: The monitor's door, ``http://host:9464/v1/telemetry``.
        replica: Name that the monitor knows this server's key by.
        model: How the monitor calls the model.
        spool: Folder of batches that were not taken yet.
        every_s: Seconds that one batch covers.
        without: Columns of the profile that the monitor does not watch either.
        group: Column whose values are counted apart, with what is predicted of each.
        reference: Profile to count over, where what is served brings none.
        left: Spools of workers that are no more; what waits there is sent as well.
    """

    url: str
    replica: str
    key: Path
    model: str
    spool: Path
    every_s: float = 60.0
    without: frozenset[str] = frozenset()
    group: str = ""
    reference: Path | None = None
    left: tuple[Path, ...] = ()

    def of_worker(self, number: int, workers: int) -> Sending:
        """The same for one of several workers: its own numbers, in a folder of its own.

        Args:
            number: 1 for the first worker, which sends what earlier ones left; 0 where this
                process answers alone.
        """
        left: tuple[Path, ...] = ()
        if number <= 1 and self.spool.is_dir():
            mine = {f"{WORKER}{n}" for n in range(1, workers + 1)} if number else set()
            found = (path for path in self.spool.glob(f"{WORKER}*") if path.name not in mine)
            left = (*sorted(found), *([self.spool] if number else []))
        if not number:
            return replace(self, left=left)
        return replace(
            self,
            replica=f"{self.replica}/{number}",
            spool=self.spool / f"{WORKER}{number}",
            left=left,
        )


def read_sending(path: Path) -> Sending:
    """The file of ``--telemetry``; paths in it are relative to its folder.

    Raises:
        UsageError: It cannot be read, or a key or a value is wrong.
    """
    try:
        return _sending(tomllib.loads(path.read_text("utf-8")), path.parent)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            "the file of telemetry is wrong",
            subject=str(path),
            expected="url, replica, key, model, spool; perhaps every_s, without, group, reference",
            found=f"{type(error).__name__}: {error}"[:120],
            hint="see docs/tutorials/monitoring.md",
        ) from error


def _sending(value: dict[str, Any], folder: Path) -> Sending:
    unknown = set(value) - _KEYS
    texts = {name: value[name] for name in ("url", "replica", "model", "key", "spool")}
    if unknown or not all(isinstance(text, str) and text for text in texts.values()):
        raise ValueError(f"{min(unknown, default='an empty text')!r}")
    return Sending(
        **{name: texts[name] for name in ("url", "replica", "model")},
        key=folder / texts["key"],
        spool=folder / texts["spool"],
        every_s=max(float(value.get("every_s", 60.0)), 1.0),
        without=frozenset(str(name) for name in value.get("without", ())),
        group=str(value.get("group", "")),
        reference=folder / str(value["reference"]) if "reference" in value else None,
    )


@dataclass(slots=True)
class _Span:
    """One hour's counts, until they are sent."""

    counts: Hour = field(default_factory=Hour)
    first: float = 0.0
    last: float = 0.0


class Counted:
    """A tap: counts what the guard accepts and refuses, by the hour."""

    def __init__(
        self, training: Profile, schema: InputSchema, grid: Grid, *, group: str = ""
    ) -> None:
        self.grid = grid
        self._group = group
        self._buffer = Buffer(training, schema)
        self._buffer.warm()
        self._lock = threading.Lock()
        self._behind = Behind(self._lock, FLUSH_ROWS)
        self._spans: dict[int, _Span] = {}
        self._hour = 0

    def accepted(self, request: Request, outputs: Sequence[Tensor], at: float) -> None:
        """Note an answered request; it is counted soon."""
        self._behind.put(request.inputs[0].shape[0], self._accept, request, outputs, at)

    def _accept(self, request: Request, outputs: Sequence[Tensor], at: float) -> None:
        counts, n_rows = self._span(at).counts, request.inputs[0].shape[0]
        counts.requests += 1
        counts.rows += n_rows
        self._buffer.keep(request)
        predicted = predicted_names(outputs[0]) if outputs else []
        for name in predicted:
            counts.count(hours.PREDICTED, name)
        for shown, promised in zip(*confidences(outputs, n_rows), strict=True):
            counts.count(hours.CONFIDENCE, hours.bin_of(shown))
            counts.count(hours.ESTIMATED, hours.bin_of(promised))
        groups = self._buffer.last(self._group, n_rows) if self._group else []
        for group, name in zip(groups, predicted, strict=False):
            counts.count(hours.GROUP, f"{group}\t{name}")
        if self._buffer.held >= FLUSH_ROWS:
            self._flush()

    def refused(self, rule: str, at: float) -> None:
        """Note a refusal."""
        self._behind.put(1, self._refuse, rule, at)

    def _refuse(self, rule: str, at: float) -> None:
        span = self._span(at)
        span.counts.requests += 1
        span.counts.count(hours.REFUSED, rule)

    def concluded(self, status: int, seconds: float, at: float) -> None:
        """Note how long a reply took, and whether it was an error of the server."""
        self._behind.put(0, self._conclude, status, seconds, at)

    def _conclude(self, status: int, seconds: float, at: float) -> None:
        counts = self._span(at).counts
        counts.count(hours.LATENCY, hours.latency_bin(seconds))
        if status >= _ERROR:
            counts.errors += 1

    def taken(self) -> list[_Span]:
        """What came since the last call, by the hour."""
        with self._lock:
            self._behind.catch_up()
            self._flush()
            found = [self._spans[hour] for hour in sorted(self._spans)]
            self._spans = {}
        return found

    def _span(self, at: float) -> _Span:
        hour = int(at // HOUR_S)
        if hour != self._hour:
            self._flush()
            self._hour = hour
        span = self._spans.setdefault(hour, _Span(first=at))
        span.first, span.last = min(span.first, at), max(span.last, at)
        return span

    def _flush(self) -> None:
        batch = self._buffer.taken()
        if batch is None:
            return
        counts, known = self.grid.count(batch), set(batch.schema.names)
        for axis, part in self.grid.cut(counts):
            if axis.name not in known:
                part[:] = 0  # the model does not take it: nothing is known, nothing is missing
        self._spans[self._hour].counts.add_columns(counts)


class Sender:
    """Signs and sends, in a thread of its own.

    Args:
        tap: Gives what was counted.
        say: Told what goes wrong, once for each kind.
    """

    def __init__(self, sending: Sending, tap: Counted, *, say: Callable[[str], None]) -> None:
        self._sending = sending
        self._tap = tap
        self._say = say
        self._said = ""
        self._is_ahead = False
        self._key: KeyPair = read_private(sending.key)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hauberk-telemetry", daemon=True)
        make_folder(sending.spool)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Write what is left, try once more to send it, and end."""
        self._stop.set()
        self._thread.join()
        self.round()

    def round(self) -> int:
        """Write down what was counted and send what waits; how many batches still wait."""
        try:
            self._write()
            self._send()
            self._said = ""
        except (HauberkError, OSError) as error:
            text = f"telemetry waits: {error}"
            if text != self._said:
                self._say(text)
            self._said = text
        return len(self._waiting())

    def _work(self) -> None:
        while not self._stop.wait(self._sending.every_s):
            self.round()

    def _write(self) -> None:
        for span in self._tap.taken():
            number = self._next()
            batch = Batch(
                replica=self._sending.replica,
                sequence=number,
                model=self._sending.model,
                reference=self._tap.grid.digest,
                start=span.first,
                end=span.last,
                body=span.counts.to_json(),
            )
            path = self._sending.spool / f"{number:016d}.json"
            write(path, seal_batch(batch, self._key), 0o600)

    def _next(self) -> int:
        """The next number, written before it is used: none is used twice."""
        path = self._sending.spool / NUMBER
        last = int(path.read_text()) if path.exists() else 0
        write(path, str(last + 1).encode(), 0o600)
        return last + 1

    def _waiting(self) -> list[Path]:
        return sorted(self._sending.spool.glob("[0-9]*.json"))

    def _send(self) -> None:
        for folder in self._sending.left:
            self._send_all(sorted(folder.glob("[0-9]*.json")))
        waiting = self._waiting()
        for path in waiting[: max(len(waiting) - MAX_SPOOLED, 0)]:
            path.unlink()
        self._send_all(waiting)

    def _send_all(self, waiting: list[Path]) -> None:
        for path in waiting[-MAX_SPOOLED:]:
            if not path.exists():
                continue  # another worker sent it
            status, said = posted(self._sending.url, path.read_bytes(), "application/json")
            if status == _OK or (status == _FORBIDDEN and "counts once" in said):
                path.unlink(missing_ok=True)  # taken, perhaps by an attempt whose answer was lost
            elif status == _FORBIDDEN and _AHEAD in said:
                if not self._is_ahead:
                    self._say("telemetry waits: the monitor's clock is behind this server's")
                self._is_ahead = True
            elif status in (_BAD_REQUEST, _FORBIDDEN):
                make_folder(path.parent / REFUSED)
                path.replace(path.parent / REFUSED / path.name)
                self._say(f"telemetry refused: {said[:200]}")
            else:
                raise UnavailableError("the monitor does not take telemetry", found=str(status))


class Both:
    """Several taps as one."""

    def __init__(self, first: Any, *others: Any) -> None:
        self._taps = (first, *others)
        self.others = others

    def accepted(self, request: Request, outputs: Sequence[Tensor], at: float) -> None:
        """Take in an answered request."""
        for tap in self._taps:
            tap.accepted(request, outputs, at)

    def refused(self, rule: str, at: float) -> None:
        """Take in a refusal."""
        for tap in self._taps:
            tap.refused(rule, at)

    def concluded(self, status: int, seconds: float, at: float) -> None:
        """Take in a reply."""
        for tap in self._taps:
            tap.concluded(status, seconds, at)


def watched_grid(training: Profile, without: frozenset[str]) -> Grid:
    """The bins that the monitor counts over as well."""
    return grid_of(training, without=without | {training.label or ""})
