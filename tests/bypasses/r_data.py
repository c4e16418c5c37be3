"""Objects as R writes them, put together item by item."""

from __future__ import annotations

import struct

NIL = struct.pack(">I", 254)
UNBOUND = struct.pack(">I", 252)


def header(*, version: int = 3) -> bytes:
    """The mark and the versions in front of an object."""
    encoding = struct.pack(">I", 5) + b"UTF-8" if version == 3 else b""
    return b"X\n" + struct.pack(">III", version, 0x40300, 0x30500) + encoding


def characters(value: str) -> bytes:
    return struct.pack(">II", 0x40009, len(value)) + value.encode()


def symbol(name: str) -> bytes:
    return struct.pack(">I", 1) + characters(name)


def words(value: str) -> bytes:
    return struct.pack(">II", 16, 1) + characters(value)


def numbers(*values: float) -> bytes:
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
