"""Clients that ask for one neighbour of an input after another: see `IteratedQueries`."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hauberk.core.artifact import Exchange
from hauberk.core.control import EVERYBODY, Action, Signal, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.core.control import Learnt
    from hauberk.core.ports import ClientState
    from hauberk.methods.query_streams import Sketch
    from hauberk.methods.table_reference import TableReference

KEY = "iterated-queries"
FORBIDDEN = 403
MAX_ROWS = 32
"""Rows of one request that are looked at, taken evenly from all of them."""

MIN_FEATURES = 48
"""Narrower rows are near to each other by chance, and people do try one field at a time."""

REACH, TABLE_REACH = 1.0, 0.5
"""How far one change goes at most: in sizes of a picture, and per column in spreads of a table."""

_STEP = 0.5
"""A query that tells less than this is no step of a search, whoever else searches nearby."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IteratedQueries(Watch):
    """Streams of queries that search the neighbourhood of an input.

    Whoever looks for a misclassified neighbour of an input, or climbs towards what a model
    thinks typical of a class, must ask again and again close by. Of every client the last
    queries are remembered as sketches, and each new one is weighed by what it tells beside
    them (`methods.query_streams`): halving an interval, walking along a boundary or along a
    few features counts; a film, a noisy camera and a retry do not. What queries of one region
    tell is added up over all clients as well, so that a search spread over many accounts is
    seen as early as one from a single account.

    Where training left a reference of a table (`methods.table_reference`), rows of any width are
    weighed by `methods.table_streams`: near to each other, with values that the columns do not
    take. Such a search, too, is seen across accounts, by the columns of few values, which it
    leaves alone.

    Whoever searches by scores goes on from what helped and goes back from what did not, whatever
    the steps look like. `methods.kept_steps` tests whether a client's changes stay or go by what
    the model said of them, in rows of any kind.

    The answer is looked at before it is given, so that the first label of the boundary is
    already withheld; exact repeats are free.

    Limits:
        Rows of fewer than 48 numbers are not judged without a reference of a table. Whoever
        changes many columns of a table at once and keeps to values that the columns take is
        mostly not seen: of five kinds of searches on real tables three in five are stopped
        within 20 queries. Who puts many ordinary queries between
        two steps, or adds noise of a sensor's size to each, is seen later or not at all; the
        range reports both. A client that shows one object under its own flickering label for
        very long can be taken for a walk along the boundary. Somebody who tries for very long what
        makes an answer better, and keeps what does, searches. Of a request with many rows
        only 32 are looked at.

    Args:
        limit: Suspicion at which a query is refused; one full step of a search adds 1. Lower
            stops earlier and alarms on clients that photograph one thing many times; 4 was
            chosen on tuning seeds of the range.
        selection: Chance, where nothing is selected, below which changes that stay by the
            answers are a search; chosen on tuning seeds and tables.

    Example:
        >>> from hauberk.trust.client_state import MemoryClientState
        >>> state = MemoryClientState()
        >>> def ask(number):
        ...     row = np.linspace(0, 1, 64)[None].copy()
        ...     row[0, number] += 0.3
        ...     return Exchange(name="m", principal="p", at=0.0, request=b"", rows=row)
        >>> signals = [IteratedQueries().observe(ask(number), state) for number in range(8)]
        >>> [signal is not None for signal in signals]
        [False, False, False, False, False, False, True, True]

    References:
        Chen, Carlini and Wagner (2020), Stateful detection of black-box adversarial attacks,
        section 4. Li, Shan, Wenger, Zhang, Zheng and Zhao (2022), Blacklight: scalable
        defense for neural networks against query-based black-box attacks, section 4.
    """

    title: ClassVar[str] = "Queries that search around one input"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-5"), ThreatId("SV-3"))
    subject: ClassVar[type] = Exchange
    shadow: ClassVar[bool] = True
    after_answer: ClassVar[bool] = True

    limit: float = 4.0
    selection: float = 0.005
    table: TableReference | None = field(default=None, compare=False, repr=False)

    def fitted(self, learnt: Learnt) -> Watch:
        """With what rows of the served model look like, where they are of a table."""
        from hauberk.methods.stream_reference import from_bytes

        return replace(self, table=from_bytes(learnt.reference).table) if learnt.reference else self

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Weigh the rows of one answered request."""
        rows = exchange.rows
        if rows is None:
            return None
        if self.table is not None and rows.shape[1] == self.table.n_columns:
            return self._of_table(exchange, rows, self.table, state)
        if rows.shape[1] < MIN_FEATURES:
            return None
        new = self._sketches(exchange, rows)
        own, _ = _taken(state, exchange.principal, KEY, new)
        if own >= self.limit:
            return self._signal(own, "of one client")
        steps = [_Step(point=one.point, size=REACH * one.norm, label=one.label) for one in new]
        return self._selecting(exchange, steps, state) or self._shared(new, state)

    def _shared(self, new: list[Sketch], state: ClientState) -> Signal | None:
        """What queries of all clients say of one region."""
        for sketch in new:
            shared, told = _taken(state, EVERYBODY, f"{KEY}/{sketch.cell}", [sketch])
            if shared >= self.limit and told >= _STEP:
                return self._signal(shared, "of one region, from several clients")
        return None

    def _of_table(
        self, exchange: Exchange, rows: Any, table: TableReference, state: ClientState
    ) -> Signal | None:
        places = list(_places(exchange, len(rows)))
        looked = np.asarray(rows[places], np.float64)
        labels, size = _labels(exchange.outputs, len(rows)), TABLE_REACH * math.sqrt(rows.shape[1])
        ways = [
            _Step(point=row / table.spreads, size=size, label=labels[place])
            for row, place in zip(looked, places, strict=True)
        ]
        found = self._selecting(exchange, ways, state) or self._halving(
            exchange, looked, table, state
        )
        if found is not None:
            return found
        counts = table.strange(looked).sum(axis=1)
        steps = [(row, int(count)) for row, count in zip(looked, counts, strict=True) if count]
        if not steps:
            return None  # whatever training's columns take is no step, and not remembered
        own, _ = _walked(state, exchange.principal, KEY, steps, table)
        if own >= self.limit:
            return self._signal(own, "of one client")
        for row, count in steps:
            key = f"{KEY}/{table.region(row)}"
            shared, told = _walked(state, EVERYBODY, key, [(row, count)], table)
            if shared >= self.limit and told >= _STEP:
                return self._signal(shared, "of one region, from several clients")
        return None

    def _selecting(
        self, exchange: Exchange, steps: list[_Step], state: ClientState
    ) -> Signal | None:
        """Whether the sender's changes stay by what was said of them."""
        from hauberk.methods.kept_steps import KeptSteps

        n_rows = 0 if exchange.rows is None else len(exchange.rows)
        scores = _scores(exchange.outputs, n_rows)[list(_places(exchange, n_rows))]
        chance = 1.0

        def change(old: bytes | None) -> bytes:
            nonlocal chance
            way = KeptSteps(old, steps[0].point.size)
            for step, told in zip(steps, scores, strict=True):
                way.take(step.point, step.label, told, reach=step.size)
            chance = way.p_value
            return way.to_bytes()

        if steps:
            state.update(exchange.principal, f"{KEY}/kept", change)
        return self._selects(chance) if chance < self.selection else None

    def _selects(self, chance: float) -> Signal:
        return Signal(
            score=min(1.0, 0.5 + 0.05 * math.log10(self.selection / max(chance, 1e-300))),
            action=Action.BLOCK,
            reason="queries of one client go on from what helped and back from what did not",
            severity=Severity.HIGH,
            public="refused: too many queries around the same input; wait and ask for others",
            status=FORBIDDEN,
            evidence=Evidence(
                statistic="chance of changes that stay by the answers",
                value=chance,
                threshold=self.selection,
                facts={"whose": "of one client"},
            ),
        )

    def _halving(
        self, exchange: Exchange, rows: Any, table: TableReference, state: ClientState
    ) -> Signal | None:
        """Whether the sender's rows halve ways between rows."""
        from hauberk.methods.table_streams import LineTrack

        score = 0.0

        def change(old: bytes | None) -> bytes:
            nonlocal score
            track = LineTrack(old, table)
            for row in rows:
                track.take(row)
            score = track.score
            return track.to_bytes()

        state.update(exchange.principal, f"{KEY}/lines", change)
        return self._signal(score, "of one client") if score >= self.limit else None

    def _sketches(self, exchange: Exchange, rows: Any) -> list[Sketch]:
        from hauberk.methods.query_streams import sketch

        labels = _labels(exchange.outputs, len(rows))
        return [sketch(rows[place], labels[place]) for place in _places(exchange, len(rows))]

    def _signal(self, score: float, whose: str) -> Signal:
        return Signal(
            score=min(1.0, score / (2 * self.limit)),
            action=Action.BLOCK,
            reason=f"queries {whose} search around one input",
            severity=Severity.HIGH,
            public="refused: too many queries around the same input; wait and ask for others",
            status=FORBIDDEN,
            evidence=Evidence(
                statistic="steps of a search among the last queries",
                value=score,
                threshold=self.limit,
                facts={"whose": whose},
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A query as a point, how far a change may reach from it, and its label."""

    point: Any
    size: float
    label: int


def _scores(outputs: tuple[Any, ...] | None, n_rows: int) -> Any:
    """``(n_rows, n_classes)`` scores of the first output that has some; else no columns."""
    for tensor in outputs or ():
        n_values = math.prod(tensor.shape)
        if tensor.datatype.is_float and n_values and n_values % n_rows == 0:
            return np.asarray(tensor.values, np.float32).reshape(n_rows, -1)
    return np.zeros((n_rows, 0), np.float32)


def _places(exchange: Exchange, n_rows: int) -> Any:
    """Which rows are looked at: all, or evenly many from a start that the body decides."""
    if n_rows <= MAX_ROWS:
        return range(n_rows)
    step = n_rows / MAX_ROWS
    start = hashlib.blake2b(exchange.request, digest_size=2).digest()
    first = int.from_bytes(start, "little") / 65_536 * step
    return [int(first + number * step) for number in range(MAX_ROWS)]


def _labels(outputs: tuple[Any, ...] | None, n_rows: int) -> list[int]:
    """The class on top of each row; -1 where no output names one."""
    for tensor in outputs or ():
        if tensor.datatype.is_float and n_rows == 1 == tensor.shape[0]:
            single = list(tensor.values)
            return [single.index(max(single))]
        if len(tensor.shape) == 2 and tensor.shape[0] == n_rows and tensor.datatype.is_float:  # noqa: PLR2004 - scores
            values = np.asarray(tensor.values, np.float64).reshape(tensor.shape)
            found: list[int] = values.argmax(axis=1).tolist()
            return found
    for tensor in outputs or ():
        if tensor.shape in ((n_rows,), (n_rows, 1)) and not tensor.datatype.is_float:
            said = tensor.values
            plain = said.tolist() if hasattr(said, "tolist") else said
            return [value if isinstance(value, int) else hash_of(value) for value in plain]
    return [-1] * n_rows


def hash_of(value: Any) -> int:
    """A label that is no integer, as one."""
    digest = hashlib.blake2b(str(value).encode(), digest_size=3).digest()
    return int.from_bytes(digest, "little")


def _walked(
    state: ClientState,
    principal: str,
    key: str,
    steps: list[tuple[Any, int]],
    table: TableReference,
) -> tuple[float, float]:
    """Suspicion of a track of rows of a table, and the most that one of them told."""
    from hauberk.methods.table_streams import TableTrack

    score = told = 0.0

    def change(old: bytes | None) -> bytes:
        nonlocal score, told
        track = TableTrack(old, table.n_columns, table.reach)
        told = max(track.take(row / table.spreads, count) for row, count in steps)
        score = track.score
        return track.to_bytes()

    state.update(principal, key, change)
    return score, told


def _taken(state: ClientState, principal: str, key: str, new: list[Sketch]) -> tuple[float, float]:
    """Suspicion of a track after the queries, and the most that one of them told."""
    from hauberk.methods.query_streams import Track

    score = told = 0.0

    def change(old: bytes | None) -> bytes:
        nonlocal score, told
        track = Track(old)
        told = max((track.take(sketch) for sketch in new), default=0.0)
        score = track.score
        return track.to_bytes()

    state.update(principal, key, change)
    return score, told
