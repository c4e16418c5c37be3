"""Ports: the narrow interfaces to storage, client state and workers.

Each port has an in-memory implementation beside its real ones and one conformance suite
in ``tests/worlds`` that all of them pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest

T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Blobs(Protocol):
    """Immutable bytes by digest."""

    def put(self, chunks: Iterable[bytes]) -> Digest:
        """Store bytes under their SHA-256 and return it; durable and whole when it returns."""
        ...

    def has(self, digest: Digest) -> bool:
        """Whether the bytes are there; says nothing of their being intact."""
        ...

    def open(self, digest: Digest, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream bytes; a whole read is checked against the digest before it ends.

        Raises:
            TrustError: The stored bytes have another digest.
            UnavailableError: There are no such bytes.
        """
        ...

    def size(self, digest: Digest) -> int:
        """Length in bytes."""
        ...

    def list(self) -> Iterator[Digest]:
        """All digests, in order."""
        ...

    def delete(self, digest: Digest) -> None:
        """Forget bytes; nothing happens where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Pointer:
    """A mutable name's value with the tag that a swap must present."""

    value: bytes
    tag: str


@runtime_checkable
class Pointers(Protocol):
    """A few mutable names, changed only by compare-and-swap."""

    def get(self, name: str) -> Pointer | None:
        """The current value, or ``None``."""
        ...

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        """Set ``name`` to ``value`` (``None`` removes it) if its tag is still ``expect``.

        ``expect=None`` means that the name must not exist yet. Durable when it returns.

        Returns:
            The new tag, or ``None`` where the name was removed.

        Raises:
            TrustError: Somebody else changed the name first; nothing was written.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """All names that begin with ``prefix``, in order."""
        ...


@runtime_checkable
class ClientState(Protocol):
    """Bounded memory per principal for exchange controls."""

    def update(
        self, principal: str, key: str, change: Callable[[bytes | None], bytes | None]
    ) -> bytes | None:
        """Replace the value by ``change(old)`` as one atomic step and return the new value."""
        ...

    def get(self, principal: str, key: str) -> bytes | None:
        """The value, or ``None`` where there is none or it was evicted."""
        ...


@runtime_checkable
class Executor(Protocol):
    """Runs a function over shards; results come back in the order of the shards."""

    def map(self, task: Callable[[T], bytes], shards: Sequence[T]) -> Iterator[bytes]:
        """Yield ``task(shard)`` for each shard. Results are bytes, never pickles."""
        ...
