"""What a pickle would build, as symbols: nothing of it exists, nothing of it can act.

Numbers, booleans, ``None`` and short text stand for themselves; everything else is one of
the types here. Containers keep the first `KEPT_ITEMS` of their items and count the rest,
so that a symbol is small however large the pickle is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

KEPT_ITEMS = 1024
"""Items of a container that are kept. Argument lists of honest pickles are shorter."""

KEPT_BYTES = 1 << 12
"""Text and bytes up to this length are kept whole; of longer ones only the head is."""

MAX_WEIGHT = 1 << 62
"""Where the count of a structure's expanded leaves stops growing."""


class Global:
    """A name that the pickle asks the interpreter to import.

    Attributes:
        name: As written; dotted where the pickle walks attributes.
        offset: Of the opcode that asks for it.
        mapped: Whether Python 2 names were translated, as the interpreter does it.
    """

    __slots__ = ("mapped", "module", "name", "offset")

    def __init__(self, module: str, name: str, offset: int, *, mapped: bool = False) -> None:
        self.module = module
        self.name = name
        self.offset = offset
        self.mapped = mapped

    @property
    def path(self) -> str:
        """``module.name`` for readers."""
        return f"{self.module}.{self.name}"


class Call:
    """A call that loading would make, and at the same time its result.

    Attributes:
        opcode: ``REDUCE``, ``INST``, ``OBJ``, ``NEWOBJ`` or ``NEWOBJ_EX``.
        callee: What is called: a `Global` in every honest pickle.
        args: A `Group` of kind ``tuple`` in every honest pickle.
        states: What ``BUILD`` hands to the result afterwards.
        received: Opcodes that put items into the result afterwards.
        held: Those items.
    """

    __slots__ = ("args", "callee", "held", "kwargs", "offset", "opcode", "received", "states")

    def __init__(
        self, opcode: str, callee: Any, args: Any, offset: int, kwargs: Any = None
    ) -> None:
        self.opcode = opcode
        self.callee = callee
        self.args = args
        self.offset = offset
        self.kwargs = kwargs
        self.states: list[Any] = []
        self.received: set[str] = set()
        self.held: Group | None = None


class Persistent:
    """An object that the loader fetches by a name of its own, such as a tensor's storage."""

    __slots__ = ("name", "offset")

    def __init__(self, name: Any, offset: int) -> None:
        self.name = name
        self.offset = offset


class Long:
    """Text or bytes too long to keep.

    Attributes:
        start: Of the content, in the span that was read.
        text: Whether it is text.
    """

    __slots__ = ("head", "size", "start", "text")

    def __init__(self, start: int, size: int, head: bytes, *, text: bool = False) -> None:
        self.start = start
        self.size = size
        self.head = head
        self.text = text


class Opaque:
    """A value that this reader does not follow: an out-of-band buffer, an extension code."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Group:
    """A container.

    Attributes:
        kind: ``tuple``, ``list``, ``dict``, ``set`` or ``frozenset``.
        items: The first items; for a dictionary keys and values in turn.
        count: All items, kept or not.
        weight: Leaves when expanded, at most `MAX_WEIGHT`: hashing a tuple costs that much.
    """

    __slots__ = ("count", "items", "kind", "weight")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: list[Any] = []
        self.count = 0
        self.weight = 1

    def extend(self, values: list[Any]) -> None:
        """Take in further items."""
        room = KEPT_ITEMS - len(self.items)
        if room > 0:
            self.items.extend(values[:room])
        self.count += len(values)
        self.weight = min(MAX_WEIGHT, self.weight + sum(map(weight_of, values)))

    def get(self, key: str) -> Any:
        """The last value kept under ``key`` in a dictionary, or ``None``."""
        pairs = zip(self.items[::2], self.items[1::2], strict=False)
        found = [value for name, value in pairs if isinstance(name, str) and name == key]
        return found[-1] if found else None


def weight_of(value: Any) -> int:
    """Leaves of ``value`` when expanded."""
    return value.weight if isinstance(value, Group) else 1


def group(kind: str, values: list[Any]) -> Group:
    """A container with its first items."""
    made = Group(kind)
    made.extend(values)
    return made


def arguments(call: Call) -> list[Any] | None:
    """Positional arguments that are known by their number and kept whole, else ``None``."""
    args = call.args
    if not isinstance(args, Group) or args.kind != "tuple" or args.count != len(args.items):
        return None
    return args.items


def walk(value: Any, limit: int = 10_000) -> Iterator[Any]:
    """Every symbol inside ``value`` once, itself first, at most ``limit`` of them."""
    seen: set[int] = set()
    waiting = [value]
    while waiting and len(seen) < limit:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        waiting.extend(reversed(_inside(item)))


def _inside(item: Any) -> list[Any]:
    if isinstance(item, Group):
        return item.items
    if isinstance(item, Call):
        return [item.callee, item.args, item.kwargs, item.held, *item.states]
    return [item.name] if isinstance(item, Persistent) else []


# Describing -----------------------------------------------------------------------------


def describe(value: Any, limit: int = 200) -> str:
    """``value`` as a reader would write it, at most ``limit`` characters, one line.

    Text comes from the attacker: it is escaped, so that it can neither break the line nor
    steer a terminal.
    """
    text = "".join(_pieces(value, depth=0, budget=[limit * 2]))
    return text if len(text) <= limit else text[: limit - 1] + "…"


_BRACKETS = {
    "tuple": ("(", ")"),
    "list": ("[", "]"),
    "dict": ("{", "}"),
    "set": ("{", "}"),
    "frozenset": ("frozenset({", "})"),
}
_MAX_DEPTH = 8


def _pieces(value: Any, *, depth: int, budget: list[int]) -> Iterator[str]:
    if depth > _MAX_DEPTH or budget[0] <= 0:
        yield "…"
        return
    if isinstance(value, Group):
        yield from _group_pieces(value, depth=depth, budget=budget)
    elif isinstance(value, Call):
        yield from _pieces(value.callee, depth=depth + 1, budget=budget)
        yield from _pieces(value.args, depth=depth + 1, budget=budget)
    else:
        text = _leaf(value)
        budget[0] -= len(text)
        yield text


def _group_pieces(value: Group, *, depth: int, budget: list[int]) -> Iterator[str]:
    opening, closing = _BRACKETS[value.kind]
    yield opening
    for position, item in enumerate(value.items):
        budget[0] -= 2
        if budget[0] <= 0:
            yield "…"
            break
        yield (": " if value.kind == "dict" and position % 2 else ", ") if position else ""
        yield from _pieces(item, depth=depth + 1, budget=budget)
    yield ",…" if value.count > len(value.items) else ""
    yield closing


def _leaf(value: Any) -> str:
    match value:
        case Global():
            return printable(value.path)
        case Long():
            return f"<{value.size} {'characters' if value.text else 'bytes'}>"
        case Opaque():
            return f"<{value.kind}>"
        case Persistent():
            return "<persistent object>"
    return _constant(value)


def _constant(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 64:
        return f"<integer of {value.bit_length()} bits>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return ascii(value[:KEPT_BYTES]) if isinstance(value, (str, bytes)) else repr(value)


def printable(text: str, limit: int = 120) -> str:
    """Text from a stranger on one line, without control characters, at most ``limit`` long."""
    shown = text.encode("unicode_escape", "backslashreplace").decode("ascii")
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
