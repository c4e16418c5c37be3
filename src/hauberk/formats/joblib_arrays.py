"""Arrays that joblib writes between the opcodes of a pickle (``joblib/numpy_pickle.py``).

After the state of a wrapper follow the padding and the bytes of its array; an array of
objects follows as a pickle of its own.
"""

from __future__ import annotations

from typing import Any

from hauberk.formats.late_patterns import late
from hauberk.formats.pickle_events import Ended
from hauberk.formats.pickle_machine import BrokenError, Machine
from hauberk.formats.pickle_values import Call, Global, Group, arguments, walk

_WRAPPER = late(r"(sklearn\.externals\.)?joblib\.numpy_pickle\.NumpyArrayWrapper")
_DTYPE = late(r"[<>|=]?([?bBhHiIlLqQefdgFDGUSVOMmcua])(\d*)")
_FIXED_SIZES = {"?": 1, "b": 1, "B": 1}


def is_array_wrapper(target: Any) -> bool:
    """Whether ``target`` stands for the wrapper that joblib puts in place of an array."""
    if not isinstance(target, Call):
        return False
    # Protocols below 2 make it by copyreg._reconstructor(class, object, None).
    made = [target.callee, *(arguments(target) or [])]
    return any(isinstance(item, Global) and _WRAPPER().fullmatch(item.path) for item in made)


def pass_array(machine: Machine, state: Any) -> None:
    """Pass over the bytes of an array, or read the pickle that object arrays are."""
    machine.passed += 1
    if machine.cursor.offset < machine.frame_end:
        machine.odd("array bytes begin inside a frame")
    machine.frame_end = 0
    dtype = state.get("dtype") if isinstance(state, Group) else None
    shape = state.get("shape") if isinstance(state, Group) else None
    if not isinstance(dtype, Call) or not isinstance(shape, Group):
        raise BrokenError("an array without type or shape")
    if _holds_objects(machine, dtype):
        _read_objects(machine)
        return
    if state.get("numpy_array_alignment_bytes") is not None:
        machine.cursor.skip(machine.cursor.byte())
    machine.cursor.skip(_count(shape) * _item_size(dtype))


def _read_objects(machine: Machine) -> None:
    inner = Machine(
        machine.span,
        machine.cursor.offset,
        handlers=machine.handlers,
        arrays=False,
        max_opcodes=machine.max_opcodes - machine.opcodes,
    )
    for event in inner.run():
        if isinstance(event, Ended):
            machine.opcodes += event.opcodes
            machine.cursor.seek(event.offset)
            if event.broken:
                raise BrokenError(event.broken)
        else:
            machine.events.append(event)


def _count(shape: Group) -> int:
    total = 1
    if shape.count != len(shape.items):
        raise BrokenError("an array with too many dimensions")
    for size in shape.items:
        if not isinstance(size, int) or size < 0:
            raise BrokenError("an array whose shape is no tuple of numbers")
        total *= size
    return total


def _type_code(dtype: Any) -> str:
    args = arguments(dtype) or [None]
    if not isinstance(args[0], str) or not _DTYPE().fullmatch(args[0]):
        raise BrokenError("an array whose type cannot be read")
    return args[0]


def _holds_objects(machine: Machine, dtype: Call) -> bool:
    inside = list(walk(dtype))
    machine.opcodes += len(inside)
    if any(item.count != len(item.items) for item in inside if isinstance(item, Group)):
        raise BrokenError("an array with more fields than are followed")
    return any("O" in _type_code(item) for item in inside if _is_dtype(item))


def _is_dtype(value: Any) -> bool:
    return (
        isinstance(value, Call)
        and isinstance(value.callee, Global)
        and value.callee.path in {"numpy.dtype", "numpy.core.multiarray.dtype"}
    )


def _item_size(dtype: Call) -> int:
    match = _DTYPE().fullmatch(_type_code(dtype))
    if match is None:
        raise BrokenError("an array whose type cannot be read")
    kind, digits = match.groups()
    if kind in _FIXED_SIZES and not digits:
        return _FIXED_SIZES[kind]
    if not digits:
        raise BrokenError("an array whose type has no size")
    return int(digits) * (4 if kind == "U" else 1)
