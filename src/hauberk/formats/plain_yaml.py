"""A small, bounded part of YAML: what machines write into lock files, and plain settings.

Read are block mappings and sequences, flow lists and mappings on one line, plain, single
and double quoted scalars (a plain one may go on over deeper lines), and literal and folded
blocks. Every scalar stays text. Anchors, aliases, tags, merge keys, complex keys and
several documents are refused: nothing is ever constructed, expanded or guessed.

References:
    YAML 1.2.2, chapters 7 and 8.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from hauberk.errors import ArtifactError

MAX_BYTES: Final = 8 << 20
MAX_LINES: Final = 400_000
MAX_DEPTH: Final = 32

_KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s'"#&*!|>%@`\[\]{},][^#]*?)\s*:(?:\s+|$)"""
)
_FOREIGN = re.compile(r"^(?:[&*!%@`]|<<\s*:|\?\s|---\s*\S|\.\.\.)")
_BLOCK = re.compile(r"^([|>])([+-]?)\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    indent: int
    text: str


def parse(data: bytes, *, name: str) -> Any:
    """The value that a document spells: mappings, lists, text and ``None``.

    Args:
        name: For errors.

    Raises:
        ArtifactError: It is no UTF-8, uses more of YAML than is read here, repeats a key or
            goes beyond a bound.
    """
    if len(data) > MAX_BYTES:
        raise _refused(name, 0, f"at most {MAX_BYTES} bytes", f"{len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(name, 0, "UTF-8", "other bytes") from None
    if any(ord(sign) < 32 and sign not in "\t\n\r" for sign in text):  # noqa: PLR2004 - control characters
        raise _refused(name, 0, "text without control characters", "one")
    reader = _Reader(text.splitlines(), name)
    value = reader.block(0, 0)
    reader.finish()
    return value


class _Reader:
    def __init__(self, lines: list[str], name: str) -> None:
        if len(lines) > MAX_LINES:
            raise _refused(name, 0, f"at most {MAX_LINES} lines", f"{len(lines)}")
        self._lines = lines
        self._name = name
        self._at = 0
        self._pending: _Line | None = None

    def _peek(self) -> _Line | None:
        """The next line that says something."""
        if self._pending is not None:
            return self._pending
        while self._at < len(self._lines):
            raw = self._lines[self._at]
            text = raw.strip()
            if text and not text.startswith("#") and text != "---":
                indent = len(raw) - len(raw.lstrip(" "))
                if raw[indent] == "\t":
                    raise self._error(self._at, "spaces for indentation", "a tab")
                if _FOREIGN.match(text):
                    raise self._error(self._at, "plain YAML", ascii(text[:20]))
                self._pending = _Line(self._at, indent, text)
                return self._pending
            self._at += 1
        return None

    def _next(self) -> _Line:
        line = self._peek()
        if line is None:
            raise self._error(self._at, "a value", "the end")
        self._pending = None
        self._at = line.number + 1
        return line

    def _push(self, line: _Line) -> None:
        """Read the rest of a line as if it stood alone."""
        self._pending = line

    def finish(self) -> None:
        line = self._peek()
        if line is not None:
            raise self._error(line.number, "the end", "text that belongs to nothing")

    def block(self, indent: int, depth: int) -> Any:
        """The value whose lines are indented by ``indent`` or more."""
        if depth > MAX_DEPTH:
            raise self._error(self._at, f"at most {MAX_DEPTH} levels", "more")
        line = self._peek()
        if line is None or line.indent < indent:
            return None
        if line.text == "-" or line.text.startswith("- "):
            return self._sequence(line.indent, depth)
        if _KEY.match(line.text):
            return self._mapping(line.indent, depth)
        return self._scalar(self._next(), indent - 1)

    def _sequence(self, indent: int, depth: int) -> list[Any]:
        items: list[Any] = []
        while (line := self._peek()) and line.indent == indent and (line.text + " ")[:2] == "- ":
            self._next()
            rest = line.text[1:].lstrip()
            if not rest:
                items.append(self.block(indent + 1, depth + 1))
                continue
            inner = indent + len(line.text) - len(rest)
            self._push(_Line(line.number, inner, rest))
            items.append(self.block(inner, depth + 1))
        return items

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (line := self._peek()) and line.indent == indent:
            match = _KEY.match(line.text)
            if match is None or line.text.startswith("- "):
                raise self._error(line.number, "a key with a colon", "another line")
            self._next()
            key = self._unquoted(match[1], line.number)
            if key in found:
                raise self._error(line.number, "every key once", ascii(key)[:60])
            found[key] = self._value(line, line.text[match.end() :].strip(), indent, depth)
        return found

    def _value(self, line: _Line, rest: str, indent: int, depth: int) -> Any:
        if rest and not rest.startswith("#"):
            return self._scalar(_Line(line.number, indent, rest), indent)
        after = self._peek()
        if after and after.indent == indent and (after.text + " ")[:2] == "- ":
            return self._sequence(indent, depth + 1)  # a list may stand under its key
        return self.block(indent + 1, depth + 1)

    def _scalar(self, line: _Line, indent: int) -> Any:
        block = _BLOCK.match(line.text)
        if block:
            return self._literal(indent, folded=block[1] == ">")
        if _FOREIGN.match(line.text):
            raise self._error(line.number, "plain YAML", ascii(line.text[:20]))
        if line.text[0] in "[{":
            return self._flow(line)
        text = line.text
        while (after := self._peek()) and after.indent > indent and not self._is_closed(text):
            if text[0] not in "'\"" and _KEY.match(after.text):
                raise self._error(after.number, "text that goes on, or a value", "a key")
            text += " " + self._next().text
        return self._unquoted(_without_comment(text), line.number)

    @staticmethod
    def _is_closed(text: str) -> bool:
        """Whether a quoted scalar has ended; a plain one goes on as long as lines are deeper."""
        return text[0] in "'\"" and len(text) > 1 and text[-1] == text[0]

    def _literal(self, indent: int, *, folded: bool) -> str:
        lines = []
        while self._at < len(self._lines):
            raw = self._lines[self._at]
            if raw.strip() and len(raw) - len(raw.lstrip(" ")) <= indent:
                break
            lines.append(raw.strip() if folded else raw)
            self._at += 1
        return (" " if folded else "\n").join(lines).strip()

    def _flow(self, line: _Line) -> Any:
        """A list or mapping on one line, as JSON or with plain words."""
        text = _without_comment(line.text)
        quoted = re.sub(r"""'([^']*)'""", lambda match: json.dumps(match[1]), text)
        words = re.sub(
            r"""("(?:[^"\\]|\\.)*")|([^\s\[\]{},:"][^\[\]{},:"]*)""",
            lambda match: match[1] or json.dumps(match[2].strip()),
            quoted,
        )
        try:
            return json.loads(words, object_pairs_hook=self._unique)
        except (ValueError, RecursionError):
            raise self._error(line.number, "a list or mapping on one line", "more") from None

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise self._error(self._at, "every key once", "a key twice")
        return dict(pairs)

    def _unquoted(self, text: str, number: int) -> Any:
        if text[:1] == '"':
            try:
                return str(json.loads(text))
            except ValueError:
                raise self._error(number, "a quoted text that ends", "another") from None
        if text[:1] == "'":
            if len(text) < 2 or text[-1] != "'":  # noqa: PLR2004 - both quotes
                raise self._error(number, "a quoted text that ends", "another")
            return text[1:-1].replace("''", "'")
        return None if text in ("", "~", "null") else text

    def _error(self, number: int, expected: str, found: str) -> ArtifactError:
        return _refused(self._name, number + 1, expected, found)


def _without_comment(text: str) -> str:
    return text if text[0] in "'\"" else re.split(r"\s#", text, maxsplit=1)[0].rstrip()


def _refused(name: str, line: int, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "the file uses YAML that is not read here",
        subject=f"{name}:{line}" if line else name,
        rule="lock files and settings are plain YAML: no anchors, aliases, tags or repeated keys",
        expected=expected,
        found=found,
        hint="write it plainly; the tool that made it can usually do so",
    )
