"""What readers of model formats say besides remarks."""

from __future__ import annotations

from typing import NamedTuple

from hauberk.formats.archives import Trouble, TroubleKind
from hauberk.formats.pickle_judgement import Grade, Remark
from hauberk.formats.spans import Span

__all__ = ["Beside", "Grade", "Nested", "Remark", "Said", "Trouble", "evasive", "unread"]


class Nested(NamedTuple):
    """Bytes inside a format that a loader would hand to another reader.

    Attributes:
        name: What the place is called, for the path inside nested containers.
    """

    name: str
    span: Span


class Beside(NamedTuple):
    """A file beside this one that a loader would read as numbers.

    Attributes:
        name: Where it lies, from the folder of this one; an ending alone, ``.bin``, is put in
            place of this one's own.
        end: How many bytes of it are read at least.
    """

    name: str
    end: int


Said = Remark | Trouble | Nested | Beside
"""What a reader yields."""


def evasive(text: str, offset: int = 0) -> Remark:
    """A remark about what no honest writer makes."""
    return Remark(Grade.EVASIVE, text, text, offset)


def unread(reason: str, inner: tuple[str, ...] = ()) -> Trouble:
    """What could not be followed, which is never the same as harmless."""
    return Trouble(TroubleKind.UNREAD, reason, inner)
