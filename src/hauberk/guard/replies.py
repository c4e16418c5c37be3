"""Answers of the guard before they are HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from hauberk.core.control import Signal
from hauberk.core.quick import maker_of
from hauberk.formats import v2

JSON = "application/json"
OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer before it is HTTP.

    Attributes:
        rule: Why it is a refusal; empty where it is none.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    rule: str = ""


reply_of = maker_of(Reply)
"""Makes a reply of all its fields in order."""


def refusal(status: int, message: str, rule: str, *headers: tuple[str, str]) -> Reply:
    """An error in the form of the protocol."""
    return Reply(
        status=status, body=v2.encode({"error": message}), headers=tuple(headers), rule=rule
    )


def refused(signal: Signal) -> Reply:
    """The refusal that a signal asks for."""
    return refusal(
        signal.status,
        signal.public or "refused",
        signal.reason,
        *_HEADERS.get(signal.status, ()),
    )


_HEADERS: Mapping[int, tuple[tuple[str, str], ...]] = {
    HTTPStatus.TOO_MANY_REQUESTS: (("retry-after", "1"),)
}
