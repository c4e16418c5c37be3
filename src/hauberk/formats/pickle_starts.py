"""Whether a pickle begins at a place: it is tried, because old protocols have no magic."""

from __future__ import annotations

import re

from hauberk.errors import LimitError
from hauberk.formats.late_patterns import late
from hauberk.formats.pickle_events import Built, Called, Ended, Imported
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import Span

_IDENTIFIER = late(r"[A-Za-z_][\w.]*")
_TRIAL_OPCODES = 200_000
_STRONG = re.compile(rb"\x80[\x04\x05]\x95|\x80[\x02\x03][}\](c\x8aX]")
_FIRST_OPCODES = re.compile(rb"[\x80(\]})IFLSVKJMGNUXTBCcipPQ\x88-\x8f\x95\x96]")


def begins_pickle(span: Span, at: int, *, is_claimed: bool) -> bool:
    """Whether a pickle begins here: it is tried, because old protocols have no magic.

    Args:
        is_claimed: Whether the file's name says so; then a damaged one counts too.
    """
    head = span.read(at, 3)
    if not _FIRST_OPCODES.match(head):
        return False
    is_binary = head[:1] == b"\x80" and head[1:2] <= b"\x05"
    if is_binary and (is_claimed or _STRONG.match(head)):
        return True
    try:
        return _trial(span, at, is_binary=is_binary)
    except LimitError:
        return True


def _trial(span: Span, at: int, *, is_binary: bool) -> bool:
    for event in read_pickle(span, at, arrays=True, max_opcodes=_TRIAL_OPCODES):
        if isinstance(event, Imported) and not _is_plausible(event):
            return False
        if isinstance(event, (Called, Built)) or (is_binary and isinstance(event, Imported)):
            return True
        if isinstance(event, Ended):
            return not event.broken
    return False


def _is_plausible(event: Imported) -> bool:
    names = (event.target.module, event.target.name)
    return all(_IDENTIFIER().fullmatch(name) for name in names)
