"""Clients whose inputs are made up to copy a model: see `SyntheticQueries`."""

from __future__ import annotations

import hashlib
import math
import struct
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
    from hauberk.methods.stream_reference import Reference
    from hauberk.methods.table_reference import TableReference

KEY = "synthetic-queries"
FORBIDDEN = 403
FIELDS = 3
"""Values at once that their columns do not take; people who try something try one or two."""

MAX_ROWS = 64
"""Rows of one request that are looked at, taken evenly from all of them."""

RECENT = 64
"""Accounts remembered for a campaign."""

_STATE = struct.Struct("<fI")
_ACCOUNT = struct.Struct("<If")
_REGISTERED = 4
"""Of so many new inputs of an unsuspicious account one puts it among the recent ones."""

_ALIKE = 0.25
"""Distance from the previous input, relative to the usual size, that shows nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticQueries(Watch):
    """Streams of inputs that are not what the model was made for.

    A copy of a model is trained on answers, and an attacker without the training data must
    invent inputs: noise, pictures of other things, seeds that are moved along gradients.
    Training left a reference of ordinary inputs (`methods.stream_reference`). For each client
    a cumulative sum counts inputs from beyond the edge up and ordinary ones down, so that a
    few odd inputs are forgotten and a stream of them is not; an input much like the one
    before shows nothing new and is not counted, as in films.

    In a table an input counts as odd, too, where three or more of its values are none that their
    columns take in training (`methods.table_reference`): people and systems do not fill in
    4,217.3381. And evidence is added up that columns were drawn each by itself, from pairs of
    values that training hardly knows; it hardens, and never refuses by itself.

    Accounts that work together share the work; each shows less. So the recent accounts are
    looked at together: where more of them are suspicious than chance has it, less is needed
    of each.

    The answers of a suspicious client are hardened first, and refused much later.

    Limits:
        Who owns inputs like those the model was made for asks as honest clients do; nothing
        in the stream tells them apart. There budgets and less detailed answers help, and a
        fingerprint that may tell the copy later. A client whose inputs have changed in earnest
        is suspicious, too: see the drift monitor. Without a reference nothing is judged.
        Accounts are looked at together among the 64 that asked last. Rows of training moved by
        less than a bin, and rounded as the columns are, keep their pairs and are not seen.

    Args:
        odd: Oddness from which on an input counts as odd; 1 is the outermost hundredth of
            training. Lower sees gentler changes and takes more honest clients for odd.
        limit: Sum at which answers are hardened. About 12 odd inputs in a row reach 12.
        ceiling: Sum at which the client is refused.
        campaign: Sum that is enough where many of the recent accounts are suspicious.
        pairs: Evidence, in nats, that rows of a table were drawn column by column, at which
            answers are hardened; 2 of 168 honest clients of the tables of tuning came above 16.

    References:
        Page (1954), Continuous inspection schemes. Juuti, Szyller, Marchal and Asokan
        (2019), PRADA, section 5; Kesarwani, Mukhoty, Arya and Mehta (2018), Model extraction
        warning in MLaaS paradigm.
    """

    title: ClassVar[str] = "Streams of inputs made up to copy a model"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-1"), ThreatId("SV-2"))
    subject: ClassVar[type] = Exchange
    shadow: ClassVar[bool] = True

    odd: float = 0.8
    limit: float = 12.0
    ceiling: float = 60.0
    campaign: float = 4.0
    pairs: float = 20.0
    reference: Reference | None = field(default=None, compare=False, repr=False)

    def fitted(self, learnt: Learnt) -> Watch:
        """With what is ordinary for the served model."""
        from hauberk.methods.stream_reference import from_bytes

        return replace(self, reference=from_bytes(learnt.reference)) if learnt.reference else self

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Add the rows of one request to its sender's sum."""
        rows, reference = exchange.rows, self.reference
        if rows is None or reference is None or rows.shape[1] != reference.n_features:
            return None
        looked = rows if len(rows) <= MAX_ROWS else rows[_places(exchange, len(rows))]
        oddness, drawn, fresh = reference.oddness(looked), 0.0, None
        if reference.table is not None:
            strange = reference.table.strange(looked).sum(axis=1)
            oddness = np.where(strange >= FIELDS, np.inf, oddness)
            drawn, fresh = self._drawn(exchange.principal, state, looked, reference.table)
        told = _Told(rows=looked, oddness=oddness, fresh=fresh)
        total, seen = self._total(exchange.principal, state, told)
        odd = self._odd(exchange.principal, total, seen, state)
        return odd or (self._broken(drawn) if drawn >= self.pairs else None)

    def _odd(self, principal: str, total: float, seen: int, state: ClientState) -> Signal | None:
        """What the sum of odd inputs says, alone or among other accounts."""
        is_suspicious = total >= self.campaign
        if not is_suspicious and seen % _REGISTERED:
            return None
        crowd = self._crowd(principal, total, state)
        if total >= self.limit or (crowd and is_suspicious):
            return self._signal(total, crowd=crowd)
        return None

    def _drawn(
        self, principal: str, state: ClientState, rows: Any, table: TableReference
    ) -> tuple[float, list[bool]]:
        """Evidence that the sender draws each column by itself, and which rows were new."""
        from hauberk.methods.table_streams import PairTally

        total, fresh = 0.0, [False]

        def change(old: bytes | None) -> bytes:
            nonlocal total, fresh
            tally = PairTally(old, table)
            fresh = tally.take(rows)
            total = tally.total
            return tally.to_bytes()

        state.update(principal, f"{KEY}/pairs", change)
        return total, fresh

    def _broken(self, drawn: float) -> Signal:
        return Signal(
            score=min(1.0, drawn / self.ceiling),
            action=Action.HARDEN,
            reason="a stream of rows whose columns do not belong together",
            severity=Severity.MEDIUM,
            public="",
            status=FORBIDDEN,
            evidence=Evidence(
                statistic="evidence of pairs of columns, in nats",
                value=drawn,
                threshold=self.pairs,
                facts={},
            ),
        )

    def _total(self, principal: str, state: ClientState, told: _Told) -> tuple[float, int]:
        """The sender's sum after the rows, and how many inputs showed something new."""
        total, number = 0.0, 0

        def change(old: bytes | None) -> bytes:
            nonlocal total, number
            last = None
            if old is not None and len(old) == _STATE.size + 4 * _TRACE:
                total, number = _STATE.unpack_from(old)
                last = np.frombuffer(old, "<f4", offset=_STATE.size)
            for place, (row, far) in enumerate(zip(told.rows, told.oddness, strict=True)):
                trace = _trace(row)
                is_other = last is None or _apart(trace, last) >= _ALIKE
                if is_other if told.fresh is None else told.fresh[place]:
                    step = UP if far > self.odd else DOWN
                    total = min(max(0.0, total + step), 2 * self.ceiling)
                    number += 1
                last = trace
            trace = b"" if last is None else last.tobytes()
            return _STATE.pack(total, number & 0xFFFF_FFFF) + trace

        state.update(principal, KEY, change)
        return total, number

    def _crowd(self, principal: str, total: float, state: ClientState) -> bool:
        """Whether suspicious accounts are more among the recent ones than chance has it."""
        name = int.from_bytes(hashlib.blake2b(principal.encode(), digest_size=4).digest(), "little")
        suspicious, size = 0, _ACCOUNT.size

        def change(old: bytes | None) -> bytes:
            nonlocal suspicious
            kept = b"" if old is None else old
            for place, (known, _) in enumerate(_ACCOUNT.iter_unpack(kept)):
                if known == name:
                    kept = kept[: place * size] + kept[(place + 1) * size :]
                    break
            kept = kept[-(RECENT - 1) * size :] + _ACCOUNT.pack(name, total)
            suspicious = sum(one >= self.campaign for _, one in _ACCOUNT.iter_unpack(kept))
            return kept

        state.update(EVERYBODY, f"{KEY}/accounts", change)
        return suspicious >= MANY_ACCOUNTS

    def _signal(self, total: float, *, crowd: bool) -> Signal:
        return Signal(
            score=min(1.0, total / self.ceiling),
            action=Action.BLOCK if total >= self.ceiling else Action.HARDEN,
            reason="a stream of inputs that training did not know"
            + (", from several accounts" if crowd else ""),
            severity=Severity.MEDIUM,
            public="refused: these are not inputs that the model is made for",
            status=FORBIDDEN,
            evidence=Evidence(
                statistic="cumulative sum of odd inputs",
                value=total,
                threshold=self.campaign if crowd else self.limit,
                facts={"crowd": str(crowd).lower()},
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Rows of one request, how odd each is, and of tables whether it is new."""

    rows: Any
    oddness: Any
    fresh: list[bool] | None


UP, DOWN = 1.1, -0.25
"""Logarithms of the likelihood ratios: 30 % odd inputs against 10 %."""

MANY_ACCOUNTS = 6
_TRACE = 16


def _trace(row: Any) -> Any:
    """A few numbers by which one input is told from the next."""
    width = -(-row.size // _TRACE)
    padded = np.zeros(width * _TRACE, np.float32)
    padded[: row.size] = row
    means: Any = padded.reshape(_TRACE, width).mean(axis=1)
    return means


def _apart(first: Any, second: Any) -> float:
    gap = first - second
    size = max(float(first @ first), float(second @ second), 1e-12)
    return math.sqrt(float(gap @ gap) / size)


def _places(exchange: Exchange, n_rows: int) -> Any:
    """Evenly many rows from a start that the body decides."""
    start = hashlib.blake2b(exchange.request, digest_size=2).digest()
    first = int.from_bytes(start, "little") / 65_536
    return ((np.arange(MAX_ROWS) + first) * (n_rows / MAX_ROWS)).astype(int)
