"""The opcodes of all pickle protocols, as CPython's unpickler obeys them, over symbols."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from hauberk.formats.joblib_arrays import is_array_wrapper, pass_array
from hauberk.formats.pickle_events import Built, Embedded, Received, looks_loadable
from hauberk.formats.pickle_machine import MAX_NAME_CHARS, BrokenError, Machine, utf8
from hauberk.formats.pickle_values import (
    Call,
    Group,
    Long,
    Opaque,
    Persistent,
    group,
    printable,
    weight_of,
)
from hauberk.formats.spans import span_of

HIGHEST_PROTOCOL = 5

MAX_KEY_WEIGHT = 10_000_000
"""Leaves that hashing one key may visit: nested tuples double with every two bytes."""

_MAX_INT_BYTES = 1 << 10
HANDLERS: dict[int, Callable[[Machine], None]] = {}


def _opcode(code: str) -> Callable[[Callable[[Machine], None]], Callable[[Machine], None]]:
    def register(handler: Callable[[Machine], None]) -> Callable[[Machine], None]:
        HANDLERS[ord(code)] = handler
        return handler

    return register


def _push(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value)


for _code, _value in (("N", None), ("\x88", True), ("\x89", False)):
    _opcode(_code)(_push(_value))


@_opcode(".")
def _stop(machine: Machine) -> None:
    machine.top()


@_opcode("(")
def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []
    machine.pass_batch()


@_opcode("0")
def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


@_opcode("1")
def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


@_opcode("2")
def _dup(machine: Machine) -> None:
    machine.stack.append(machine.top())


@_opcode("\x80")
def _proto(machine: Machine) -> None:
    machine.protocol = machine.cursor.byte()
    if machine.protocol > HIGHEST_PROTOCOL:
        raise BrokenError(f"protocol {machine.protocol} does not exist")


@_opcode("\x95")
def _frame(machine: Machine) -> None:
    (size,) = struct.unpack("<Q", machine.cursor.take(8))
    start = machine.cursor.offset
    left = machine.span.size - start
    if size > left:
        # CPython's unpickler in C stops here; the one in Python, which joblib uses, goes on.
        machine.odd(f"a frame of {size} bytes where {left} are left")
    if machine.op_at < machine.frame_end:
        machine.odd("a frame begins inside another one")
    machine.frame_end = start + min(size, left)


# Numbers


def _decimal(machine: Machine, base: int = 0) -> int | Opaque:
    line = machine.cursor.line()
    if isinstance(line, Long):
        return Opaque("integer")
    # CPython reads numbers as C strings: a NUL ends them, a leading zero may mean octal.
    digits = line.partition(b"\0")[0].strip().removesuffix(b"L")
    octal = digits.lstrip(b"+-")[:1] == b"0" and digits.lstrip(b"+-").isdigit()
    try:
        return int(digits, 8 if octal and base == 0 else base)
    except ValueError as error:
        raise BrokenError("a number cannot be read") from error


@_opcode("I")
@_opcode("L")
def _int(machine: Machine) -> None:
    at = machine.cursor.offset
    value = _decimal(machine)
    is_bool = machine.span.read(at, 3) in {b"00\n", b"01\n"}
    machine.stack.append(bool(value) if is_bool else value)


@_opcode("F")
def _float(machine: Machine) -> None:
    line = machine.cursor.line()
    try:
        digits = line.partition(b"\0")[0] if isinstance(line, bytes) else b"nan"
        machine.stack.append(float(digits))
    except ValueError as error:
        raise BrokenError("a number cannot be read") from error


def _packed(layout: str, machine: Machine) -> None:
    size = struct.calcsize(layout)
    machine.stack.append(struct.unpack(layout, machine.cursor.take(size))[0])


for _code, _layout in (("J", "<i"), ("K", "<B"), ("M", "<H"), ("G", ">d")):
    _opcode(_code)(partial(_packed, _layout))


def _sized(layout: str, machine: Machine) -> int:
    size: int = struct.unpack(layout, machine.cursor.take(struct.calcsize(layout)))[0]
    if size < 0:
        raise BrokenError("a length is negative")
    return size


def _long(layout: str, machine: Machine) -> None:
    size = _sized(layout, machine)
    if size > _MAX_INT_BYTES:
        machine.cursor.skip(size)
        machine.stack.append(Opaque("integer"))
    else:
        data = machine.cursor.take(size)
        machine.stack.append(int.from_bytes(data, "little", signed=True))


for _code, _layout in (("\x8a", "<B"), ("\x8b", "<i")):
    _opcode(_code)(partial(_long, _layout))


# Text and bytes


def _counted(layout: str, text: bool, machine: Machine) -> None:  # noqa: FBT001 - bound below
    machine.constant(_sized(layout, machine), text=text)


for _code, _layout, _is_text in (
    ("X", "<I", True),
    ("\x8c", "<B", True),
    ("\x8d", "<Q", True),
    ("B", "<I", False),
    ("C", "<B", False),
    ("\x8e", "<Q", False),
    ("\x96", "<Q", False),
):
    _opcode(_code)(partial(_counted, _layout, _is_text))


def _native(layout: str, machine: Machine) -> None:
    """Python 2 strings: text for names, bytes for whoever loads with another encoding."""
    machine.constant(_sized(layout, machine), text=False)
    if isinstance(machine.stack[-1], bytes):
        machine.stack[-1] = machine.stack[-1].decode("latin-1")


for _code, _layout in (("T", "<i"), ("U", "<B")):
    _opcode(_code)(partial(_native, _layout))


@_opcode("S")
def _string(machine: Machine) -> None:
    line = machine.cursor.line()
    if isinstance(line, Long):
        machine.stack.append(line)
        return
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"\"'":  # noqa: PLR2004
        raise BrokenError("a string has no quotes")
    try:
        data, _ = codecs.escape_decode(line[1:-1])
    except ValueError as error:
        raise BrokenError("a string has a broken escape") from error
    if looks_loadable(data):
        machine.events.append(Embedded(span_of(data), machine.op_at))
    machine.stack.append(data.decode("latin-1"))


@_opcode("V")
def _unicode(machine: Machine) -> None:
    line = machine.cursor.line()
    try:
        text = line if isinstance(line, Long) else line.decode("raw_unicode_escape")
    except UnicodeDecodeError as error:
        raise BrokenError("text has a broken escape") from error
    machine.stack.append(text)


# Containers


def _empty(kind: str, machine: Machine) -> None:
    machine.stack.append(Group(kind))


def _marked(kind: str, machine: Machine) -> None:
    items = machine.pop_mark()
    if kind == "dict" and len(items) % 2:
        raise BrokenError("a dictionary has a key without a value")
    made = group(kind, items)
    if kind in {"dict", "frozenset"}:
        _check_keys(machine, items[::2] if kind == "dict" else items)
    machine.stack.append(made)


def _tuple_of(n: int, machine: Machine) -> None:
    items = [machine.pop() for _ in range(n)]
    machine.stack.append(group("tuple", items[::-1]))


for _code, _kind in ((")", "tuple"), ("]", "list"), ("}", "dict"), ("\x8f", "set")):
    _opcode(_code)(partial(_empty, _kind))
for _code, _kind in (("t", "tuple"), ("l", "list"), ("d", "dict"), ("\x91", "frozenset")):
    _opcode(_code)(partial(_marked, _kind))
for _code, _n in (("\x85", 1), ("\x86", 2), ("\x87", 3)):
    _opcode(_code)(partial(_tuple_of, _n))


def _check_keys(machine: Machine, keys: list[Any]) -> None:
    heaviest = max(map(weight_of, keys), default=0)
    if heaviest > MAX_KEY_WEIGHT:
        machine.odd(f"hashing one key would visit {heaviest} values")


def _receive(machine: Machine, opcode: str, items: list[Any]) -> None:
    target = machine.top()
    if opcode == "SETITEMS" and len(items) % 2:
        raise BrokenError("a dictionary has a key without a value")
    if opcode != "APPENDS":
        _check_keys(machine, items[:: 2 if opcode == "SETITEMS" else 1])
    if isinstance(target, Group):
        target.extend(items)
        if _KIND_FOR[opcode] != target.kind:
            raise BrokenError(f"{opcode} on a {target.kind}")
        return
    if isinstance(target, Call):
        target.received.add(opcode)
        target.held = target.held or Group(_KIND_FOR[opcode])
        target.held.extend(items)
    machine.events.append(Received(target, opcode, machine.op_at))


_KIND_FOR = {"APPENDS": "list", "SETITEMS": "dict", "ADDITEMS": "set"}


def _receive_marked(opcode: str, machine: Machine) -> None:
    items = machine.pop_mark()
    _receive(machine, opcode, items)


for _code, _name in (("e", "APPENDS"), ("u", "SETITEMS"), ("\x90", "ADDITEMS")):
    _opcode(_code)(partial(_receive_marked, _name))


@_opcode("a")
def _append(machine: Machine) -> None:
    item = machine.pop()
    _receive(machine, "APPENDS", [item])


@_opcode("s")
def _setitem(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _receive(machine, "SETITEMS", [key, value])


# Memo


def _number_line(machine: Machine) -> int:
    value = _decimal(machine, base=10)
    if not isinstance(value, int):
        raise BrokenError("a memo slot is no number")
    return value


@_opcode("p")
def _put(machine: Machine) -> None:
    key = _number_line(machine)
    if key < 0:
        raise BrokenError("a memo slot is negative")
    machine.put(key)


@_opcode("g")
def _get(machine: Machine) -> None:
    machine.get(_number_line(machine))


@_opcode("\x94")
def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _binput(layout: str, machine: Machine) -> None:
    machine.put(_sized(layout, machine))


def _binget(layout: str, machine: Machine) -> None:
    machine.get(_sized(layout, machine))


for _code, _layout in (("q", "<B"), ("r", "<I")):
    _opcode(_code)(partial(_binput, _layout))
for _code, _layout in (("h", "<B"), ("j", "<I")):
    _opcode(_code)(partial(_binget, _layout))


# Imports, calls, states


def _name_line(machine: Machine) -> str:
    line = machine.cursor.line()
    if isinstance(line, Long):
        machine.odd(f"a name of {line.size} characters")
        return line.head[:MAX_NAME_CHARS].decode("utf-8", "replace")
    return utf8(line)


@_opcode("c")
def _global(machine: Machine) -> None:
    module = _name_line(machine)
    machine.stack.append(machine.find(module, _name_line(machine)))


@_opcode("\x93")
def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.stack.append(machine.find(module, name))


@_opcode("i")
def _inst(machine: Machine) -> None:
    module = _name_line(machine)
    name = _name_line(machine)
    target = machine.find(module, name)  # before the mark, as the unpickler in Python does it
    machine.call("INST", target, group("tuple", machine.pop_mark()))


@_opcode("o")
def _obj(machine: Machine) -> None:
    items = machine.pop_mark()
    if not items:
        raise BrokenError("OBJ without a class")
    machine.call("OBJ", items[0], group("tuple", items[1:]))


@_opcode("R")
def _reduce(machine: Machine) -> None:
    args, callee = machine.pop(), machine.pop()
    machine.call("REDUCE", callee, args)


@_opcode("\x81")
def _newobj(machine: Machine) -> None:
    args, callee = machine.pop(), machine.pop()
    machine.call("NEWOBJ", callee, args)


@_opcode("\x92")
def _newobj_ex(machine: Machine) -> None:
    kwargs, args, callee = machine.pop(), machine.pop(), machine.pop()
    machine.call("NEWOBJ_EX", callee, args, kwargs)


@_opcode("b")
def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    if isinstance(target, Call):
        target.states.append(state)
    if isinstance(state, Group):
        machine.opcodes += len(state.items) // 4
        machine.charge(state)
    machine.events.append(Built(target, state, machine.op_at))
    if machine.arrays and is_array_wrapper(target):
        pass_array(machine, state)


def _extension(layout: str, machine: Machine) -> None:
    code = _sized(layout, machine)
    machine.odd(f"extension code {code} stands for a name that only the loading machine knows")
    machine.stack.append(Opaque("extension"))


for _code, _layout in (("\x82", "<B"), ("\x83", "<H"), ("\x84", "<i")):
    _opcode(_code)(partial(_extension, _layout))


@_opcode("P")
def _persid(machine: Machine) -> None:
    line = machine.cursor.line()
    name = line if isinstance(line, Long) else printable(line.decode("latin-1"))
    machine.stack.append(Persistent(name, machine.op_at))


@_opcode("Q")
def _binpersid(machine: Machine) -> None:
    name = machine.pop()
    kept = name.items if isinstance(name, Group) and name.kind == "tuple" else []
    if len(kept) > 1 and kept[0] == "module":
        # torch before 1.6 writes classes with their source: its loader gives the class back.
        machine.stack.append(kept[1])
    else:
        machine.stack.append(Persistent(name, machine.op_at))


@_opcode("\x97")
def _next_buffer(machine: Machine) -> None:
    machine.odd("a buffer is expected from outside of the file")
    machine.stack.append(Opaque("buffer"))


@_opcode("\x98")
def _readonly_buffer(machine: Machine) -> None:
    machine.top()
