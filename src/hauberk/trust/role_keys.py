"""The keys of a role as a root of trust names them, with their ends.

A key may have an end. After it the key counts for nothing, whatever a statement says of when it
was made: its writer says that, and a key is given an end because its holder may not be believed
for ever. Whoever owns the root may give it a later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from hauberk.errors import TrustError
from hauberk.trust.fields import time_text
from hauberk.trust.keys import KeyId, Label, PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A key with the label it was pinned under.

    Attributes:
        ends: When it counts no longer, in seconds since the epoch; ``None`` for no end.
    """

    public: PublicKey
    label: Label
    ends: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleKeys:
    """The keys of one role.

    Attributes:
        threshold: How many of them must have signed, at least 1.
        keys: Those in force.
        ended: Those whose end has passed: they count for nothing, whatever a statement says
            of when it was made, because its writer says that.
    """

    threshold: int
    keys: tuple[TrustedKey, ...]
    ended: tuple[TrustedKey, ...] = ()

    def at(self, now: float) -> RoleKeys:
        """The same keys, divided by whether their end has passed."""
        every = (*self.keys, *self.ended)
        ended = tuple(key for key in every if key.ends is not None and key.ends <= now)
        return replace(self, keys=tuple(key for key in every if key not in ended), ended=ended)

    def by_id(self) -> dict[KeyId, PublicKey]:
        """Key id to key."""
        return {key.public.key_id: key.public for key in self.keys}


def ended_text(held: RoleKeys) -> str:
    """Which keys of a role ended, and when."""
    return ", ".join(
        f"{key.public.key_id[:16]} ended {time_text(key.ends)}"
        for key in held.ended
        if key.ends is not None
    )


@contextmanager
def telling_ended(held: RoleKeys) -> Iterator[None]:
    """Name the keys that ended in a refusal for too few signatures.

    Raises:
        TrustError: As it came, with them.
    """
    try:
        yield
    except TrustError as error:
        if held.ended:
            error.found = f"{error.found}; {ended_text(held)}"
        raise
