"""R's own format of objects, walked to its end: what would run when a value is used.

R writes an object as items that stand one in another (``src/main/serialize.c``, versions 2 and 3;
binary of either byte order, or text). An item may be code. A promise that nobody has evaluated
is evaluated as soon as its value is used (CVE-2024-27322); functions and calls run where programs
ask for them. Honest models hold functions and calls (a fitted formula, the links of a family), so
those are judged by the functions that they name; data are passed over by their lengths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Literal

from hauberk.errors import ArtifactError
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, Said, evasive, unread
from hauberk.formats.spans import Span

R_DATA = "R data"

MAX_ITEMS = 3_000_000
"""Items walked through, which takes some seconds; numbers are passed over without counting."""

MAX_WAITING = 1_000_000
"""Items begun and not ended: honest objects are some hundreds deep, chains are one step."""

_WINDOW = 1 << 16
_MAX_NAME = 1 << 12

_DANGEROUS = frozenset(
    {"system", "system2", "shell", "shell.exec", "pipe", "source", "sys.source", "download.file"}
    | {"socketConnection", "socketAccept", "dyn.load", "install.packages", "unlink", "file.remove"}
    | {"browseURL", "Sys.setenv", "reg.finalizer", "file.copy", "writeBin", "curl_download"}
    | {"curl_fetch_memory", "exec_background", "exec_wait", "r_bg"}
)
"""Functions of R that start programs, fetch, or change files; no fitted model calls one."""

_HANDED = frozenset(
    {"system", "system2", "shell.exec", "dyn.load", "download.file", "install.packages"}
    | {"socketConnection", "sys.source"}
)
"""Those that are meant wherever code names them: ``base::system``, ``do.call(system, ...)``."""

_PARSED = frozenset({"parse", "str2lang", "str2expression"})
_EVALUATED = frozenset({"eval", "evalq", "eval.parent"})

_ROOTS = {3: "a function", 5: "a promise, which is evaluated when it is used", 6: "a call"}
_ROOTS |= {21: "compiled code"}

_SYMBOL, _PAIRS, _CLOSURE, _ENVIRONMENT, _PROMISE, _CALL = 1, 2, 3, 4, 5, 6
_CHARACTERS, _TEXTS, _DOTS, _LIST, _EXPRESSION, _CODE = 9, 16, 17, 19, 20, 21
_POINTER, _WEAK, _BYTES, _OBJECT, _ALTERNATIVE = 22, 23, 24, 25, 238
_REFERENCE, _UNBOUND = 255, 252
_CHAINED = frozenset({_PAIRS, _CLOSURE, _PROMISE, _CALL, _DOTS})
_ITEMS = frozenset({_TEXTS, _LIST, _EXPRESSION})
_BARE = frozenset({241, 242, 250, 251, 252, 253, 254})
_NAMED = frozenset({247, 248, 249})
"""Persistent names, packages and name spaces: a list of texts."""

_BUILTINS = frozenset({7, 8})
_COMPLEX = 15
_NUMBERS = {10: 4, 13: 4, 14: 8, _COMPLEX: 16}
"""Types of vectors to the bytes of one element."""

_BACK, _DEFINED = 243, 244
_WITH_ATTRIBUTES = {239: _PAIRS, 240: _CALL}
_CHAINS_OF_CODE = frozenset({_CALL, _PAIRS, _DEFINED, *_WITH_ATTRIBUTES})
_HAS_ATTRIBUTES, _HAS_TAG = 0x200, 0x400
_LONG = -1
_TEXT_BYTES = 16 << 20
"""R data as text, which are read at once."""


class Within(Enum):
    """Which code an item is part of."""

    DATA = "data"
    CALL = "a call"
    FUNCTION = "a function"
    PROMISE = "a promise, which is evaluated when it is used"


class _Step(Enum):
    """What is read next."""

    ITEM = auto()
    HEAD = auto()
    VALUE = auto()
    CODE = auto()
    CONSTANTS = auto()
    CONSTANT = auto()
    CHAIN = auto()
    CHAIN_HEAD = auto()


_Task = tuple[_Step, Within, int]
"""What is read, in which code, and how often."""


class _TooMuchError(Exception):
    """The object is larger than is walked through."""


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the R data are malformed: {reason}",
        rule="one object as R writes it",
        found=reason,
        hint="save the object again with saveRDS",
    )


# Words


class _Binary:
    """Numbers of four bytes, in the order that the mark names."""

    def __init__(self, span: Span, at: int, *, is_big: bool) -> None:
        self._span = span
        self._order: Literal["big", "little"] = "big" if is_big else "little"
        self._start, self._data = at, b""
        self.at = at

    def number(self) -> int:
        begin = self.at - self._start
        if begin < 0 or begin + 4 > len(self._data):
            self._data, self._start, begin = self._span.read(self.at, _WINDOW), self.at, 0
        self.skip(1, 4)
        return int.from_bytes(self._data[begin : begin + 4], self._order, signed=True)

    def text(self, size: int) -> bytes:
        start = self.at
        self.skip(size, 1)
        return self._span.read(start, min(size, _MAX_NAME))

    def skip(self, count: int, width: int) -> None:
        if count < 0 or count * width > self._span.size - self.at:
            raise _malformed("an item reaches beyond the file")
        self.at += count * width


class _Lines:
    """The same as text: one number, or one string with its escapes, on each line."""

    def __init__(self, span: Span, at: int) -> None:
        self._lines = span.read(at, _TEXT_BYTES).split(b"\n")
        self.at = 0

    def _line(self) -> bytes:
        self.skip(1, 1)
        return self._lines[self.at - 1].strip()

    def number(self) -> int:
        line = self._line()
        if line == b"NA":
            return -(1 << 31)
        if not re.fullmatch(rb"-?\d{1,11}", line):
            raise _malformed("a line is no number")
        return int(line)

    def text(self, size: int) -> bytes:
        return self._line()[:_MAX_NAME] if size >= 0 else b""

    def skip(self, count: int, width: int) -> None:
        lines = 2 * count if width == _NUMBERS[_COMPLEX] else count
        if count < 0 or lines > len(self._lines) - self.at:
            raise _malformed("an item reaches beyond the file")
        self.at += lines


# Items


class _Walk:
    """One object: what code it holds, and what that code names.

    Attributes:
        called: The functions that code of each kind calls, in the order of the file.
        is_pending: Whether a promise holds a call that was not evaluated.
    """

    def __init__(self, words: _Binary | _Lines) -> None:
        self.words = words
        self.called: dict[Within, dict[str, None]] = {}
        self.is_pending = False
        self.root = -1
        self._names: list[str] = []
        self._tasks: list[_Task] = [(_Step.ITEM, Within.DATA, 1)]

    def run(self) -> None:
        """Walk through the object.

        Raises:
            ArtifactError: It is malformed.
            _TooMuchError: It is larger than is walked through.
        """
        for _ in range(MAX_ITEMS):
            if not self._tasks:
                return
            step, within, count = self._tasks.pop()
            if count > 1:
                self._tasks.append((step, within, count - 1))
            if len(self._tasks) > MAX_WAITING:
                break
            _STEPS[step](self, within)
        raise _TooMuchError

    def _push(self, *tasks: _Task) -> None:
        self._tasks.extend(task for task in reversed(tasks) if task[2] > 0)

    def item(self, within: Within) -> None:
        self._item(within)

    def head(self, within: Within) -> None:
        """The function of a call."""
        self._item(within, is_head=True)

    def value(self, _within: Within) -> None:
        """The value of a promise; its expression follows, and is evaluated where there is none."""
        self._tasks.pop()
        place = len(self._tasks)
        kind = self._item(Within.DATA)
        inside = Within.PROMISE if kind == _UNBOUND else Within.DATA
        self._tasks.insert(place, (_Step.ITEM, inside, 1))

    def _item(self, within: Within, *, is_head: bool = False) -> int:
        flags = self.words.number()
        kind = flags & 0xFF
        self.root = kind if self.root < 0 else self.root
        if kind == _SYMBOL:
            self._symbol(within, is_head=is_head)
        elif kind == _REFERENCE:
            self._name(self._referred(flags), within, is_head=is_head)
        elif kind in _CHAINED:
            self._chained(kind, flags, within)
        elif kind not in _BARE:
            self._other(kind, flags, within)
        return kind

    def _symbol(self, within: Within, *, is_head: bool) -> None:
        if self.words.number() & 0xFF != _CHARACTERS:
            raise _malformed("a name is no text")
        name = self._characters()
        self._names.append(name)
        self._name(name, within, is_head=is_head)

    def _referred(self, flags: int) -> str:
        place = flags >> 8 or self.words.number()
        if not 0 < place <= len(self._names):
            raise _malformed("it refers to what has not been read yet")
        return self._names[place - 1]

    def _name(self, name: str, within: Within, *, is_head: bool) -> None:
        if within is not Within.DATA and (is_head or name in _HANDED):
            self.called.setdefault(within, {})[name] = None

    def _characters(self) -> str:
        size = self.words.number()
        return self.words.text(size).decode("utf-8", "replace") if size >= 0 else ""

    def _chained(self, kind: int, flags: int, within: Within) -> None:
        """A link of a chain: attributes, a tag, what it holds, and the next one."""
        inside = _inside(kind, within)
        if kind == _CALL and within is Within.PROMISE:
            self.is_pending = True
        first = {_CALL: _Step.HEAD, _PROMISE: _Step.VALUE}.get(kind, _Step.ITEM)
        self._push(
            (_Step.ITEM, Within.DATA, int(bool(flags & _HAS_ATTRIBUTES))),
            (_Step.ITEM, Within.DATA, int(bool(flags & _HAS_TAG))),
            (first, inside, 1),
            (_Step.ITEM, inside, 1),
        )

    def _other(self, kind: int, flags: int, within: Within) -> None:
        attributes = (_Step.ITEM, Within.DATA, int(bool(flags & _HAS_ATTRIBUTES)))
        if kind in _NUMBERS:
            self.words.skip(self._length(), _NUMBERS[kind])
        elif kind == _BYTES:
            self.words.skip(self._length(), 1)
        elif kind in _BUILTINS or kind == _CHARACTERS:
            self._name(self._characters(), within, is_head=False)
        elif kind in _ITEMS:
            inside = Within.CALL if (kind, within) == (_EXPRESSION, Within.DATA) else within
            attributes = self._after((_Step.ITEM, inside, self._length()), attributes)
        elif kind == _CODE:
            self.words.number()
            attributes = self._after((_Step.CODE, _inside(_CLOSURE, within), 1), attributes)
        else:
            self._environment(kind)
        self._push(attributes)

    def _after(self, task: _Task, attributes: _Task) -> _Task:
        """Attributes are behind the items; nothing is left to be pushed then."""
        self._push(task, attributes)
        return (_Step.ITEM, Within.DATA, 0)

    def _environment(self, kind: int) -> None:
        items = {_ENVIRONMENT: 4, _POINTER: 2, _ALTERNATIVE: 3, _WEAK: 0, _OBJECT: 0}
        if kind in _NAMED:
            self.words.number()
            self._push((_Step.ITEM, Within.DATA, self._length()))
        elif kind not in items:
            raise _malformed(f"there is no item of the type {kind}")
        if kind == _ENVIRONMENT:
            self.words.number()
        if kind in _NAMED or kind in {_ENVIRONMENT, _POINTER, _WEAK}:
            self._names.append("")
        self._push((_Step.ITEM, Within.DATA, items.get(kind, 0)))

    def _length(self) -> int:
        count = self.words.number()
        if count == _LONG:
            return (self.words.number() << 32) + (self.words.number() & 0xFFFFFFFF)
        if count < 0:
            raise _malformed("a length is negative")
        return count

    # Compiled functions

    def code(self, within: Within) -> None:
        """Instructions, and the constants that they use."""
        self._push((_Step.ITEM, Within.DATA, 1), (_Step.CONSTANTS, within, 1))

    def constants(self, within: Within) -> None:
        self._push((_Step.CONSTANT, within, self._length()))

    def constant(self, within: Within) -> None:
        kind = self.words.number()
        if kind == _CODE:
            self._push((_Step.CODE, within, 1))
        else:
            self._chain(kind, within)

    def chain(self, within: Within) -> None:
        self._chain(self.words.number(), within)

    def chain_head(self, within: Within) -> None:
        self._chain(self.words.number(), within, is_head=True)

    def _chain(self, kind: int, within: Within, *, is_head: bool = False) -> None:
        if kind == _BACK:
            self.words.number()
        elif kind not in _CHAINS_OF_CODE:
            self._push((_Step.HEAD if is_head else _Step.ITEM, within, 1))
        else:
            if kind == _DEFINED:
                self.words.number()
                kind = self.words.number()
            first = _Step.CHAIN_HEAD if _WITH_ATTRIBUTES.get(kind, kind) == _CALL else _Step.CHAIN
            self._push(
                (_Step.ITEM, Within.DATA, int(kind in _WITH_ATTRIBUTES)),
                (_Step.ITEM, Within.DATA, 1),
                (first, within, 1),
                (_Step.CHAIN, within, 1),
            )


_STEPS: dict[_Step, Callable[[_Walk, Within], None]] = {
    _Step.ITEM: _Walk.item,
    _Step.HEAD: _Walk.head,
    _Step.VALUE: _Walk.value,
    _Step.CODE: _Walk.code,
    _Step.CONSTANTS: _Walk.constants,
    _Step.CONSTANT: _Walk.constant,
    _Step.CHAIN: _Walk.chain,
    _Step.CHAIN_HEAD: _Walk.chain_head,
}


def _inside(kind: int, within: Within) -> Within:
    if within is Within.PROMISE:
        return within
    if kind == _CLOSURE:
        return Within.FUNCTION
    return Within.CALL if (kind, within) == (_CALL, Within.DATA) else within


# Judging

_MARK = re.compile(rb"(?:RD[XAB][23]\n)?([XAB])\n")


def judge_r(span: Span) -> Iterator[Said]:
    """What R data hold beside data."""
    mark = _MARK.match(span.read(0, 7))
    if mark is None:
        yield evasive("the R data are malformed: they do not begin as R begins them")
        return
    walk = _Walk(_words(span, mark))
    try:
        _header(walk.words)
        walk.run()
    except _TooMuchError:
        yield unread(f"R data of more than {MAX_ITEMS} items")
    except ArtifactError as error:
        yield evasive(error.message)
    yield from _judged(walk)


def _words(span: Span, mark: re.Match[bytes]) -> _Binary | _Lines:
    if mark[1] == b"A":
        return _Lines(span, mark.end())
    return _Binary(span, mark.end(), is_big=mark[1] == b"X")


def _header(words: _Binary | _Lines) -> None:
    version = words.number()
    if version not in {2, 3}:
        raise _malformed(f"there is no version {version} of the format")
    words.number()
    words.number()
    if version == 3:  # noqa: PLR2004 - the name of an encoding stands in front of the value
        words.text(words.number())


def _judged(walk: _Walk) -> Iterator[Remark]:
    told = False
    for within in (Within.PROMISE, Within.FUNCTION, Within.CALL):
        called = walk.called.get(within, {})
        names = [name for name in called if name in _DANGEROUS]
        if called.keys() & _PARSED and called.keys() & _EVALUATED:
            names.append("eval(parse(...))")
        grade = Grade.DANGEROUS if within is Within.PROMISE else Grade.CODE
        grade = Grade.UNKNOWN if names == ["eval(parse(...))"] and grade is Grade.CODE else grade
        for name in names[:5]:
            told = True
            text = f"gives {within.value} that calls {printable(name)}"
            yield Remark(grade, name, text, 0)
    if walk.root in _ROOTS:
        yield Remark(Grade.CODE, "R code", f"gives {_ROOTS[walk.root]}, and no value", 0)
    elif walk.is_pending and not told:
        text = "holds a promise with a call, which R before 4.4.0 evaluates when it is used"
        yield Remark(Grade.UNKNOWN, "promise", text, 0)
