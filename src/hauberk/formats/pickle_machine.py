"""The state of CPython's unpickler over symbols: a cursor, a stack with marks, a memo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hauberk.errors import LimitError
from hauberk.formats.pickle_events import (
    Called,
    Embedded,
    Ended,
    Imported,
    Oddity,
    PickleEvent,
    looks_loadable,
)
from hauberk.formats.pickle_runs import MAX_BATCH_BYTES, Memo, find_batch
from hauberk.formats.pickle_values import (
    KEPT_BYTES,
    KEPT_ITEMS,
    MAX_WEIGHT,
    Call,
    Global,
    Group,
    Long,
    arguments,
)
from hauberk.formats.spans import Span, span_of

MAX_NAME_CHARS = 1024
"""A longer module or attribute name is an attempt to exhaust somebody."""

MAX_STACK = 4_000_000
"""Symbols waiting at once; a list of a million pairs needs two million."""

_WINDOW_BYTES = 1 << 18

STOP = ord(".")


_CLOSING = {"dict": b"u", "list": b"e", "set": b"\x90"}
"""Opcodes that put a batch of values into a container."""


class BrokenError(Exception):
    """CPython's unpickler would raise here."""


class _Cursor:
    """A position in a span, with a window of bytes around it."""

    __slots__ = ("_at", "_base", "_buffer", "_span", "is_cut")

    def __init__(self, span: Span, start: int) -> None:
        self._span = span
        self._base = start
        self._buffer = b""
        self._at = 0
        self.is_cut = False

    @property
    def offset(self) -> int:
        return self._base + self._at

    def seek(self, offset: int) -> None:
        self._base, self._buffer, self._at = offset, b"", 0

    def byte(self) -> int:
        if self._at >= len(self._buffer):
            self._fill(1)
        value = self._buffer[self._at]
        self._at += 1
        return value

    def take(self, n: int) -> bytes:
        end = self._at + n
        if end > len(self._buffer):
            self._fill(n)
            end = n
        data = self._buffer[self._at : end]
        self._at = end
        return data

    def _fill(self, n: int) -> None:
        """Move the window to the current offset, with at least ``n`` bytes in it."""
        self._base, self._at = self.offset, 0
        self._buffer = self._span.read(self._base, max(n, _WINDOW_BYTES))
        if len(self._buffer) < n:
            raise BrokenError("the bytes end within an opcode")

    def ahead(self, n: int) -> tuple[bytes, int]:
        """The window and the place in it, with ``n`` bytes ahead where there are as many."""
        if len(self._buffer) - self._at < n:
            self._base, self._at = self.offset, 0
            self._buffer = self._span.read(self._base, max(n, _WINDOW_BYTES))
        return self._buffer, self._at

    def advance(self, n: int) -> None:
        """Pass over ``n`` bytes that lie in the window."""
        self._at += n

    def skip(self, n: int) -> int:
        """Pass over ``n`` bytes and return where they began."""
        start = self.offset
        if n > self._span.size - start:
            raise BrokenError(f"{n} bytes are declared where {self._span.size - start} are left")
        self.seek(start + n)
        return start

    def line(self) -> bytes | Long:
        """The bytes up to the next line feed, which is passed over."""
        start = self.offset
        position = self._find_line_feed(start)
        if position - start > KEPT_BYTES:
            head = self._span.read(start, KEPT_BYTES)
            self.seek(position + 1)
            return Long(start, position - start, head, text=True)
        return self.take(position - start + 1)[:-1]

    def _find_line_feed(self, start: int) -> int:
        found = self._buffer.find(b"\n", self._at)
        if found >= 0:
            return self._base + found
        at = start
        while data := self._span.read(at, _WINDOW_BYTES):
            found = data.find(b"\n")
            if found >= 0:
                return at + found
            at += len(data)
        # The unpickler in Python, which joblib uses, takes the rest but its last byte.
        self.is_cut = True
        return at - 1


class Machine:
    """The unpickler's state over symbols."""

    __slots__ = (
        "arrays",
        "cursor",
        "events",
        "frame_end",
        "handlers",
        "marks",
        "max_opcodes",
        "memo",
        "op_at",
        "opcodes",
        "passed",
        "protocol",
        "span",
        "stack",
    )

    def __init__(
        self,
        span: Span,
        start: int,
        *,
        handlers: Mapping[int, Callable[[Machine], None]],
        arrays: bool,
        max_opcodes: int,
    ) -> None:
        self.span = span
        self.handlers = handlers
        self.cursor = _Cursor(span, start)
        self.arrays = arrays
        self.max_opcodes = max_opcodes
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo = Memo(span.read)
        self.events: list[PickleEvent] = []
        self.protocol = 0
        self.opcodes = 0
        self.passed = 0
        self.op_at = start
        self.frame_end = 0

    def run(self) -> Iterator[PickleEvent]:
        """All events; a broken pickle ends them with the reason."""
        broken = ""
        try:
            while self._step():
                if self.events:
                    yield from self._told()
        except BrokenError as error:
            broken = str(error)
        yield from self._told()
        result = self.stack[-1] if self.stack and not broken else None
        end = self.op_at if broken else self.cursor.offset
        yield Ended(end, self.protocol, self.opcodes, broken, result, self.passed)

    def _told(self) -> list[PickleEvent]:
        events, self.events = self.events, []
        return events

    def _step(self) -> bool:
        self.op_at = self.cursor.offset
        code = self.cursor.byte()
        self.opcodes += 1
        if self.opcodes > self.max_opcodes or len(self.stack) > MAX_STACK:
            raise LimitError(
                "the pickle is too long to be followed",
                rule=f"at most {self.max_opcodes} opcodes and {MAX_STACK} waiting values",
                hint="store large tables as safetensors, npy or Parquet",
            )
        handler = self.handlers.get(code)
        if handler is None:
            raise BrokenError(f"0x{code:02x} is no opcode")
        frame_end = self.frame_end
        handler(self)
        frame_end = min(frame_end, self.frame_end)  # arrays lie outside of frames
        if self.cursor.is_cut:
            self.cursor.is_cut = False
            self.odd("a line never ends")
        if self.op_at < frame_end < self.cursor.offset:
            # Reading from a file, CPython forgets the part of a line that lies in the frame:
            # the name that is imported then is not the one that is written.
            self.odd("an opcode crosses the end of its frame")
        return code != STOP

    # Stack, marks, memo

    def pop(self) -> Any:
        """Take the top of the stack; a mark hides what lies below it."""
        if not self.stack:
            raise BrokenError("the stack is empty")
        return self.stack.pop()

    def top(self) -> Any:
        """The top of the stack."""
        if not self.stack:
            raise BrokenError("the stack is empty")
        return self.stack[-1]

    def pop_mark(self) -> list[Any]:
        """Everything above the last mark, which is removed."""
        if not self.marks:
            raise BrokenError("there is no mark")
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def pass_batch(self) -> None:
        """Pass over a batch of plain values behind a mark, where none of them is kept."""
        target = self.marks[-1][-1] if self.marks[-1] else None
        if not isinstance(target, Group) or len(target.items) < KEPT_ITEMS:
            return
        closing = _CLOSING.get(target.kind, b"-")
        buffer, at = self.cursor.ahead(MAX_BATCH_BYTES)
        base = self.cursor.offset - at
        batch = find_batch(buffer, at, closing, self.frame_end - base)
        if batch is None or batch.frame_end + base > self.span.size:
            return
        if (batch.values % 2 and target.kind == "dict") or not self.memo.admits(batch):
            return
        size = batch.end - at
        self.memo.remember(batch, self.cursor.offset, size)
        self.frame_end = max(self.frame_end, batch.frame_end + base)
        self.opcodes += batch.values + batch.texts
        target.count += batch.values
        target.weight = min(MAX_WEIGHT, target.weight + batch.values)
        self.cursor.advance(size)
        self.op_at = self.cursor.offset

    def put(self, key: int) -> None:
        """Remember the top of the stack."""
        # CPython makes room for twice the highest key.
        if key < 0 or key > self.span.size:
            self.odd(f"memo slot {key} is out of proportion to {self.span.size} bytes")
        self.memo[key] = self.top()

    def get(self, key: int) -> None:
        """Push what was remembered."""
        if key not in self.memo:
            raise BrokenError(f"memo slot {key} is empty")
        self.stack.append(self.memo[key])

    def odd(self, reason: str) -> None:
        """Tell what no honest writer makes."""
        self.events.append(Oddity(reason, self.op_at))

    # Imports and calls

    def find(self, module: Any, name: Any) -> Global:
        """The global that these two name, as the interpreter would look for it."""
        if not isinstance(module, str) or not isinstance(name, str):
            self.odd("a name is computed while loading")
            module, name = _text_of(module), _text_of(name)
        if max(len(module), len(name)) > MAX_NAME_CHARS:
            self.odd(f"a name of {max(len(module), len(name))} characters")
        found = self.named(module[:MAX_NAME_CHARS], name[:MAX_NAME_CHARS])
        self.events.append(Imported(found))
        return found

    def named(self, module: str, name: str) -> Global:
        """The global after translating Python 2 names where CPython does so."""
        if self.protocol >= 3:  # noqa: PLR2004 - the first protocol without Python 2 names
            return Global(module, name, self.op_at)
        new_module, new_name = _python3_name(module, name)
        mapped = (new_module, new_name) != (module, name)
        return Global(new_module, new_name, self.op_at, mapped=mapped)

    def charge(self, value: Any) -> None:
        """Count the work of looking at ``value``, which a few bytes can ask for again."""
        if isinstance(value, Group):
            self.opcodes += sum(
                len(item.items) // 4 if isinstance(item, Group) else 1 for item in value.items[:64]
            )

    def call(self, opcode: str, callee: Any, args: Any, kwargs: Any = None) -> None:
        """Tell a call and push its result."""
        self.charge(args)
        made = Call(opcode, callee, args, self.op_at, kwargs)
        self.events.append(Called(made))
        self.stack.append(_resolve(self, made))

    # Constants

    def constant(self, size: int, *, text: bool) -> None:
        """Read text or bytes of a declared size; long ones are passed over."""
        if size > KEPT_BYTES:
            start = self.cursor.skip(size)
            head = self.span.read(start, 512)
            if looks_loadable(head):
                self.events.append(Embedded(self.span.part(start, size), start, text))
            self.stack.append(Long(start, size, head, text=text))
            return
        data = self.cursor.take(size)
        if looks_loadable(data):
            self.events.append(Embedded(span_of(data), self.cursor.offset - size, text))
        self.stack.append(utf8(data) if text else data)


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else "<computed>"


def utf8(data: bytes) -> str:
    """Text as CPython decodes it."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise BrokenError(f"text is not UTF-8: {error.reason}") from error


def _python3_name(module: str, name: str) -> tuple[str, str]:
    """The name that CPython looks for when protocols 0 to 2 ask for a Python 2 name."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


# Calls whose result matters because it is a name or bytes again


def _resolve(machine: Machine, call: Call) -> Any:
    """What ``call`` returns, where that is a name or bytes; else the call itself."""
    resolver = _RESOLVERS.get(call.callee.path) if isinstance(call.callee, Global) else None
    args = arguments(call)
    if resolver is None or not args:
        return call
    if resolver is _encode and isinstance(args[0], Long):
        _look_into_encoded(machine, args[0])
        return call
    found = resolver(args)
    if isinstance(found, Global):
        found.offset = machine.op_at
        machine.events.append(Imported(found))
    elif isinstance(found, bytes) and looks_loadable(found):
        machine.events.append(Embedded(span_of(found), machine.op_at))
    return call if found is None else found


def _attribute(args: list[Any]) -> Any:
    target, *names = args
    if isinstance(target, Global) and names and isinstance(names[0], str):
        return Global(target.module, f"{target.name}.{names[0]}"[:MAX_NAME_CHARS], 0)
    return None


def _import(args: list[Any]) -> Any:
    return Global(args[0][:MAX_NAME_CHARS], "*", 0) if isinstance(args[0], str) else None


def _type_name(args: list[Any]) -> Any:
    if not isinstance(args[0], str):
        return None
    home = "types" if args[0].endswith("Type") else "builtins"
    return Global(home, args[0][:MAX_NAME_CHARS], 0)


def _ufunc(args: list[Any]) -> Any:
    if len(args) >= 2 and isinstance(args[0], str) and isinstance(args[1], str):  # noqa: PLR2004
        return Global(args[0][:MAX_NAME_CHARS], args[1][:MAX_NAME_CHARS], 0)
    return None


MAX_ENCODED = 64 << 20
"""Long text that protocol 2 writes for bytes is turned back up to here, to look into it."""


def _look_into_encoded(machine: Machine, text: Long) -> None:
    """Tell bytes that protocol 2 wrote as text, where they begin like something loadable."""
    head = text.head.decode("utf-8", "ignore").encode("latin-1", "replace")
    if not looks_loadable(head):
        return
    if text.size > MAX_ENCODED:
        machine.odd(f"{text.size} characters that are turned into something to load")
        return
    written = machine.span.read(text.start, text.size).decode("utf-8", "surrogatepass")
    data = written.encode("latin-1", "replace")
    machine.events.append(Embedded(span_of(data), text.start))


def _encode(args: list[Any]) -> Any:
    if len(args) > 1 and isinstance(args[0], str) and args[1] in {"latin1", "latin-1"}:
        return args[0].encode("latin-1", "replace")
    return None


_RESOLVERS: dict[str, Callable[[list[Any]], Any]] = {
    "builtins.getattr": _attribute,
    "builtins.__import__": _import,
    "importlib.import_module": _import,
    "importlib.__import__": _import,
    "dill._dill._import_module": _import,
    "dill._dill._load_type": _type_name,
    "cloudpickle.cloudpickle._builtin_type": _type_name,
    "cloudpickle.cloudpickle.subimport": _import,
    "numpy.core._ufunc_reconstruct": _ufunc,
    "numpy._core._ufunc_reconstruct": _ufunc,
    "_codecs.encode": _encode,
    "codecs.encode": _encode,
}
