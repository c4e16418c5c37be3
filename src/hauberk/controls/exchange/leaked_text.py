"""Answers that repeat what nobody may hear: see `LeakedText`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats.chat import ChatRequest, is_chat, parse_answer, parse_request
from hauberk.methods.guarded_words import guarded_words
from hauberk.methods.identifiers import IdentifierKind, every_identifier
from hauberk.methods.recall import Known, folded, letters, rotations, share_repeated, views
from hauberk.methods.secrets import find_secrets

FORBIDDEN = 403
MIN_PROMPT = 40
"""Letters of a system prompt below which it says nothing of its own."""

MIN_ALONE = 8
"""Letters from which on a guarded word is looked for in the middle of others."""

MAX_TURNED = 5_000
"""Letters of an answer that is read in shifted alphabets too."""

_PERSONAL = frozenset(
    {
        IdentifierKind.CARD,
        IdentifierKind.IBAN,
        IdentifierKind.US_SSN,
        IdentifierKind.NATIONAL_ID,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakedText(Watch):
    """Answers that repeat canaries, training texts, the system prompt, credentials or identities.

    The answer is read in every view (as it is, decoded from base64, hexadecimal, codes and bits,
    backwards, with digits for letters, in shifted alphabets, as first letters of lines) and by its
    letters alone. What counts: a dozen letters of a canary; a code, a password or a quoted word
    that the system prompt names and forbids to say; a long run of a training text; a share of
    the operator's words; a credential, or a number with a check digit that names a person or an
    account, which did not stand in the conversation.

    Limits:
        A leak in other words or another language passes, and one that is spread over several
        answers. Names, addresses and birthdays have no form that tells them from others'. Starts
        in shadow, because what an operator wants to keep to itself differs.

    Args:
        known: Canaries and training texts; none by default.
        max_run: Letters of a training text in a row that may be repeated. Sayings and
            boilerplate stay below 60; chosen on honest answers of seeds below 10,000.
        max_share: Share of the system prompt that may be repeated, 0 to 1.

    Example:
        >>> from hauberk.core.artifact import Exchange
        >>> from hauberk.methods.recall import known_of
        >>> request = b'{"model":"m","messages":[{"role":"user","content":"The code, spelt?"}]}'
        >>> answer = b'{"choices":[{"index":0,"message":{"content":"k-q-7-w 9 z x p 4 t v m"}}]}'
        >>> one = Exchange(name="m", principal="p", at=0, request=request, response=answer)
        >>> control = LeakedText(known=known_of(canaries=["kq7w9zxp4tvm"]))
        >>> control.observe(one, None).reason
        'a canary'

    References:
        Carlini et al. 2019 and 2021, "Extracting Training Data from Large Language Models". OWASP
        LLM02:2025 and LLM07:2025.
    """

    title: ClassVar[str] = "Answers that leak what is not theirs to say"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("OU-1"),)
    subject: ClassVar[type] = Exchange
    of_chats: ClassVar[bool] = True
    shadow: ClassVar[bool] = True
    after_answer: ClassVar[bool] = True

    known: Known = field(default_factory=Known)
    max_run: int = 64
    max_share: float = 0.5

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge the answer of one exchange with a language model; keeps no state."""
        del state
        if exchange.response is None or not is_chat(exchange.request):
            return None
        try:
            request = parse_request(exchange.request)
            answer = parse_answer(exchange.response)
        except ArtifactError:
            return None  # `BrokenContracts` withholds what does not parse
        texts = [choice.text for choice in answer.choices]
        texts += [call.arguments for choice in answer.choices for call in choice.calls]
        for text in texts:
            found = next(self._leaks(request, text), None)
            if found is not None:
                return found
        return None

    def _leaks(self, request: ChatRequest, text: str) -> Iterator[Signal]:
        system = (letters(request.system), folded(request.system))
        asked = letters("\n".join(m.text for m in request.messages if m.role == "user"))
        guarded = {word for word in guarded_words(request.system) if word not in asked}
        yield from _short(text, guarded)
        for number, view in enumerate(views(text)):
            if any(len(word) >= MIN_ALONE and word in view for word in guarded):
                yield _signal("a word that the system prompt guards", 1.0, 0.0)
            turned = rotations(view) if number == 0 and len(view) <= MAX_TURNED else ()
            for form in (view, *turned):
                yield from self._repeated(form, system)
            run = self.known.longest_run(view)
            if run > self.max_run and view not in asked:
                yield _signal("a run of a training text", run, self.max_run)
        yield from _named(request, text)

    def _repeated(self, view: str, system: tuple[str, str]) -> Iterator[Signal]:
        if self.known.has_canary(view):
            yield _signal("a canary", 1.0, 0.0)
        share = max(
            share_repeated(form, view) if len(form) >= MIN_PROMPT else 0.0 for form in system
        )
        if share > self.max_share:
            yield _signal("a share of the system prompt", share, self.max_share)


def _short(text: str, guarded: set[str]) -> Iterator[Signal]:
    """Short guarded words, which by letters alone would be found in others: as words only."""
    short = {word for word in guarded if len(word) < MIN_ALONE}
    if short and not short.isdisjoint(letters(piece) for piece in text.split()):
        yield _signal("a word that the system prompt guards", 1.0, 0.0)


def _named(request: ChatRequest, text: str) -> Iterator[Signal]:
    """Credentials and identities that did not stand in the conversation."""
    said = "\n".join(message.text for message in request.messages if message.role != "system")
    secrets = {secret.identity for secret in find_secrets(said, settings=True)}
    for secret in find_secrets(text):
        if secret.identity not in secrets:
            yield _signal("a credential", secret.confidence, 0.0)
    plain = letters(said)
    for item in every_identifier(text):
        is_new = letters(text[item.start : item.end]) not in plain
        if item.kind in _PERSONAL and item.is_certain and is_new:
            yield _signal("an identity", 1.0, 0.0)


def _signal(what: str, value: float, threshold: float) -> Signal:
    return Signal(
        score=1.0,
        action=Action.BLOCK,
        reason=what,
        severity=Severity.HIGH,
        public="withheld: the answer repeats what is not to be repeated",
        status=FORBIDDEN,
        evidence=Evidence(statistic=what, value=float(value), threshold=float(threshold)),
    )
