"""Blobs and pointers in an object store: S3, Google Cloud Storage or Azure, through obstore.

    <prefix>/blobs/<2 digits>/<64 digits>   immutable bytes by digest
    <prefix>/pointers/<name>                tag, newline, value; a removed name keeps its tag

Rules:

1. An object appears whole or not at all: bytes are spooled and hashed here, then sent in one
   put, whose length is compared afterwards.
2. Whoever can write to the store can remove or break an object, never replace it unseen: a
   whole read is compared with the digest in its name.
3. A pointer changes by a conditional put (``If-Match``, ``If-None-Match``). A store that does
   not honour the condition is found when it is opened, and refused.
4. Addresses come from settings, credentials only from the environment of the process.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

from hauberk.core.artifact import Digest
from hauberk.core.ports import Pointer
from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError
from hauberk.trust.blobs import absent, check_range, checked, compare, name_of
from hauberk.trust.durable import CHUNK_BYTES, Before, explained, proceed
from hauberk.trust.pointers import MAX_VALUE_BYTES, check_name, check_value, refuse_stale

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SPOOL_BYTES: Final = 8 << 20
"""Larger blobs are spooled to a temporary file while they are hashed."""

_BLOB = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{64})\Z")
_TAG = re.compile(rb"[0-9a-f]{32}\Z")
_REMOVED = b"-"
_PRESENT = b"+"


def library() -> Any:
    """The library behind this module.

    Raises:
        UnavailableError: The extra is not installed.
    """
    try:
        import obstore
    except ImportError as error:
        raise UnavailableError(
            "object stores need the extra s3",
            subject="store",
            expected="the package obstore",
            found="not installed",
            hint="pip install 'hauberk[s3]'",
        ) from error
    return obstore


@contextmanager
def answered(subject: str) -> Iterator[None]:
    """Turn errors of the object store about ``subject`` into typed ones.

    Raises:
        UnavailableError: It cannot be reached, or does not let us in.
    """
    exceptions = library().exceptions
    try:
        yield
    except (HauberkError, FileNotFoundError, exceptions.NotFoundError):
        raise
    except (
        PermissionError,
        exceptions.PermissionDeniedError,
        exceptions.UnauthenticatedError,
    ) as error:
        raise UnavailableError(
            "the object store does not let us in",
            subject=subject,
            expected="credentials in the environment that may read and write here",
            found=_first_line(error),
            hint="set the store's own variables, such as AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, and look at its policy",
        ) from error
    except (exceptions.BaseError, OSError) as error:
        raise UnavailableError(
            "the object store does not answer",
            subject=subject,
            found=_first_line(error),
            hint="look at the address in [store], at the network and at the server; "
            "nothing half-written is visible",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


class ObjectBlobs:
    """Blobs in an object store.

    Args:
        store: From obstore; its prefix is the root of everything here.
        label: Names the store in errors: its address.
        before: Hook asked before each step, for crash tests.
    """

    def __init__(self, store: ObjectStore, *, label: str, before: Before = proceed) -> None:
        self._store = store
        self._label = label
        self._before = before
        self._obstore = library()

    def put(self, chunks: Iterable[bytes]) -> Digest:
        """Store bytes; whole when it returns, invisible before.

        Raises:
            UnavailableError: The store cannot be written.
        """
        with explained("temporary folder"), tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
            digest, size = self._fill(spool, chunks)
            spool.seek(0)
            self._send(digest, size, spool)
        return digest

    def put_all(self, items: Iterable[Iterable[bytes]]) -> tuple[Digest, ...]:
        """Store many blobs; their digests in order."""
        return tuple(self.put(chunks) for chunks in items)

    def _fill(self, spool: IO[bytes], chunks: Iterable[bytes]) -> tuple[Digest, int]:
        running, size = hashlib.sha256(), 0
        for chunk in chunks:
            self._before("write")
            running.update(chunk)
            spool.write(chunk)
            size += len(chunk)
        return Digest(f"sha256:{running.hexdigest()}"), size

    def _send(self, digest: Digest, size: int, spool: IO[bytes]) -> None:
        key = _key(digest)
        with answered(f"{self._label}/{key}"):
            self._before("put")
            self._obstore.put(self._store, key, spool)
            self._before("head")
            found = self._obstore.head(self._store, key)["size"]
        if found != size:
            raise UnavailableError(
                "the object store kept another length than was sent",
                subject=f"{self._label}/{key}",
                expected=f"{size} bytes",
                found=f"{found} bytes",
                hint="look at the server's free space and health, then run again",
            )

    def has(self, digest: Digest) -> bool:
        """Whether an object of that name is there."""
        return self._found(digest) is not None

    def open(self, digest: Digest, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream bytes ``start`` to ``end``; a whole read is compared with the digest.

        Raises:
            ArtifactError: ``digest`` is not a digest.
            TrustError: The bytes are others.
            UnavailableError: There are no such bytes, or the store does not answer.
        """
        check_range(start, end)
        size = self.size(digest)
        end = size if end is None else min(end, size)
        pieces = self._pieces(digest, start, end) if start < end else iter(())
        yield from checked(pieces, digest) if (start, end) == (0, size) else pieces

    def _pieces(self, digest: Digest, start: int, end: int) -> Iterator[bytes]:
        left = end - start
        try:
            with answered(f"{self._label}/{_key(digest)}"):
                result = self._obstore.get(
                    self._store, _key(digest), options={"range": (start, end)}
                )
                for piece in result.stream(min_chunk_size=CHUNK_BYTES):
                    data = bytes(piece)[:left]
                    left -= len(data)
                    yield data
        except (FileNotFoundError, self._obstore.exceptions.NotFoundError) as error:
            raise absent(digest) from error

    def check(self, digest: Digest) -> None:
        """Read a blob through and compare it with its digest.

        Raises:
            TrustError: The stored bytes have another digest.
            UnavailableError: There are no such bytes.
        """
        running = hashlib.sha256()
        for piece in self._pieces(digest, 0, size) if (size := self.size(digest)) else ():
            running.update(piece)
        compare(digest, running.hexdigest())

    def size(self, digest: Digest) -> int:
        """Length in bytes of what is stored, intact or not."""
        found = self._found(digest)
        if found is None:
            raise absent(digest)
        return found

    def _found(self, digest: Digest) -> int | None:
        key = _key(digest)
        try:
            with answered(f"{self._label}/{key}"):
                return int(self._obstore.head(self._store, key)["size"])
        except (FileNotFoundError, self._obstore.exceptions.NotFoundError):
            return None

    def list(self) -> Iterator[Digest]:
        """All digests, in order; objects of other names are left out."""
        with answered(f"{self._label}/blobs"):
            found = [
                match.group(2)
                for page in self._obstore.list(self._store, "blobs")
                for item in page
                if (match := _BLOB.match(item["path"])) and match[2].startswith(match[1])
            ]
        return (Digest(f"sha256:{name}") for name in sorted(found))

    def delete(self, digest: Digest) -> None:
        """Forget bytes; nothing happens where there are none."""
        key = _key(digest)
        try:
            with answered(f"{self._label}/{key}"):
                self._obstore.delete(self._store, key)
        except (FileNotFoundError, self._obstore.exceptions.NotFoundError):
            return


def _key(digest: Digest) -> str:
    name = name_of(digest)
    return f"blobs/{name[:2]}/{name}"


class ObjectPointers:
    """Pointers in an object store, changed by conditional puts.

    Args:
        store: From obstore.
        label: Names the store in errors: its address.
    """

    def __init__(self, store: ObjectStore, *, label: str) -> None:
        self._store = store
        self._label = label
        self._obstore = library()

    def probe(self) -> None:
        """Find out whether the store honours conditions; a name of its own is used once.

        Raises:
            UnavailableError: It ignores them, so that two writers could overwrite each other.
        """
        name = f"probe-{secrets.token_hex(8)}"
        tag = self.swap(name, b"1", expect=None)
        try:
            held = not self._puts(name, b"2", {"mode": "create"})
            held &= not self._puts(name, b"2", {"mode": {"e_tag": f'"{secrets.token_hex(16)}"'}})
        finally:
            self._obstore.delete(self._store, f"pointers/{name}")
        if not held or tag is None:
            raise UnavailableError(
                "the object store does not honour conditional puts",
                subject=self._label,
                rule="a pointer changes only for whoever has seen its latest value",
                found="an If-None-Match or If-Match that was ignored",
                hint='keep the pointers elsewhere: [store] pointers = "postgresql://..."',
            )

    def get(self, name: str) -> Pointer | None:
        """The current value, or ``None``.

        Raises:
            ArtifactError: The object is not one of ours.
        """
        found = self._read(check_name(name))
        return None if found is None or found[1] is None else Pointer(found[1], found[0])

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        """Set or remove ``name`` if its tag is still ``expect``; durable when it returns.

        Raises:
            TrustError: Somebody else changed the name first; nothing was written.
            UnavailableError: The store cannot be written.
        """
        check_name(name)
        check_value(name, value)
        found = self._read(name)
        current = None if found is None or found[1] is None else found[0]
        refuse_stale(name, current, expect)
        if value is None and current is None:
            return None
        tag = secrets.token_hex(16)
        state = _REMOVED if value is None else _PRESENT + value
        data = tag.encode() + b"\n" + state
        mode: dict[str, Any] = {"mode": "create" if found is None else {"e_tag": found[2]}}
        if not self._puts(name, data, mode) and not self._holds(name, tag):
            refuse_stale(name, "one that was set meanwhile", expect)
        return None if value is None else tag

    def _holds(self, name: str, tag: str) -> bool:
        """Whether a put that was sent again after a lost answer had been taken the first time."""
        found = self._read(name)
        return found is not None and found[0] == tag

    def _puts(self, name: str, data: bytes, mode: dict[str, Any]) -> bool:
        """Whether the store took ``data`` under the condition."""
        exceptions = self._obstore.exceptions
        conflicts = (exceptions.AlreadyExistsError, exceptions.PreconditionError)
        with answered(f"{self._label}/pointers/{name}"):
            try:
                self._obstore.put(
                    self._store, f"pointers/{name}", data, use_multipart=False, **mode
                )
            except (*conflicts, FileNotFoundError, exceptions.NotFoundError):
                return False
        return True

    def _read(self, name: str) -> tuple[str, bytes | None, str] | None:
        """Tag, value and the store's own tag; the value is ``None`` for a removed name."""
        key = f"pointers/{name}"
        try:
            with answered(f"{self._label}/{key}"):
                result = self._obstore.get(self._store, key)
                if result.meta["size"] > MAX_VALUE_BYTES + 64:
                    raise _foreign(f"{self._label}/{key}", f"{result.meta['size']} bytes")
                data, e_tag = bytes(result.bytes()), result.meta["e_tag"]
        except (FileNotFoundError, self._obstore.exceptions.NotFoundError):
            return None
        tag, newline, state = data.partition(b"\n")
        is_removed = state == _REMOVED
        if not newline or _TAG.match(tag) is None or not (is_removed or state[:1] == _PRESENT):
            raise _foreign(f"{self._label}/{key}", "an object of something else")
        return tag.decode(), None if is_removed else state[1:], e_tag

    def list(self, prefix: str = "") -> Iterator[str]:
        """All names that begin with ``prefix``, in order."""
        with answered(f"{self._label}/pointers"):
            paths = [
                str(item["path"]).removeprefix("pointers/")
                for page in self._obstore.list(self._store, "pointers")
                for item in page
            ]
        names = sorted(path for path in paths if path.startswith(prefix))
        return (name for name in names if _is_name(name) and self.get(name) is not None)


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except HauberkError:
        return False
    return True


def _foreign(subject: str, found: str) -> ArtifactError:
    return ArtifactError(
        "a pointer holds something else than a value with its tag",
        subject=subject,
        found=found,
        hint="the object was changed by another program; restore it from a backup",
    )


__all__ = ["ObjectBlobs", "ObjectPointers", "TrustError", "answered", "library"]
