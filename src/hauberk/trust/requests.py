"""What a monitor asks somebody else to do, in a form that nobody else can have written.

A request is a DSSE envelope over canonical JSON, signed with the monitor's own key. It names
the signals that agree on it with whose word each is, the sources whose rows are to be left out,
and the share of rows that they sent. Whoever acts on it holds it to these rules:

1. The envelope is signed by the one key that the receiver was given.
2. It is about the receiver's model, and asks for what the receiver does.
3. Its moment lies between ``until`` and a little after the receiver's clock.
4. Its signals come from at least `MIN_ORIGINS` origins.
5. Its share of rows from sources that move is within the receiver's own budget.
6. Its number is larger than that of every request that was acted on before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.canonical import canonical_json, parse_canonical
from hauberk.trust.dsse import Envelope, SigningKey, sign, verify
from hauberk.trust.keys import PublicKey

PAYLOAD_TYPE: Final = "application/vnd.hauberk.request.v1+json"
MAX_BYTES: Final = 1 << 20
MIN_ORIGINS: Final = 2
MAX_AHEAD_S: Final = 300
MAX_SIGNALS: Final = 50
MAX_SOURCES: Final = 1000
MAX_TEXT: Final = 400
PPM: Final = 1_000_000
_FIELDS = frozenset(
    {"action", "model", "number", "at", "until", "signals", "leave_out", "since", "share_ppm"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        action: ``retrain``, ``rollback`` or ``scale``.
        number: 1, 2, 3 ... over all requests of one monitor about one model.
        at: Seconds since the epoch.
        until: After that it counts no more.
        signals: Pairs of whose word it is and what was seen.
        leave_out: Sources whose rows moved away from the trusted ones.
        since: First day (ISO) from which on rows were looked at; empty where there were none.
        share_ppm: Rows that those sources sent since then, in parts of a million.
    """

    action: str
    model: str
    number: int
    at: int
    until: int
    signals: tuple[tuple[str, str], ...]
    leave_out: tuple[str, ...] = ()
    since: str = ""
    share_ppm: int = 0

    @property
    def origins(self) -> frozenset[str]:
        """Whose words agree."""
        return frozenset(origin for origin, _ in self.signals)

    @property
    def share(self) -> float:
        """Share of rows from sources that move, 0 to 1."""
        return self.share_ppm / PPM

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in sorted(_FIELDS)}
        plain["signals"] = [list(pair) for pair in self.signals]
        plain["leave_out"] = list(self.leave_out)
        return plain


def seal_request(request: Request, key: SigningKey) -> bytes:
    """The signed envelope."""
    return sign(canonical_json(request.to_json()), PAYLOAD_TYPE, [key]).to_bytes()


def open_request(data: bytes, key: PublicKey) -> Request:
    """The request in an envelope, once ``key`` has signed it (rule 1).

    Raises:
        ArtifactError: It is no request.
        TrustError: ``key`` did not sign it.
    """
    if len(data) > MAX_BYTES:
        raise _malformed(f"{len(data)} bytes")
    envelope = Envelope.from_bytes(data)
    payload = verify(envelope, {key.key_id: key}, payload_type=PAYLOAD_TYPE, strict=True)
    return _request(parse_canonical(payload, max_bytes=MAX_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a receiver demands (rules 2 to 6).

    Attributes:
        last: Number of the newest request that was acted on; 0 where there was none.
        budget: Largest share of rows from sources that move, 0 to 1.
    """

    action: str
    model: str
    now: float
    last: int
    budget: float

    def check(self, request: Request) -> None:
        """Hold a request to the rules.

        Raises:
            TrustError: It breaks one.
        """
        if (request.action, request.model) != (self.action, self.model):
            wanted = f"{self.action} {self.model}"
            raise _refused(
                request,
                "a request is about this model",
                wanted,
                f"{request.action} {request.model}",
            )
        if request.until < self.now:
            raise _refused(request, "a request ends", f"until after {self.now:.0f}", request.until)
        if request.at > self.now + MAX_AHEAD_S:
            raise _refused(request, "a request is of the past", f"{self.now:.0f}", request.at)
        if len(request.origins) < MIN_ORIGINS:
            found = ", ".join(sorted(request.origins)) or "none"
            raise _refused(request, "two origins agree", f"{MIN_ORIGINS} origins", found)
        if request.share > self.budget:
            raise _refused(
                request,
                "rows of sources that move are within the budget",
                f"at most {self.budget:.2%}",
                f"{request.share:.2%} of the rows",
            )
        if request.number <= self.last:
            raise _refused(
                request, "a request counts once", f"above {self.last}", f"number {request.number}"
            )


def _request(value: Any) -> Request:
    if not isinstance(value, dict) or set(value) != _FIELDS:
        raise _malformed("other fields")
    texts = [value[name] for name in ("action", "model", "since")]
    wholes = [value[name] for name in ("number", "at", "until", "share_ppm")]
    is_good = (
        all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts)
        and all(_is_whole(number) for number in wholes)
        and value["number"] >= 1
        and value["share_ppm"] <= PPM
        and _are_texts(value["leave_out"], MAX_SOURCES)
        and isinstance(value["signals"], list)
        and 0 < len(value["signals"]) <= MAX_SIGNALS
        and all(_are_texts(pair, 2) and len(pair) == 2 for pair in value["signals"])  # noqa: PLR2004 - pairs
    )
    if not is_good:
        raise _malformed("a field of another type")
    return Request(
        **{name: value[name] for name in ("action", "model", "since")},
        **{name: value[name] for name in ("number", "at", "until", "share_ppm")},
        signals=tuple((origin, text) for origin, text in value["signals"]),
        leave_out=tuple(value["leave_out"]),
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _are_texts(value: Any, most: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(isinstance(text, str) and len(text) <= MAX_TEXT for text in value)
    )


def details(request: Request) -> Mapping[str, str]:
    """What people are shown of a request."""
    facts = {f"signal of {origin}": text for origin, text in request.signals}
    if request.leave_out:
        facts["leave out"] = ", ".join(request.leave_out[:20])
    return {**facts, "rows of sources that move": f"{request.share:.2%}"}


def _malformed(found: str) -> ArtifactError:
    return ArtifactError(
        "this is no request of a monitor",
        subject="request",
        rule="a signed envelope over the fields of a request",
        expected=", ".join(sorted(_FIELDS)),
        found=found,
        hint="only `hauberk monitor` writes requests",
    )


def _refused(request: Request, rule: str, expected: object, found: object) -> TrustError:
    return TrustError(
        "a monitor's request is refused",
        subject=f"request {request.number}",
        rule=rule,
        expected=str(expected),
        found=str(found),
        hint="look at what the monitor says of the model before anything is done",
    )
