"""The closed schema at the door: see `SmuggledFields`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats import v2, v2_binary
from hauberk.formats.strict_json import refuse
from hauberk.formats.v2_schema import InputSchema, widened

UNSUPPORTED_MEDIA_TYPE = 415
BAD_REQUEST = 400

MAX_COUNT_DIGITS = 12
"""Digits of a length in a header; more cannot be the length of anything accepted."""

_OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
"""Headers by which some servers let a client change the method after it was checked."""

_JSON_TYPES = frozenset({"application/json"})
_BINARY_TYPES = frozenset({"application/octet-stream"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmuggledFields(Watch):
    """Requests that say more, or something else, than the model's schema allows.

    The body is read by a parser that gives each message one meaning (`formats.v2`) and is then
    held against the closed schema that training learnt: declared inputs only, each with its
    type, shape, range and categories. Around the body, the headers may not declare another
    format, another length or another method than the door will act on. Whatever is left over
    has nowhere to hide: unknown and duplicate keys, nested command fields, numbers as strings,
    NaN, huge integers, shapes that contradict the data.

    Limits:
        A value inside the declared range passes, however strange its combination with others;
        that is the job of statistics. Without a schema only the format is enforced.

    Args:
        schema: What the served model takes; ``None`` enforces the format alone.
        limits: Bounds of one message.
        widens: Whether numbers may come in a type that the declared one holds exactly, such as
            FP32 for FP64. The meaning stays one; a wrong type is then no sign any more.

    Example:
        >>> from hauberk.core.artifact import Exchange
        >>> body = b'{"inputs": [], "inputs": []}'
        >>> exchange = Exchange(name="m", principal="p", at=0.0, request=body)
        >>> SmuggledFields().observe(exchange, None).reason
        'no key stands twice in one object'

    References:
        Open Inference Protocol v2, "Inference Request JSON Object". RFC 9110 section 8.3 and
        RFC 9112 section 6.3 for what headers say of a body.
    """

    title: ClassVar[str] = "Fields smuggled past the schema"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-4"),)
    subject: ClassVar[type] = Exchange

    schema: InputSchema | None = None
    limits: v2.Limits = v2.DEFAULT_LIMITS
    widens: bool = False

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge the request of one exchange; keeps no state."""
        del state
        try:
            self.admit(exchange)
        except ArtifactError as error:
            return self.signal_of(error)
        return None

    def admit(self, exchange: Exchange) -> v2.Request:
        """The request in its one meaning, for whoever goes on with it.

        Raises:
            ArtifactError: The request says something that is not allowed.
        """
        request = self._parse(exchange)
        if self.schema is not None:
            request = widened(request, self.schema) if self.widens else request
            self.schema.check(request)
        return request

    @staticmethod
    def signal_of(error: ArtifactError) -> Signal:
        """What an error of `admit` means for the exchange."""
        return _signal(error)

    def _parse(self, exchange: Exchange) -> v2.Request:
        kind = _media_type(exchange.content_type)
        header_length = _check_headers(exchange.headers, len(exchange.request))
        if header_length is not None and kind in _JSON_TYPES | _BINARY_TYPES:
            return v2_binary.parse_request(exchange.request, header_length, self.limits)
        if kind not in _JSON_TYPES:
            _refuse_header("content-type", "application/json", "another type")
        return v2.parse_request(exchange.request, self.limits)


def _signal(error: ArtifactError) -> Signal:
    of_type = error.subject == "header content-type"
    return Signal(
        score=1.0,
        action=Action.BLOCK,
        reason=error.rule or error.message,
        severity=Severity.HIGH,
        public=str(error),
        status=UNSUPPORTED_MEDIA_TYPE if of_type else BAD_REQUEST,
        evidence=Evidence(statistic=error.rule or "", facts={"field": error.subject or ""}),
    )


def _media_type(content_type: str) -> str:
    """The type without parameters; the only parameter that may stand is UTF-8."""
    kind, _, parameter = content_type.strip().lower().partition(";")
    if parameter.strip() not in ("", "charset=utf-8", 'charset="utf-8"'):
        _refuse_header("content-type", "no parameter but charset=utf-8", "another parameter")
    return kind.strip()


def _check_headers(headers: Mapping[str, str], n_bytes: int) -> int | None:
    """Length of the JSON part where the binary extension is used.

    Raises:
        ArtifactError: A header contradicts the body or asks for something else.
    """
    named = {name.lower(): value for name, value in headers.items()}
    if len(named) != len(headers):
        _refuse_header("(several)", "each header once", "a header with two spellings")
    if not _OVERRIDES.isdisjoint(named):
        _refuse_header(min(_OVERRIDES & named.keys()), "no override of the method", "an override")
    if "content-encoding" in named and named["content-encoding"].strip().lower() != "identity":
        _refuse_header("content-encoding", "identity", "a compressed body")
    length = named.get("content-length")
    if length is not None and (not _is_count(length) or int(length) != n_bytes):
        _refuse_header("content-length", "the length of the body", "another")
    if length is not None and "transfer-encoding" in named:
        _refuse_header("transfer-encoding", "one way of giving the length", "two")
    extension = named.get(v2_binary.HEADER)
    if extension is None:
        return None
    if not _is_count(extension):
        _refuse_header(v2_binary.HEADER, "a count of bytes", "something else")
    return int(extension)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_COUNT_DIGITS


def _refuse_header(name: str, expected: str, found: str) -> NoReturn:
    refuse(f"header {name}", "headers say what the body is", expected, found)
