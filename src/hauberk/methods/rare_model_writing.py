"""Writers of formats that few people meet: just enough of each to test and attack readers with.

Core ML, PaddlePaddle, R, MATLAB and BSON, each put together from the parts that the format has.
"""

from __future__ import annotations

import struct

from hauberk.methods.model_writing import field

PROGRAM_FIELD = 502
"""Where a model of Core ML keeps a program."""


# Core ML and PaddlePaddle


def core_ml(kind: int, body: bytes) -> bytes:
    """A model of one kind, by the number of its field."""
    return field(1, 4) + field(2, field(100, field(1, "a model"))) + field(kind, body)


def core_ml_program(operation: bytes) -> bytes:
    """A program of one operation."""
    block = field(3, field(1, "CoreML7") + field(2, field(3, operation)))
    return core_ml(PROGRAM_FIELD, field(1, 1) + field(2, field(1, "main") + field(2, block)))


def paddle(*kinds: str, place: str = "", key: str = "file_path") -> bytes:
    """A program of operators, each with a place where one is given."""
    at = field(4, field(1, key) + field(2, 2) + field(5, place)) if place else b""
    operators = b"".join(field(4, field(3, kind) + at) for kind in kinds)
    return field(1, field(1, 0) + field(2, 0) + operators) + field(4, field(1, 2_006_000))


# MATLAB and BSON


def element(kind: int, data: bytes) -> bytes:
    """One element of a MATLAB file."""
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, *inner: bytes) -> bytes:
    """An array of a class, with what it holds."""
    flags = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", 1, 1))
    return element(14, flags + struct.pack("<HH4s", 1, 1, b"m") + b"".join(inner))


def mat(*variables: bytes) -> bytes:
    """A MATLAB file of version 5."""
    return (
        b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + b"".join(variables)
    )


def bson(**values: object) -> bytes:
    """A document of texts, lists and documents."""
    out = b""
    for key, value in values.items():
        name = key.encode() + b"\0"
        if isinstance(value, str):
            data = value.encode() + b"\0"
            out += b"\x02" + name + struct.pack("<i", len(data)) + data
        elif isinstance(value, list):
            out += b"\x04" + name + bson(**{str(at): item for at, item in enumerate(value)})
        elif isinstance(value, dict):
            out += b"\x03" + name + bson(**value)
    return struct.pack("<i", len(out) + 5) + out + b"\0"


# R

NIL = struct.pack(">I", 254)
UNBOUND = struct.pack(">I", 252)


def header(*, version: int = 3) -> bytes:
    """The mark and the versions in front of an object."""
    encoding = struct.pack(">I", 5) + b"UTF-8" if version > 2 else b""  # noqa: PLR2004 - version 3 names it
    return b"X\n" + struct.pack(">III", version, 0x40300, 0x30500) + encoding


def characters(value: str) -> bytes:
    """The text of a name or a value."""
    return struct.pack(">II", 0x40009, len(value)) + value.encode()


def symbol(name: str) -> bytes:
    """A name."""
    return struct.pack(">I", 1) + characters(name)


def words(value: str) -> bytes:
    """A vector of one text."""
    return struct.pack(">II", 16, 1) + characters(value)


def numbers(*values: float) -> bytes:
    """A vector of numbers."""
    return struct.pack(f">II{len(values)}d", 14, len(values), *values)


def items(*held: bytes) -> bytes:
    """A list."""
    return struct.pack(">II", 19, len(held)) + b"".join(held)


def call(name: str, *arguments: bytes) -> bytes:
    """A call that nobody has made yet."""
    rest = b"".join(struct.pack(">I", 2) + argument for argument in arguments)
    return struct.pack(">I", 6) + symbol(name) + rest + NIL


def promise(expression: bytes, value: bytes = UNBOUND) -> bytes:
    """An expression that is evaluated when its value is asked for, unless there is one."""
    return struct.pack(">I", 5) + value + expression


def pairs(name: str, value: bytes) -> bytes:
    """A list of one named value, as a file of variables has it."""
    return struct.pack(">I", 0x402) + symbol(name) + value + NIL
