"""Payloads that come in pieces: see `ChainedPayloads`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId
from hauberk.methods.joined_text import joins, may_act, payload_among

FORBIDDEN = 403

KEY = "chained-payloads/session"
"""Name of the value kept per principal: the last pieces of text with their times, as JSON."""

_MAX_PIECE = 512
_MAX_LOOK = 32 << 10
"""Characters of all views of one request; what a long text says at its end is not joined."""

_MAX_TEXT = 4096
_MAX_STATE = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedPayloads(Watch):
    """Texts that are harmless one by one and an attack once a system joins them.

    What is judged is what the system behind will see: the texts of one request put together
    side by side, with blanks and in reverse, and the last texts of the same sender put
    together with the new one - all of them in a row, those of the same field, and one or two of
    them with the new one. From every view the disguises are taken first: look-alike letters,
    invisible signs, comments inside words, base64, hexadecimal, percent and entity encodings.
    A view that would act on a database, a page, a shell, a template, on files, or on a model
    that reads instructions is reported; a whole payload in one text is one, too.

    Limits:
        Words have to come within the window and the time; pieces spread over accounts are not
        joined. Instructions in plain language are found by their families of phrases only.
        Who serves people that write about attacks keeps it in shadow. The last texts of a
        session are held in the guard's memory of clients, cut to 512 characters each, for
        as long as the window lasts.

    Args:
        window: Texts of a sender that are remembered, the newest ones.
        memory_s: For how long. A longer one joins what never met, and remembers longer.

    Example:
        >>> from hauberk.core.artifact import Exchange
        >>> from hauberk.trust.client_state import MemoryClientState
        >>> pieces = (("name", "x' UNI"), ("name", "ON SELECT password FROM users"))
        >>> one = Exchange(name="m", principal="p", at=0.0, request=b"", texts=pieces)
        >>> ChainedPayloads().observe(one, MemoryClientState()).reason
        'joined text would act on a database'

    References:
        OWASP Testing Guide, "HTTP Parameter Pollution". Kang et al., 2023, "Exploiting
        Programmatic Behavior of LLMs" (payload splitting). MITRE ATLAS AML.T0051.
    """

    title: ClassVar[str] = "Payloads in pieces"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-5"),)
    subject: ClassVar[type] = Exchange
    shadow: ClassVar[bool] = True

    window: int = 6
    memory_s: float = 600.0

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge the texts of one request, and with those that came before."""
        if not exchange.texts:
            return None
        before = self._before(exchange, state)
        now = [(where[:64], text[:_MAX_TEXT]) for where, text in exchange.texts]
        left = _MAX_LOOK
        views, scopes = [], []
        for view, scope, prose in self._views(now, before):
            left -= len(view)
            if left < 0:
                break
            views.append((view, prose))
            scopes.append(scope)
        place, found = payload_among(views)
        return _signal(found, scopes[place]) if found else None

    def _views(
        self, now: Sequence[tuple[str, str]], before: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[str, str, bool]]:
        """Views, whose they are, and whether they are read as prose, too."""
        texts = [text for _, text in now]
        for text in (*texts, *joins(texts)):
            yield text, "joined", True
        current = "".join(texts)[:_MAX_PIECE]
        for view, prose in _across(before, now, current) if before else ():
            yield view, "session's", prose

    def _before(self, exchange: Exchange, state: ClientState) -> list[tuple[str, str]]:
        """The texts that came before, oldest first; the new ones are added."""
        found: list[list[str | float]] = []

        def add(old: bytes | None) -> bytes:
            nonlocal found
            held = json.loads(old) if old else []
            found = [one for one in held if exchange.at - one[0] <= self.memory_s]
            new = [[exchange.at, where[:64], text[:_MAX_PIECE]] for where, text in exchange.texts]
            kept = [*found, *new[: self.window]][-self.window :]
            return json.dumps(kept, separators=(",", ":")).encode()[:_MAX_STATE]

        state.update(exchange.principal, KEY, add)
        return [(str(where), str(text)) for _, where, text in found]


def _across(
    before: Sequence[tuple[str, str]], now: Sequence[tuple[str, str]], current: str
) -> Iterator[tuple[str, bool]]:
    earlier = [text for _, text in before]
    chains = [(earlier[start:], True) for start in range(len(earlier))]
    if may_act("".join((*earlier, current))):
        chains += [([text], True) for text in earlier[:-1]]
        chains += [(list(pair), False) for pair in combinations(earlier, 2)]
    for chain, prose in chains:
        yield "".join((*chain, current)), prose
        yield " ".join((*chain, current)), prose
    for where in sorted({where for where, _ in now}):
        same = [text for name, text in (*before, *now) if name == where]
        if len(same) < len(before) + len(now):
            yield "".join(same), True
            yield " ".join(same), True


def _signal(found: str, scope: str) -> Signal:
    return Signal(
        score=1.0,
        action=Action.BLOCK,
        reason=f"{scope} text would act on {found}",
        severity=Severity.HIGH,
        public="refused: the texts of this request cannot be taken together",
        status=FORBIDDEN,
        evidence=Evidence(statistic=f"{scope} text would act on {found}"),
    )
