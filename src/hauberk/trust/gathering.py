"""How long a group commit waits for callers that are about to come back.

Callers in a loop come back right after a commit has let them go. A leader that commits at
once takes only those who came meanwhile: the callers fall into two halves that take turns,
and every sync carries half of what it could. So a leader waits until as many batches wait as
there were callers a moment ago, never longer than a commit takes. Where they do not come
back, the next commits do not wait at all.
"""

from __future__ import annotations

from threading import Event
from typing import Final

MAX_WAIT_S: Final = 0.005
_PAUSE: Final = 16  # commits that do not wait after a wait that was in vain


class Gathering:
    """What the last commits tell about the next; its owner's lock guards all but `wait`."""

    __slots__ = ("_expected", "_full", "_patience_s", "_pause")

    def __init__(self) -> None:
        self._expected = 0
        self._patience_s = 0.0
        self._pause = 0
        self._full = Event()

    def arrived(self, waiting: int) -> None:
        """A batch joined the queue, in which ``waiting`` batches are now."""
        if waiting >= self._expected:
            self._full.set()

    def begin(self, waiting: int) -> bool:
        """Whether a leader should `wait`, with ``waiting`` batches in the queue, its own too."""
        if waiting >= self._expected:
            return False
        if self._pause:
            self._pause -= 1
            return False
        self._full.clear()
        return True

    def wait(self) -> None:
        """Wait for the others, without the owner's lock."""
        if not self._full.wait(self._patience_s):
            self._pause = _PAUSE

    def committed(self, released: int, waiting: int, seconds: float) -> None:
        """A commit of ``released`` batches took so long; ``waiting`` ones came meanwhile."""
        self._expected = released + waiting
        self._patience_s = min(seconds, MAX_WAIT_S)
