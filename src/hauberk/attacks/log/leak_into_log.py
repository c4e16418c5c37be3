"""Credentials and personal data in what a careless service logs: see `LeakIntoLog`."""

from __future__ import annotations

import base64
import json
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar
from urllib.parse import quote

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId

_LETTERS = string.ascii_letters + string.digits
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_NAMES = ("ana", "bo.lind", "chiara.r", "d_okafor", "emil.sand", "fatima.z", "g.haas", "hiro")


def _drawn(rng: Random, letters: str, count: int) -> str:
    return "".join(rng.choice(letters) for _ in range(count))


def _aws(rng: Random) -> str:
    return f"AKIA{_drawn(rng, string.ascii_uppercase + '234567', 16)}"


def _github(rng: Random) -> str:
    """With the checksum that its issuer gives it."""
    body = _drawn(rng, _LETTERS, 30)
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, place = divmod(number, 62)
        digits = _BASE62[place] + digits
    return f"ghp_{body}{digits.rjust(6, '0')}"


def _jwt(rng: Random) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": str(rng.randrange(10**9)), "iat": 1700000000})
    coded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    ]
    return ".".join([*coded, base64.urlsafe_b64encode(rng.randbytes(32)).decode().rstrip("=")])


def _slack(rng: Random) -> str:
    numbers = "-".join(_drawn(rng, string.digits, 12) for _ in range(2))
    return f"xoxb-{numbers}-{_drawn(rng, _LETTERS, 24)}"


def _email(rng: Random) -> str:
    return f"{rng.choice(_NAMES)}{rng.randrange(1000)}@{rng.choice(('mail', 'post'))}.example.org"


def _card(rng: Random) -> str:
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [d * 2 - 9 * (d > 4) if i % 2 == 0 else d for i, d in enumerate(digits)]  # noqa: PLR2004 - Luhn
    text = "".join(map(str, [*digits, -sum(doubled) % 10]))
    return text if rng.random() < 1 / 2 else " ".join(text[i : i + 4] for i in range(0, 16, 4))


def _iban(rng: Random) -> str:
    body = f"{rng.randrange(10**18):018}"
    return f"DE{98 - int(body + '131400') % 97:02}{body}"


def _ssn(rng: Random) -> str:
    return f"{rng.randint(1, 665):03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def _phone(rng: Random) -> str:
    return f"+44 20 {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}"


def _password(rng: Random) -> str:
    """What follows the name that gives it away."""
    return f"password={_drawn(rng, _LETTERS, 10)}{rng.randrange(100)}!{_drawn(rng, _LETTERS, 4)}"


ITEMS: dict[str, Callable[[Random], str]] = {
    "aws key": _aws,
    "github token": _github,
    "jwt": _jwt,
    "slack token": _slack,
    "email": _email,
    "card": _card,
    "iban": _iban,
    "national number": _ssn,
    "phone": _phone,
    "password": _password,
}


def _field(item: str, _rng: Random) -> str:
    return f"request refused: value {item} of the field note is no number"


def _header(item: str, _rng: Random) -> str:
    return f"GET /v2/models/m HTTP/1.1 host=127.0.0.1:8080 x-debug: {item} accept=*/*"


def _trace(item: str, _rng: Random) -> str:
    return (
        'Traceback (most recent call last):\n  File "app.py", line 12, in handle\n'
        f"    raise ValueError({item!r})\nValueError: {item}"
    )


def _query(item: str, _rng: Random) -> str:
    return f"GET /callback?state=1&v={quote(item, safe='')}&next=%2Fhome 302"


def _coded(item: str, rng: Random) -> str:
    text = f"user said {item} today".encode()
    coded = base64.b64encode(text) if rng.random() < 1 / 2 else base64.urlsafe_b64encode(text)
    return f"body={coded.decode()} length={len(text)}"


def _hexed(item: str, _rng: Random) -> str:
    return f"payload {item.encode().hex()} rejected"


def _split(item: str, rng: Random) -> str:
    place = rng.randint(len(item) // 3, 2 * len(item) // 3)
    end = rng.choice(("\n", "\r\n", "\\n", "\n    "))
    return f"note: {item[:place]}{end}{item[place:]} and more"


def _json(item: str, _rng: Random) -> str:
    return json.dumps({"inputs": [{"name": "text", "data": [f"write to {item} please"]}]})


PLACES: dict[str, Callable[[str, Random], str]] = {
    "field": _field,
    "header": _header,
    "trace": _trace,
    "query": _query,
    "base64": _coded,
    "hex": _hexed,
    "split": _split,
    "json": _json,
}
_HARMLESS = ("12.5", "the blue one", "order 7", "n/a", "region north", "v2.1", "42 rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakIntoLog(Transform[LogSegment]):
    """Log what clients sent: credentials and personal data, in all the places they come to.

    Fields of requests, headers, traces of errors, query strings, base64, hexadecimal, JSON
    bodies, and items that a wrapped line splits in two.

    Args:
        place: One of them; ``any`` draws one.
        harmless: Write what names nobody in the same places: the honest twin.

    References:
        OWASP logging cheat sheet, data to exclude; CWE-532; MITRE ATLAS AML.T0055.
    """

    title: ClassVar[str] = "Leak secrets and personal data into a log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-1"),)
    subject: ClassVar[type] = LogSegment

    place: str = "any"
    harmless: bool = False

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with one more record at its end."""
        records = list(subject.records())
        text, item = self.written(rng)
        leaked = json.dumps({"kind": "request", "at": 1.0, "message": text}).encode()
        twin = replace(subject, records=lambda: iter([*records, leaked]), heads=(), witnessed=())
        return Attacked(subject=twin, rows=(len(records),), truth={"item": item, "text": text})

    def written(self, rng: Random) -> tuple[str, str]:
        """A line with an item in it, and the item."""
        make = ITEMS[rng.choice(sorted(ITEMS))]
        place = rng.choice(sorted(PLACES)) if self.place == "any" else self.place
        item = rng.choice(_HARMLESS) if self.harmless else make(rng)
        return PLACES[place](item, rng), item
