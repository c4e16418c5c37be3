"""A bounded reader of pickles that follows what loading would do, and does none of it.

The reader steps through the opcodes of all protocols with the stack, the marks and the
memo that CPython's unpickler keeps (``Modules/_pickle.c``), over symbols instead of
objects, and tells in order what loading would do: which names it would import, what it
would call with which arguments, whose state it would set. Where CPython would stop with an
error, the reader stops too; everything told until then would have happened by then. CPython
has two unpicklers, and joblib uses the more lenient one in Python (``Lib/pickle.py``): where
only one of them stops, the reader goes on.

Rules that matter for safety:

* Every opcode is honoured under every declared protocol, as CPython does it.
* What cannot be followed (extension codes, names computed while loading, out-of-band
  buffers) is told as an `Oddity`, never skipped in silence.
* Bytes that look like something a loader would read are told as `Embedded`.
* joblib puts the bytes of arrays between the opcodes; ``arrays=True`` follows that layout,
  otherwise those bytes are opcodes, as they are for ``pickle.load``.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.formats.pickle_events import PickleEvent
from hauberk.formats.pickle_machine import Machine
from hauberk.formats.pickle_opcodes import HANDLERS
from hauberk.formats.spans import Span

MAX_OPCODES = 20_000_000
"""More are not followed: about half a minute of work. A million tokens need three million."""


def read_pickle(
    span: Span, start: int = 0, *, arrays: bool = False, max_opcodes: int = MAX_OPCODES
) -> Iterator[PickleEvent]:
    """What loading the pickle at ``start`` would do, in order; the last event is `Ended`.

    Args:
        span: Bytes of a stranger.
        start: Where the pickle begins.
        arrays: Follow joblib's layout, with array bytes between the opcodes.
        max_opcodes: Work that may be spent.

    Raises:
        LimitError: The pickle has more opcodes than that.
    """
    machine = Machine(span, start, handlers=HANDLERS, arrays=arrays, max_opcodes=max_opcodes)
    return machine.run()
