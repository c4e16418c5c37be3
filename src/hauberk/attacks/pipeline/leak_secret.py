"""Write the secret of a step where others read: see `LeakSecret`."""

from __future__ import annotations

import base64
import json
import quopri
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol
from urllib.parse import unquote

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Host(Protocol):
    """A place that runs a step with a secret.

    Attributes:
        output: The file that the step hands on.
    """

    output: ClassVar[str]

    @property
    def secret(self) -> str:
        """What the step is handed, in the file that ``TOKEN_FILE`` names."""
        ...

    def run(self, code: str, words: tuple[str, ...] = ()) -> Sequence[bytes]:
        """Run code as a step; all that others can read afterwards.

        Args:
            words: Stand behind the script on the command line.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One form of a secret: an expression over the text ``s``, and how a reader undoes it."""

    write: str
    read: Callable[[bytes], bytes]


def _joined(data: bytes) -> bytes:
    return b"".join(data.split())


def _base64(data: bytes) -> bytes:
    return base64.b64decode(_joined(data))


def _hex(data: bytes) -> bytes:
    return bytes.fromhex(data.decode().replace(":", ""))


WAYS: Mapping[str, Way] = {
    "plain": Way(write="s.encode()", read=bytes),
    "reversed": Way(write="s[::-1].encode()", read=lambda data: data[::-1]),
    "base64": Way(write="base64.b64encode(s.encode())", read=_base64),
    "base64 behind one byte": Way(write="base64.b64encode(b':' + s.encode())", read=_base64),
    "base64 behind two bytes": Way(
        write="base64.b64encode(b'u:' + s.encode() + b'@host')", read=_base64
    ),
    "base64 in lines": Way(
        write="'\\n'.join(textwrap.wrap(base64.b64encode(s.encode()).decode(), width)).encode()",
        read=_base64,
    ),
    "URL-safe base64": Way(
        write="base64.urlsafe_b64encode(s.encode())", read=base64.urlsafe_b64decode
    ),
    "base32": Way(write="base64.b32encode(s.encode())", read=base64.b32decode),
    "hexadecimal": Way(write="s.encode().hex().encode()", read=_hex),
    "capital hexadecimal": Way(write="s.encode().hex(':').upper().encode()", read=_hex),
    "address": Way(
        write="urllib.parse.quote(s, safe='').encode()",
        read=lambda data: unquote(data.decode()).encode(),
    ),
    "json": Way(
        write="json.dumps({'key': s}).encode()",
        read=lambda data: str(json.loads(data)["key"]).encode(),
    ),
    "json in json": Way(
        write="json.dumps(json.dumps({'key': s})).encode()",
        read=lambda data: str(json.loads(json.loads(data))["key"]).encode(),
    ),
    "lines": Way(write="'\\n'.join(textwrap.wrap(s, width)).encode()", read=_joined),
    "quoted-printable": Way(write="quopri.encodestring(s.encode())", read=quopri.decodestring),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakSecret(Play[Host]):
    """Print a secret, or write it into an output, in a form that no plain search sees.

    A debugging line, a request that is logged with its headers, an address with a password, a
    saved configuration: programs write secrets in the form that the next program wants.

    Args:
        ways: Some of `WAYS`; all of them where empty.
        place: ``texts`` for standard output, standard error and the command line, or
            ``output`` for the file that the step hands on.

    References:
        MITRE CWE-532 and CWE-312; GitHub, security hardening for workflows, on structured and
        transformed secrets that the masking of logs does not see.
    """

    title: ClassVar[str] = "Write the secret of a step where others read"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-4"),)
    subject: ClassVar[type] = Host

    ways: tuple[str, ...] = ()
    place: str = "texts"

    def play(self, target: Host, rng: Random) -> Transcript:
        """Run the leaking step and read; it succeeds where any way gives the secret.

        Raises:
            UsageError: There is no such way or place.
        """
        ways = self.ways or tuple(WAYS)
        unknown = [way for way in ways if way not in WAYS]
        if unknown or self.place not in {"texts", "output"}:
            raise UsageError(
                "there is no such way or place",
                subject=(unknown or [self.place])[0],
                expected=" ".join((*WAYS, "texts", "output")),
            )
        marks = {way: "".join(rng.choices("ghjkmnpqrstuvw", k=14)) for way in ways}
        words = ("--token", target.secret) if self.place == "texts" else ()
        seen = target.run(self._code(target, marks, rng.randrange(6, 21)), words)
        wanted = _joined(target.secret.encode())
        gained = [
            way for way in ways if any(_reads(part, marks[way], way, wanted) for part in seen)
        ]
        if any(wanted in _joined(part) for part in seen):
            gained.append("searched for")
        return Transcript(succeeded=bool(gained), queries=1, facts={"ways": tuple(gained)})

    def _code(self, target: Host, marks: Mapping[str, str], width: int) -> str:
        lines = [
            "import base64, json, os, quopri, sys, textwrap, urllib.parse",
            "s = open(os.environ['TOKEN_FILE'], encoding='utf-8').read()",
            f"width = {width}",
            f"file = open({target.output!r}, 'wb')",
            "places = [sys.stdout.buffer, sys.stderr.buffer]"
            if self.place == "texts"
            else "places = [file]",
        ]
        for number, (way, mark) in enumerate(marks.items()):
            parts = f"b'{mark} ', {WAYS[way].write}, b' {mark}\\n'"
            lines.append(f"places[{number} % len(places)].write(b''.join(({parts})))")
        return "\n".join((*lines, ""))


def _reads(seen: bytes, mark: str, way: str, wanted: bytes) -> bool:
    """Whether what stands between the marks gives the secret."""
    parts = seen.split(mark.encode())
    if len(parts) != 3:  # noqa: PLR2004 - before, between and behind
        return False
    try:
        return wanted in _joined(WAYS[way].read(parts[1].removeprefix(b" ").removesuffix(b" ")))
    except (ValueError, TypeError, LookupError):
        return False
