"""What controls on exchanges say of one exchange, and what the guard makes of it.

Every control is asked, since each keeps a memory of its own; the strongest action that a
promoted control asks for is obeyed, and all signals are noted:

    harden      the answer is given in the detail that policy has for hardened answers
    slow        the answer is hardened, and given late
    challenge   the request is refused until its sender comes with a role that is `strong`
    block       the request is refused

A control in shadow is noted and never obeyed. How suspicious a client looks is not told to
it: a refusal names no control, and a hardened answer is an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Tier, Watch
from hauberk.core.ports import ClientState
from hauberk.errors import UsageError
from hauberk.guard.replies import Reply, refusal

_STRENGTH = {action: place for place, action in enumerate(Action)}
_TIERS = {tier: place for place, tier in enumerate(Tier)}
_REFUSING = frozenset({Action.CHALLENGE, Action.BLOCK})
_TO_ASK = "choose another profile, or take it off the list"

STEP_UP = ("www-authenticate", 'Bearer error="insufficient_user_authentication"')
"""RFC 9470 section 3: the caller is known, but not well enough for this."""

MAX_PRINCIPALS = 10_000
"""Of each control, so many principals are told apart in the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A signal with what was made of it.

    Attributes:
        obeyed: Whether the control is out of shadow.
    """

    control: str
    signal: Signal
    obeyed: bool

    def facts(self) -> dict[str, Any]:
        """What the log keeps of it: numbers and constants, no payload."""
        evidence = self.signal.evidence
        return {
            "control": self.control,
            "action": self.signal.action.value,
            "obeyed": self.obeyed,
            "score": round(self.signal.score, 6),
            "statistic": "" if evidence is None else evidence.statistic,
            "value": None if evidence is None else evidence.value,
            "threshold": None if evidence is None else evidence.threshold,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A call of a language model, for whoever observes.

    Attributes:
        began: ``time.perf_counter`` then.
        error: What went wrong; empty where nothing did.
        facts: In the words of OpenTelemetry's conventions; no text of a prompt or an answer.
    """

    model: str
    began: float
    seconds: float
    error: str = ""
    facts: Mapping[str, str | int | float | tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Course:
    """What has been noted of one exchange so far.

    Attributes:
        rows: Rows that the model answered.
        units: What the exchange was charged.
        marks: Of the texts that the model answered.
        model_s: How long the model took.
        call: Of a language model behind the guard.
    """

    noted: list[Noted] = field(default_factory=list)
    rows: int = 0
    units: float = 0.0
    marks: tuple[bytes, ...] = ()
    model_s: float = 0.0
    call: ModelCall | None = None

    @property
    def strongest(self) -> Noted | None:
        """The obeyed signal with the strongest action."""
        acting = [one for one in self.noted if one.obeyed]
        return max(acting, key=lambda one: _STRENGTH[one.signal.action], default=None)

    @property
    def is_hardened(self) -> bool:
        """Whether the answer is given in less detail."""
        return any(
            one.obeyed and one.signal.action in (Action.HARDEN, Action.SLOW) for one in self.noted
        )

    @property
    def is_slowed(self) -> bool:
        """Whether the answer is given late."""
        return any(one.obeyed and one.signal.action is Action.SLOW for one in self.noted)


@dataclass(frozen=True, slots=True)
class Judges:
    """The controls on exchanges of one served model.

    Args:
        before: Asked before the model runs.
        after: Asked once it has answered.
        promoted: Ids of controls that are obeyed although they start in shadow.
    """

    before: tuple[Watch, ...]
    after: tuple[Watch, ...]
    promoted: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    def request(self, exchange: Exchange, state: ClientState, course: Course) -> None:
        """Ask those that judge before the model runs."""
        self._ask(self.before, exchange, state, course)

    def answer(self, exchange: Exchange, state: ClientState, course: Course) -> None:
        """Ask those that judge the model's outputs."""
        self._ask(self.after, exchange, state, course)

    def _ask(
        self, watches: tuple[Watch, ...], exchange: Exchange, state: ClientState, course: Course
    ) -> None:
        for watch in watches:
            signal = watch.observe(exchange, state)
            if signal is None or signal.action is Action.ALLOW:
                continue
            is_shadow = signal.action is Action.SHADOW or (
                watch.shadow and watch.id not in self.promoted
            )
            course.noted.append(Noted(control=watch.id, signal=signal, obeyed=not is_shadow))


def is_asked(watch: Watch, tier: Tier) -> bool:
    """Whether a profile asks this control."""
    return _TIERS[watch.tier] <= _TIERS[tier]


def judges_of(watches: Iterable[Watch], tier: Tier, promoted: frozenset[str]) -> Judges:
    """The controls that a profile asks, in order.

    Raises:
        UsageError: A promoted control is not among them; it would never act.
    """
    known = tuple(watches)
    asked = [watch for watch in known if is_asked(watch, tier)]
    idle = promoted - {watch.id for watch in asked}
    if idle:
        raise _never_asked(idle, {watch.id: watch.tier for watch in known}, tier)
    return Judges(
        before=tuple(watch for watch in asked if not watch.after_answer),
        after=tuple(watch for watch in asked if watch.after_answer),
        promoted=promoted,
    )


def _never_asked(idle: frozenset[str], known: Mapping[str, Tier], tier: Tier) -> UsageError:
    """Why a policy that promotes such controls cannot be used: people would count on them."""
    first = min(idle)
    near = get_close_matches(first, known, n=1)
    return UsageError(
        "the serving policy cannot be used",
        subject="policy field promote",
        rule=f"a promoted control is one that the profile {tier} asks",
        expected=f"profile {known[first]}, for {first}" if first in known else "ids of controls",
        found=", ".join(sorted(idle)),
        hint=f"did you mean {near[0]}?" if near and first not in known else _TO_ASK,
    )


def refusal_of(course: Course, *, is_strong: bool) -> Reply | None:
    """The refusal that the strongest obeyed signal asks for.

    Args:
        is_strong: Whether the principal has passed the challenge: its role says so.
    """
    noted = course.strongest
    if noted is None or noted.signal.action not in _REFUSING:
        return None
    signal = noted.signal
    if signal.action is Action.CHALLENGE:
        if is_strong:
            return None
        text = signal.public or "refused: this needs a stronger identity; ask the operator"
        return refusal(HTTPStatus.UNAUTHORIZED, text, noted.control, STEP_UP)
    return refusal(signal.status, signal.public or "refused", noted.control)


@dataclass(slots=True)
class Shadows:
    """What controls did, or would have done; the report that decides on promotion."""

    counts: Counter[tuple[str, Action, bool]] = field(default_factory=Counter)
    principals: dict[tuple[str, bool], set[str]] = field(default_factory=dict)
    requests: int = 0

    def take(self, principal: str, noted: Iterable[Noted]) -> None:
        """Count what was noted of one exchange."""
        self.requests += 1
        for one in noted:
            self.counts[one.control, one.signal.action, one.obeyed] += 1
            known = self.principals.setdefault((one.control, one.obeyed), set())
            if len(known) < MAX_PRINCIPALS:
                known.add(principal)

    def lines(self) -> Iterator[str]:
        """One line for each control that had something to say."""
        for control, obeyed in sorted(self.principals):
            acts = ", ".join(
                f"{action} {n}"
                for (name, action, was), n in sorted(self.counts.items())
                if (name, was) == (control, obeyed)
            )
            who = len(self.principals[control, obeyed])
            would = "did" if obeyed else "in shadow, would have done"
            yield (
                f"{control} {would}: {acts} of {self.requests} requests, "
                f"from {who} principal{'s' if who != 1 else ''}"
            )
