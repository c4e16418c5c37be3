"""Writing pickles opcode by opcode, which ``pickle`` itself would not write.

Attacks build payloads with it and tests build malformed files; nothing here runs them.
"""

from __future__ import annotations

import struct


def text(value: str) -> bytes:
    """``BINUNICODE`` of a text."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def blob(value: bytes) -> bytes:
    """``BINBYTES`` of bytes."""
    return b"B" + struct.pack("<I", len(value)) + value


def name(path: str) -> bytes:
    """``GLOBAL`` of a dotted path, divided at the last dot."""
    module, _, attribute = path.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def dotted(module: str, attribute: str) -> bytes:
    """``STACK_GLOBAL`` of a module and an attribute that may hold dots."""
    return text(module) + text(attribute) + b"\x93"


def array(*items: bytes) -> bytes:
    """``LIST`` of items."""
    return b"(" + b"".join(items) + b"l"


def call(callee: bytes, *args: bytes) -> bytes:
    """``REDUCE`` of a callee and its arguments."""
    return callee + b"(" + b"".join(args) + b"tR"


def method(target: bytes, attribute: str, *args: bytes) -> bytes:
    """A call of what ``getattr`` finds on a value."""
    return call(call(name("builtins.getattr"), target, text(attribute)), *args)


def whole(body: bytes, protocol: int = 4) -> bytes:
    """A pickle around the opcodes that build its result."""
    return bytes([0x80, protocol]) + body + b"."
