"""What loading a pickle would do, told one event at a time.

Events are named tuples: they are many, and every scan pays for making their classes.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hauberk.formats.pickle_values import Call, Global
from hauberk.formats.spans import Span


class Imported(NamedTuple):
    """Loading would import this name."""

    target: Global


class Called(NamedTuple):
    """Loading would make this call, with the arguments as they are now."""

    call: Call


class Built(NamedTuple):
    """Loading would set the state of ``target``."""

    target: Any
    state: Any
    offset: int


class Received(NamedTuple):
    """Loading would put items into ``target``, by its own methods where it is no container."""

    target: Any
    opcode: str
    offset: int


class Oddity(NamedTuple):
    """Something that no honest writer makes."""

    reason: str
    offset: int


class Embedded(NamedTuple):
    """A constant that looks like something a loader reads.

    Attributes:
        is_text: Whether it is text, which no loader takes without turning it into bytes first.
    """

    span: Span
    offset: int
    is_text: bool = False


class Ended(NamedTuple):
    """The end of one pickle.

    Attributes:
        offset: First byte after it, or where it broke.
        broken: Why loading stops there with an error; empty after a ``STOP``.
        result: What loading would return.
        arrays: Arrays between the opcodes that were passed over.
    """

    offset: int
    protocol: int
    opcodes: int
    broken: str = ""
    result: Any = None
    arrays: int = 0


PickleEvent = Imported | Called | Built | Received | Oddity | Embedded | Ended


_FIRST_TEXT_OPCODE = re.compile(rb"[(\]})IFLSVKJMGNUXTcip]")
_TEXT_IMPORT = re.compile(rb"[ci][A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n")
_MAGIC = re.compile(
    rb"\x80[\x00-\x05]|PK\x03\x04|\x1f\x8b\x08|BZh[1-9]|\xfd7zXZ\x00|\x93NUMPY|x[\x01\x5e\x9c\xda]"
)


def looks_loadable(head: bytes) -> bool:
    """Whether bytes begin like a pickle or like a container that a pickle travels in."""
    if _MAGIC.match(head):
        return True
    return bool(_FIRST_TEXT_OPCODE.match(head) and _TEXT_IMPORT.search(head[:512]))
