"""YAML as people write it in settings, read within bounds and with the lines it stands on.

Block and flow collections, all five scalar styles, several documents, anchors, aliases and
merge keys. Every scalar stays text: ``yes`` and ``0.0.0.0`` are what is written there. Tags are
kept as text and build nothing. An alias is the node itself and never a copy, so a file in
which aliases multiply stays as small as it is written; who walks a tree must count.

Helm templates are read where they stay YAML without their control lines.

References:
    YAML 1.2.2 specification, chapters 6 to 8. Left out: complex keys (``?``), directives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hauberk.errors import ArtifactError

MAX_LINES = 200_000
MAX_DEPTH = 60
"""Nesting; settings of people have ten."""

MAX_NODES = 400_000
"""Of one file, and of one walk over it with all aliases followed."""

_KEY = re.compile(
    r"""(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?:[^\s\-?:,\[\]{}#&*!|>'"%@`]|[-?:](?=\S))"""
    r"""(?:[^:#]|:(?=\S)|(?<=\S)\#)*?)[ \t]*:(?:[ \t]+|$)"""
)
_BLOCK = re.compile(r"^[|>][+-]?\d?[+-]?[ \t]*(?:#.*)?$")
_PROPERTY = re.compile(r"^(?:(?P<anchor>&[^\s,\[\]{}]+)|(?P<tag>![^\s,\[\]{}]*))(?:[ \t]+|$)")
_CONTROL = re.compile(
    r"^\s*\{\{-?\s*/?\*?\s*(?:if|else|end|range|with|define|include|template|\$|block|toYaml|-?\s*/\*).*\}\}\s*$"
)
_PLACEHOLDER = re.compile(r"(?<!\$)\{\{.*?\}\}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\", "/": "/", " ": " "}


@dataclass(slots=True, eq=False)
class Node:
    """One value with its line.

    Attributes:
        text: Of a scalar what is written there, without quotes; ``None`` for collections.
        items: Of a sequence.
        entries: Of a mapping; a key that is written twice keeps its last value.
        key_lines: Lines on which the keys stand.
        tag: Such as ``!!python/object``; empty if none is written.
    """

    line: int
    text: str | None = None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    tag: str = ""
    kind: str = "scalar"

    def get(self, *path: str) -> Node | None:
        """The value behind keys; ``None`` where there is none."""
        node: Node | None = self
        for key in path:
            node = node.entries.get(key) if node is not None else None
        return node

    def string(self, *path: str) -> str:
        """The text behind keys; empty where there is none."""
        node = self.get(*path)
        return node.text or "" if node is not None else ""

    def strings(self) -> list[str]:
        """A scalar as one text, a sequence as the texts of its scalars."""
        if self.kind == "sequence":
            return [item.text for item in self.items if item.text is not None]
        return [self.text] if self.text else []

    def walk(self) -> Iterator[tuple[tuple[str, ...], Node]]:
        """All nodes with their paths of keys, aliases followed within bounds."""
        waiting: list[tuple[tuple[str, ...], Node]] = [((), self)]
        seen = 0
        while waiting:
            path, node = waiting.pop()
            seen += 1
            if seen > MAX_NODES or len(path) > MAX_DEPTH:
                raise ArtifactError(
                    "a YAML file grows without bound through its aliases",
                    expected=f"at most {MAX_NODES} values",
                    found="more when they are followed",
                )
            yield path, node
            inner = [((*path, key), value) for key, value in node.entries.items()]
            inner += [((*path, "[]"), value) for value in node.items]
            waiting += reversed(inner)


def read_yaml(text: str, *, name: str = "YAML") -> list[Node]:
    """The documents of a text.

    Raises:
        ArtifactError: It is no YAML that this reader understands, or exceeds its bounds.
    """
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        raise ArtifactError(
            "a YAML file has too many lines",
            subject=name,
            expected=f"at most {MAX_LINES}",
            found=str(len(lines)),
        )
    documents, start = [], 0
    for number, line in enumerate([*lines, "---"]):
        if line.startswith(("---", "...")) and line[3:4] in ("", " ", "\t", "\r"):
            part = lines[start:number]
            rest = line[4:].strip() if number < len(lines) else ""
            documents += _document(part, start, name)
            start = number + 1
            if rest and not rest.startswith(("#", "!", "%")) and line.startswith("---"):
                lines[number] = "    " + rest
                start = number
    return documents


def _document(lines: list[str], first: int, name: str) -> list[Node]:
    if not any(line.strip() and not line.lstrip().startswith(("#", "%")) for line in lines):
        return []
    parser = _Parser(lines, first, name)
    node = parser.block(-1, 0)
    if parser.peek() is not None:
        parser.fail("text at an unexpected indent")
    return [node]


class _Parser:
    """Reads the lines of one document."""

    def __init__(self, lines: list[str], first: int, name: str) -> None:
        is_template = any("{{" in line for line in lines)
        self.lines = [_untemplated(line) if is_template else line for line in lines]
        self.first, self.name = first, name
        self.at, self.count = 0, 0
        self.anchors: dict[str, Node] = {}

    def fail(self, what: str) -> None:
        raise ArtifactError(
            "a YAML file does not parse",
            subject=self.name,
            found=f"{what} in line {self.first + self.at + 1}",
        )

    def node(self, kind: str = "scalar", text: str | None = None) -> Node:
        self.count += 1
        if self.count > MAX_NODES:
            self.fail("too many values")
        return Node(line=self.first + self.at + 1, kind=kind, text=text)

    def peek(self) -> tuple[int, str] | None:
        """Indent and text of the next line with content; the pointer moves there."""
        while self.at < len(self.lines):
            line = self.lines[self.at].rstrip()
            bare = line.lstrip(" ")
            if bare and not bare.startswith("#") and not bare.startswith("%"):
                if bare.startswith("\t"):
                    bare = bare.lstrip("\t")
                    if not bare or bare.startswith("#"):
                        self.at += 1
                        continue
                return len(line) - len(line.lstrip(" ")), bare
            self.at += 1
        return None

    # Blocks --------------------------------------------------------------------------

    def block(self, parent: int, depth: int) -> Node:
        """The value on the following lines that are indented deeper than ``parent``."""
        if depth > MAX_DEPTH:
            self.fail("nesting too deep")
        following = self.peek()
        if following is None or following[0] <= parent:
            return self.node(text="")
        indent, text = following
        if text == "-" or text.startswith("- "):
            return self.sequence(indent, depth)
        if _KEY.match(text) or text.startswith("? "):
            return self.mapping(indent, depth)
        return self.value(text, parent, depth)

    def sequence(self, indent: int, depth: int) -> Node:
        made = self.node("sequence")
        while (following := self.peek()) is not None:
            at, text = following
            if at != indent or not (text == "-" or text.startswith("- ")):
                break
            inner = text[1:].lstrip(" ")
            if not inner or inner.startswith("#"):
                self.at += 1
                made.items.append(self.block(indent, depth + 1))
                continue
            # The item starts on this line: the dash counts as indentation.
            offset = len(text) - len(inner)
            self.lines[self.at] = " " * (indent + offset) + inner
            made.items.append(self.entry(inner, indent, indent + offset, depth))
        return made

    def entry(self, inner: str, indent: int, inside: int, depth: int) -> Node:
        is_nested = inner == "-" or inner.startswith("- ")
        if is_nested or (_KEY.match(inner) and not inner.startswith(("&", "!", "*", "{", "["))):
            return self.block(inside - 1, depth + 1)
        return self.value(inner, indent, depth + 1)

    def mapping(self, indent: int, depth: int) -> Node:
        made = self.node("mapping")
        while (following := self.peek()) is not None:
            at, text = following
            if at != indent:
                break
            match = _KEY.match(text)
            if match is None:
                if text.startswith("- "):
                    break
                self.fail("no key")
                break
            key = _unquoted(match["key"].strip())
            made.key_lines[key] = self.first + self.at + 1
            value = self.value(text[match.end() :], indent, depth + 1, in_mapping=True)
            if key == "<<":
                _merge(made, value)
            made.entries[key] = value
        return made

    def value(self, rest: str, indent: int, depth: int, *, in_mapping: bool = False) -> Node:
        """The value that begins with ``rest`` on the current line."""
        anchor, tag, rest = _properties(rest.strip())
        node = self.bare(rest, indent, depth, in_mapping=in_mapping)
        if anchor:
            self.anchors[anchor] = node
        if tag:
            node.tag = tag
        return node

    def bare(self, rest: str, indent: int, depth: int, *, in_mapping: bool) -> Node:
        if not rest or rest.startswith("#"):
            self.at += 1
            return self.below(indent, depth, in_mapping=in_mapping)
        if _BLOCK.match(rest):
            return self.folded(indent)
        if rest.startswith("*"):
            return self.alias(rest)
        if rest[0] in "[{":
            return self.flow(depth)
        if rest[0] in "\"'":
            return self.quoted(rest)
        return self.plain(rest, indent)

    def below(self, indent: int, depth: int, *, in_mapping: bool) -> Node:
        """A value on the next lines; a sequence may stand at the indent of its key."""
        following = self.peek()
        if in_mapping and following is not None and following[0] == indent:
            if following[1] == "-" or following[1].startswith("- "):
                return self.sequence(indent, depth + 1)
            return self.node(text="")
        return self.block(indent, depth + 1)

    def alias(self, rest: str) -> Node:
        name = rest[1:].split("#", maxsplit=1)[0].strip()
        node = self.anchors.get(name)
        if node is None:
            self.fail("an alias without an anchor")
        self.at += 1
        return node or self.node(text="")

    # Scalars -------------------------------------------------------------------------

    def folded(self, indent: int) -> Node:
        """A literal or folded block; both keep their lines here, which positions need."""
        node = self.node(text="")
        self.at += 1
        kept: list[str] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
                break
            kept.append(line)
            self.at += 1
        widths = [len(line) - len(line.lstrip(" ")) for line in kept if line.strip()]
        cut = min(widths, default=0)
        node.text = "\n".join(line[cut:] for line in kept).rstrip("\n")
        node.kind = "block"
        return node

    def plain(self, rest: str, indent: int) -> Node:
        node = self.node(text="")
        parts = [_uncommented(rest)]
        self.at += 1
        while (following := self.peek()) is not None:
            at, text = following
            if at <= indent or _KEY.match(text) or text.startswith("- "):
                break
            parts.append(_uncommented(text))
            self.at += 1
        node.text = " ".join(part for part in parts if part)
        return node

    def quoted(self, rest: str) -> Node:
        node = self.node(text="")
        mark, whole = rest[0], rest
        end = _end_of_quote(whole, mark)
        while end < 0:
            self.at += 1
            if self.at >= len(self.lines):
                self.fail("a quote that does not end")
            whole += " " + self.lines[self.at].strip()
            end = _end_of_quote(whole, mark)
        node.text = _unquoted(whole[: end + 1])
        self.at += 1
        return node

    def flow(self, depth: int) -> Node:
        """A flow collection, which may go on over lines."""
        line = self.lines[self.at]
        column = min(i for i in (line.find("["), line.find("{")) if i >= 0)
        match = _KEY.match(line.lstrip(" "))
        if match is not None:
            start = len(line) - len(line.lstrip(" ")) + match.end()
            places = [i for i in (line.find("[", start), line.find("{", start)) if i >= 0]
            column = min(places, default=column)
        reader = _Flow(self, column, depth)
        node = reader.read()
        self.at += 1
        return node


class _Flow:
    """Reads one flow collection letter by letter."""

    def __init__(self, parser: _Parser, column: int, depth: int) -> None:
        self.parser, self.column, self.depth = parser, column, depth

    def letter(self) -> str:
        """The next letter that counts; comments and line ends are skipped."""
        parser = self.parser
        while True:
            line = parser.lines[parser.at]
            while self.column < len(line) and line[self.column] in " \t\r":
                self.column += 1
            is_comment = self.column < len(line) and line[self.column] == "#"
            if self.column < len(line) and not is_comment:
                return line[self.column]
            parser.at += 1
            self.column = 0
            if parser.at >= len(parser.lines):
                parser.at -= 1
                parser.fail("a flow collection that does not end")

    def read(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.parser.fail("nesting too deep")
        opening = self.letter()
        if opening == "[":
            node = self.collection("]")
        elif opening == "{":
            node = self.collection("}")
        else:
            node = self.scalar()
        self.depth -= 1
        return node

    def collection(self, closing: str) -> Node:
        node = self.parser.node("sequence" if closing == "]" else "mapping")
        self.column += 1
        while (letter := self.letter()) != closing:
            if letter == ",":
                self.column += 1
                continue
            value = self.read()
            self.pair(node, value, closing)
        self.column += 1
        return node

    def pair(self, node: Node, value: Node, closing: str) -> None:
        if self.letter() == ":":
            self.column += 1
            given = self.read() if self.letter() not in ",]}" else self.parser.node(text="")
            key = value.text or ""
            holder = node if closing == "}" else self.parser.node("mapping")
            holder.entries[key] = given
            holder.key_lines[key] = value.line
            if closing == "]":
                node.items.append(holder)
        elif closing == "]":
            node.items.append(value)
        else:
            node.entries[value.text or ""] = self.parser.node(text="")

    def scalar(self) -> Node:
        parser = self.parser
        line = parser.lines[parser.at]
        node = parser.node(text="")
        mark = line[self.column]
        if mark in "\"'":
            end = _end_of_quote(line[self.column :], mark)
            if end < 0:
                parser.fail("a quote that does not end")
            node.text = _unquoted(line[self.column : self.column + end + 1])
            self.column += end + 1
            return node
        match = re.compile(r"(?:[^,\[\]{}:#]|:(?![\s,\]}]|$)|(?<=\S)#)+").match(line, self.column)
        if match is None:
            parser.fail("an unexpected sign")
        else:
            self.column = match.end()
            node.text = match[0].strip()
        found = parser.anchors.get(node.text[1:]) if node.text and node.text[0] == "*" else None
        return found or node


def _properties(rest: str) -> tuple[str, str, str]:
    anchor = tag = ""
    while match := _PROPERTY.match(rest):
        anchor, tag = match["anchor"] or anchor, match["tag"] or tag
        rest = rest[match.end() :]
    return anchor[1:], tag, rest


def _merge(into: Node, value: Node) -> None:
    for source in [value, *value.items]:
        for key, inner in source.entries.items():
            into.entries.setdefault(key, inner)
            into.key_lines.setdefault(key, source.key_lines.get(key, source.line))


def _uncommented(text: str) -> str:
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _end_of_quote(text: str, mark: str) -> int:
    place = 1
    while place < len(text):
        if mark == '"' and text[place] == "\\":
            place += 2
            continue
        if text[place] == mark:
            if mark == "'" and text[place + 1 : place + 2] == "'":
                place += 2
                continue
            return place
        place += 1
    return -1


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text[1:-1])
    return text


def _untemplated(line: str) -> str:
    if _CONTROL.match(line):
        return ""
    return _PLACEHOLDER.sub("TEMPLATE", line)
