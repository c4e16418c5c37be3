"""A server looks now and then whether the version that it serves was retired meanwhile.

A retirement that verifies ends the server. That the registry cannot be read, or that its
metadata has expired, does not: the model that is loaded was verified, and goes on; it is said
once, so that somebody signs anew before the next start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from hauberk.errors import HauberkError, InternalError

if TYPE_CHECKING:
    from hauberk.trust.registry.documents import Manifest
    from hauberk.trust.registry.view import View

EVERY_S = 60.0


class Recall:
    """Looks after one served version.

    Args:
        view: Gives the registry's verified state.
        manifest: What is served.
        stop: Called once when it was retired.
        say: Takes lines for people.
        every_s: Seconds between two looks.

    Attributes:
        follow: Asked before each look for what is served by then.
    """

    def __init__(
        self,
        view: Callable[[], View],
        manifest: Manifest,
        *,
        stop: Callable[[], object],
        say: Callable[[str], object],
        every_s: float = EVERY_S,
    ) -> None:
        self._view = view
        self._manifest = manifest
        self._stop = stop
        self._say = say
        self._every_s = every_s
        self._over = threading.Event()
        self._warned = False
        self.reason = ""
        self.follow: Callable[[], Manifest] | None = None

    def look(self) -> bool:
        """Look once; whether the version was retired."""
        try:
            gone = self._view().retired(self._manifest.model).of(self._manifest)
        except InternalError:
            raise
        except HauberkError as error:
            if not self._warned:
                self._say(f"ALARM: the registry cannot be believed now: {error.message}")
                self._say("  the model that is loaded goes on; the next start will be refused")
            self._warned = True
            return False
        self._warned = False
        if gone is not None:
            self.reason = gone.reason or "no reason given"
        return gone is not None

    def start(self) -> None:
        """Look from now on, in a thread that ends with the process."""
        threading.Thread(target=self._run, name="recall", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            if self.follow is not None:
                self._manifest = self.follow()
            if self.look():
                self._say(f"this version was retired: {self.reason}; the server ends")
                self._stop()
                return
