"""Jinja templates as a syntax tree, within bounds and without rendering.

Own lexer and parser, for two reasons: nothing of a stranger's template may be compiled to
Python here, and the judgement needs the tree and not the meaning. The grammar is that of
Jinja 3 with the statements that chat templates use, ``generation`` and ``break`` among them.
What does not parse is an error and never a pass.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hauberk.errors import ArtifactError

MAX_BYTES = 1 << 20
"""The longest templates in use have some ten thousand characters."""

MAX_TOKENS = 30_000
"""The longest templates in use have about four thousand."""
MAX_DEPTH = 40

MAX_CHAIN = 100
"""Operators, filters or attributes in one row; each makes the tree a level deeper."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the tree.

    Attributes:
        kind: ``name constant attribute subscript slice call filter test unary binary list
            dict condition keyword`` for expressions; ``output text if for set block macro
            call-block filter-block import statement`` for statements.
        value: Name, operator or constant.
        children: In order of writing.
        body: Statements inside: of ``if`` the branches one after the other.
    """

    kind: str
    value: Any = None
    children: tuple[Node, ...] = ()
    body: tuple[Node, ...] = ()
    line: int = 0

    def only(self) -> Node:
        """The single child of a list in parentheses, or the list."""
        return self.children[0] if len(self.children) == 1 else self

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed((*node.children, *node.body)))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


_MARK = re.compile(r"\{#.*?(?:#\}|\Z)|\{\{[-+]?|\{%[-+]?", re.DOTALL)
_RAW = re.compile(r"\{%[-+]?\s{0,8}raw\s{0,8}[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?\s{0,8}endraw\s{0,8}[-+]?%\}")
_INSIDE = re.compile(
    r"""\s+
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<number>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<end>[-+]?%\}|[-+]?\}\})
    |(?P<op>//|\*\*|==|!=|<=|>=|[-+*/%~<>()\[\]{}.,:|=])
    |(?P<name>[^\W\d]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def parse(text: str) -> Node:
    """The tree of a template; its root has kind ``template``.

    Raises:
        ArtifactError: It is too large, too deep, or no template.
    """
    if len(text) > MAX_BYTES:
        raise malformed(f"it has {len(text)} characters")
    parser = _Parser(list(_tokens(text)))
    body = parser.statements(frozenset())
    if parser.peek().kind != "eof":
        raise malformed(f"line {parser.peek().line} ends something that was not begun")
    return Node("template", body=body)


def malformed(reason: str) -> ArtifactError:
    """The error for text that is no template."""
    return ArtifactError(
        f"the template does not parse: {reason}",
        rule=f"a Jinja template of at most {MAX_BYTES} characters and {MAX_DEPTH} levels",
        found=reason,
        hint="ask its author for a template that Jinja reads",
    )


# Tokens


def _tokens(text: str) -> Iterator[_Token]:
    at, line, count = 0, 1, 0
    while at < len(text):
        mark = _MARK.search(text, at)
        start = mark.start() if mark else len(text)
        if start > at:
            yield _Token("text", text[at:start], line)
            line += text.count("\n", at, start)
        if mark is None:
            break
        opened, at = mark[0], mark.end()
        if opened.startswith("{#"):
            line += opened.count("\n")
            continue
        if raw := _RAW.match(text, start):
            end = _END_RAW.search(text, raw.end())
            if end is None:
                raise malformed(f"line {line} opens raw text and does not close it")
            yield _Token("text", text[raw.end() : end.start()], line)
            at, line = end.end(), line + text.count("\n", start, end.end())
            continue
        yield _Token("open", opened[:2], line)
        inner, at = _inside(text, at, opened[:2], line)
        count += len(inner)
        if count > MAX_TOKENS:
            raise malformed(f"it has more than {MAX_TOKENS} tokens")
        yield from inner
        line = inner[-1].line


def _inside(text: str, at: int, opened: str, line: int) -> tuple[list[_Token], int]:
    """Tokens up to and with the closing mark; braces of dictionaries are counted."""
    found: list[_Token] = []
    close, depth = ("}}" if opened == "{{" else "%}"), 0
    while at < len(text):
        match = _INSIDE.match(text, at)
        if match is None:
            raise malformed(f"line {line} holds {text[at : at + 12]!r}")
        kind, word = match.lastgroup or "", match[0]
        if kind == "end" and word.endswith(close) and depth <= 0:
            found.append(_Token("close", word, line))
            return found, match.end()
        if kind == "end":  # the closing braces of dictionaries, or a stray mark
            kind, word = "op", word[0]
            match_end = at + 1
        else:
            match_end = match.end()
        depth += (word == "{") - (word == "}") if kind == "op" else 0
        if kind:
            found.append(_Token(kind, word, line))
        if len(found) > MAX_TOKENS:
            break
        line += word.count("\n")
        at = match_end
    if len(found) > MAX_TOKENS:
        raise malformed(f"it has more than {MAX_TOKENS} tokens")
    raise malformed(f"line {line} opens {opened} and does not close it")


# Parser

_BLOCKS = {
    "if": "endif",
    "for": "endfor",
    "macro": "endmacro",
    "call": "endcall",
    "filter": "endfilter",
    "block": "endblock",
    "with": "endwith",
    "autoescape": "endautoescape",
    "generation": "endgeneration",
    "trans": "endtrans",
}
_IMPORTS = frozenset({"import", "from", "include", "extends"})
_PRECEDENCE: tuple[tuple[str, ...], ...] = (
    ("or",),
    ("and",),
    ("==", "!=", "<", ">", "<=", ">=", "in"),
    ("+", "-"),
    ("~",),
    ("*", "/", "//", "%"),
    ("**",),
)


@dataclass(slots=True)
class _Parser:
    tokens: list[_Token]
    at: int = 0
    depth: int = 0
    end: _Token = field(default_factory=lambda: _Token("eof", "", 0))

    def peek(self, ahead: int = 0) -> _Token:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else self.end

    def next(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def takes(self, text: str, kind: str = "op") -> bool:
        token = self.peek()
        if token.text == text and token.kind in {kind, "op"}:
            self.at += 1
            return True
        return False

    def needs(self, text: str, kind: str = "op") -> None:
        if not self.takes(text, kind):
            token = self.peek()
            raise malformed(f"line {token.line} has {token.text!r} where {text!r} is due")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise malformed(f"it is nested more than {MAX_DEPTH} deep")

    # Statements

    def statements(self, ends: frozenset[str]) -> tuple[Node, ...]:
        """Statements up to a tag in ``ends``, which is left to the caller."""
        self.deeper()
        found: list[Node] = []
        while self.peek().kind != "eof":
            token = self.peek()
            if token.kind == "text":
                found.append(Node("text", self.next().text, line=token.line))
            elif token.text == "{{":
                self.next()
                value = self.tuple_expression()
                self.close()
                found.append(Node("output", None, (value,), line=token.line))
            elif self.peek(1).text in ends:
                break
            else:
                self.next()
                found.append(self.statement())
        self.depth -= 1
        return tuple(found)

    def close(self) -> None:
        token = self.next()
        if token.kind != "close":
            raise malformed(f"line {token.line} has {token.text!r} where a tag should end")

    def statement(self) -> Node:
        token = self.next()
        word = token.text
        if word == "if":
            return self.branches(token.line)
        if word == "for":
            return self.loop(token.line)
        if word == "set":
            return self.assignment(token.line)
        if word in _IMPORTS:
            return self.rest("import", word, token.line)
        if word in _BLOCKS:
            return self.block(word, token.line)
        if word in {"break", "continue", "do"}:
            return self.rest("statement", word, token.line)
        raise malformed(f"line {token.line} has the unknown tag {word!r}")

    def end_of(self, word: str) -> None:
        self.needs("{%", "open")
        self.needs(word, "name")
        while self.peek().kind == "name":  # {% endblock title %}
            self.next()
        self.close()

    def branches(self, line: int) -> Node:
        test = self.expression()
        self.close()
        ends = frozenset({"elif", "else", "endif"})
        body = Node("branch", None, body=self.statements(ends), line=line)
        otherwise: tuple[Node, ...] = ()
        if self.peek(1).text == "elif":
            self.at += 2
            self.deeper()
            otherwise = (self.branches(self.peek().line),)
            self.depth -= 1
            return Node("if", None, (test,), (body, *otherwise), line)
        if self.peek(1).text == "else":
            self.at += 2
            self.close()
            inner = self.statements(frozenset({"endif"}))
            otherwise = (Node("branch", None, body=inner, line=line),)
        self.end_of("endif")
        return Node("if", None, (test,), (body, *otherwise), line)

    def loop(self, line: int) -> Node:
        target = self.targets()
        self.needs("in", "name")
        over = self.expression(no_condition=True)
        parts = [target, over]
        if self.takes("if", "name"):
            parts.append(self.expression())
        self.takes("recursive", "name")
        self.close()
        body = self.statements(frozenset({"endfor", "else"}))
        if self.peek(1).text == "else":
            self.at += 2
            self.close()
            body += self.statements(frozenset({"endfor"}))
        self.end_of("endfor")
        return Node("for", None, tuple(parts), body, line)

    def targets(self) -> Node:
        found = [self.postfix()]
        while self.takes(","):
            found.append(self.postfix())
        return Node("list", None, tuple(found))

    def assignment(self, line: int) -> Node:
        target = self.targets()
        if self.takes("="):
            value = self.tuple_expression()
            self.close()
            return Node("set", None, (target, value), line=line)
        filters = [target]
        while self.takes("|"):
            filters.append(self.filter_of(target))
        self.close()
        body = self.statements(frozenset({"endset"}))
        self.end_of("endset")
        return Node("set", None, tuple(filters), body, line)

    def block(self, word: str, line: int) -> Node:
        head: list[Node] = []
        if word == "call" and self.peek().text == "(":
            self.next()
            head += self.arguments(")")
        while self.peek().kind != "close":
            if not self.takes(","):
                head.append(self.filter_of(Node("text", "")) if word == "filter" else self.item())
        self.close()
        end = _BLOCKS[word]
        body = self.statements(frozenset({end}))
        self.end_of(end)
        return Node(f"{word}-block", word, tuple(head), body, line)

    def rest(self, kind: str, word: str, line: int) -> Node:
        parts: list[Node] = []
        while self.peek().kind not in {"close", "eof"}:
            if self.peek().kind == "name" and self.peek().text in {
                "import",
                "as",
                "with",
                "ignore",
            }:
                self.next()
            elif not self.takes(","):
                parts.append(self.expression())
        self.close()
        return Node(kind, word, tuple(parts), line=line)

    # Expressions

    def tuple_expression(self) -> Node:
        first = self.expression()
        if self.peek().text != "," or self.peek().kind != "op":
            return first
        found = [first]
        while self.takes(","):
            if self.peek().kind == "close":
                break
            found.append(self.expression())
        return Node("list", None, tuple(found))

    def expression(self, *, no_condition: bool = False) -> Node:
        self.deeper()
        value = self.binary(0)
        chain = 0
        while not no_condition and self.takes("if", "name"):
            chain = _longer(chain)
            parts = [value, self.binary(0)]
            if self.takes("else", "name"):
                parts.append(self.expression())
            value = Node("condition", None, tuple(parts))
        self.depth -= 1
        return value

    def binary(self, level: int) -> Node:
        if level == len(_PRECEDENCE):
            return self.unary()
        if _PRECEDENCE[level] == ("and",) and self.peek().text == "not":
            left = self.negation()
        else:
            left = self.binary(level + 1)
        chain = 0
        while operator := self.operator(level):
            chain = _longer(chain)
            right = self.negation() if self.peek().text == "not" else self.binary(level + 1)
            left = Node("binary", operator, (left, right))
        return left

    def negation(self) -> Node:
        self.needs("not", "name")
        self.deeper()
        again = self.peek().kind == "name" and self.peek().text == "not"
        value = self.negation() if again else self.binary(2)
        self.depth -= 1
        return Node("unary", "not", (value,))

    def operator(self, level: int) -> str:
        token = self.peek()
        if token.kind not in {"op", "name"}:
            return ""
        if token.text in _PRECEDENCE[level]:
            return self.next().text
        is_not_in = token.text == "not" and self.peek(1).text == "in" and "in" in _PRECEDENCE[level]
        if is_not_in:
            self.at += 2
            return "not in"
        return ""

    def unary(self) -> Node:
        token = self.peek()
        if token.kind == "op" and token.text in "+-":
            self.next()
            self.deeper()
            value = self.unary()
            self.depth -= 1
            return Node("unary", token.text, (value,))
        return self.tests(self.postfix())

    def tests(self, value: Node) -> Node:
        chain = 0
        while True:
            chain = _longer(chain)
            if self.takes("|"):
                value = self.filter_of(value)
            elif self.takes("is", "name"):
                negated = self.takes("not", "name")
                value = self.test_of(value)
                value = Node("unary", "not", (value,)) if negated else value
            else:
                return value

    def filter_of(self, value: Node) -> Node:
        name = self.dotted()
        parts = self.arguments(")") if self.takes("(") else []
        return self.trailers(Node("filter", name, (value, *parts), line=self.peek().line))

    def test_of(self, value: Node) -> Node:
        name = self.dotted()
        parts: list[Node] = []
        token = self.peek()
        starts = token.kind in {"string", "number"} or token.text in {"[", "{"}
        words = {"and", "or", "else", "in", "is", "if", "not"}
        if self.takes("("):
            parts = self.arguments(")")
        elif starts or (token.kind == "name" and token.text not in words):
            parts = [self.postfix()]
        return Node("test", name, (value, *parts))

    def dotted(self) -> str:
        names = [self.name()]
        while self.takes("."):
            names.append(self.name())
        return ".".join(names)

    def name(self) -> str:
        token = self.next()
        if token.kind != "name":
            raise malformed(f"line {token.line} has {token.text!r} where a name is due")
        return token.text

    def postfix(self) -> Node:
        return self.trailers(self.primary())

    def trailers(self, value: Node) -> Node:
        chain = 0
        while True:
            chain = _longer(chain)
            line = self.peek().line
            if self.takes("."):
                token = self.next()
                if token.kind not in {"name", "number"}:
                    raise malformed(f"line {line} has a dot without a name")
                value = Node("attribute", token.text, (value,), line=line)
            elif self.takes("["):
                value = Node("subscript", None, (value, self.index()), line=line)
            elif self.takes("("):
                value = Node("call", None, (value, *self.arguments(")")), line=line)
            else:
                return value

    def index(self) -> Node:
        parts: list[Node] = []
        is_slice = False
        while not self.takes("]"):
            if self.takes(":") or self.takes(","):
                is_slice = True
            else:
                parts.append(self.expression())
        return Node("slice", None, tuple(parts)) if is_slice else Node("index", None, tuple(parts))

    def arguments(self, end: str) -> list[Node]:
        found: list[Node] = []
        while not self.takes(end):
            if not self.takes(","):
                found.append(self.item())
        return found

    def item(self) -> Node:
        """An argument: positional, by keyword, or starred."""
        while self.takes("*") or self.takes("**"):
            pass
        if self.peek().kind == "name" and self.peek(1).text == "=" and self.peek(1).kind == "op":
            name = self.name()
            self.next()
            return Node("keyword", name, (self.expression(),))
        return self.expression()

    def primary(self) -> Node:
        token = self.next()
        if token.kind == "string":
            return self.string(token)
        if token.kind == "number":
            return Node("constant", _number(token.text), line=token.line)
        if token.kind == "name":
            return _named(token)
        if token.text in {"(", "["}:
            closing = ")" if token.text == "(" else "]"
            value = Node("list", None, tuple(self.arguments(closing)))
            return value.only() if token.text == "(" else value
        if token.text == "{":
            return self.dictionary()
        raise malformed(f"line {token.line} has {token.text!r} where a value is due")

    def string(self, token: _Token) -> Node:
        text = _unescaped(token.text)
        while self.peek().kind == "string":  # adjacent strings are one
            text += _unescaped(self.next().text)
        return Node("constant", text, line=token.line)

    def dictionary(self) -> Node:
        parts: list[Node] = []
        while not self.takes("}"):
            if not self.takes(","):
                parts.append(self.expression())
                self.needs(":")
                parts.append(self.expression())
        return Node("dict", None, tuple(parts))


_CONSTANTS = {"true": True, "false": False, "none": None}


def _named(token: _Token) -> Node:
    if token.text.lower() in _CONSTANTS:
        return Node("constant", _CONSTANTS[token.text.lower()], line=token.line)
    return Node("name", token.text, line=token.line)


def _longer(chain: int) -> int:
    if chain >= MAX_CHAIN:
        raise malformed(f"more than {MAX_CHAIN} parts stand in one row")
    return chain + 1


def _number(text: str) -> int | float:
    plain = text.replace("_", "")
    if len(plain) > 40:  # noqa: PLR2004 - long runs of digits cost quadratic time
        raise malformed("a number has too many digits")
    return float(plain) if set(plain) & set(".eE") else int(plain)


def _unescaped(text: str) -> str:
    """A string as Jinja reads it: with Python's escapes."""
    if "\\" not in text:
        return text[1:-1]
    try:
        return str(ast.literal_eval(text.replace("\n", "\\n").replace("\r", "\\r")))
    except (ValueError, SyntaxError):
        return text[1:-1]
