"""A server takes over the version that its channel comes to point at.

The new version is verified and loaded beside the old one, and answers from the next request on;
requests that run end with the version that they began with. What does not verify or load is
refused aloud, once, and the old version goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hauberk.errors import HauberkError, InternalError

if TYPE_CHECKING:
    from hauberk.guard.bundle import Bundle
    from hauberk.trust.registry.documents import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the channel points at.

    Attributes:
        load: Fetches and verifies its bundle.
    """

    manifest: Manifest
    load: Callable[[], Bundle]


class Follower:
    """Looks where the channel points.

    Args:
        current: What is served.
        look_up: Resolves the channel, verified.
        take: Lets a bundle take over; raises where it does not load.
        refused: Called for each version that is not taken.
        say: Takes lines for people.
    """

    def __init__(
        self,
        current: Manifest,
        *,
        look_up: Callable[[], Offer],
        take: Callable[[Bundle], None],
        refused: Callable[[], object],
        say: Callable[[str], object],
    ) -> None:
        self._current = current
        self._look_up = look_up
        self._take = take
        self._refused = refused
        self._say = say
        self._seen = current

    def look(self) -> Manifest:
        """Look once; what is served now."""
        try:
            offer = self._look_up()
        except InternalError:
            raise
        except HauberkError:
            return self._current  # `Recall` says so
        if offer.manifest != self._seen:
            self._seen = offer.manifest
            self._try(offer)
        return self._current

    def _try(self, offer: Offer) -> None:
        version = offer.manifest.version
        try:
            self._take(offer.load())
        except InternalError:
            raise
        except HauberkError as error:
            self._refused()
            self._say(f"ALARM: version {version} is not taken: {error.message}")
            for name, value in error.details():
                self._say(f"  {name}: {value}")
            self._say(f"  version {self._current.version} goes on")
            return
        self._current = offer.manifest
        self._say(f"version {version} took over")
