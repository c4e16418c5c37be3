"""A registry in a folder: bytes by name as plain files, changed only by conditional puts.

    metadata/<version>.<role>.json, metadata/timestamp.json      as any TUF client expects them
    targets/<folder>/<digest>.<file>.json                        likewise
    drafts/<role>.json                                           waiting for a second person
    blobs/<2 digits>/<64 digits>                                 weights, by digest

`Shelf` speaks the port `hauberk.core.ports.Pointers` over such files, so that a folder can be
copied, served by any web server or kept in a repository; any other implementation of that
port and of `Blobs`, such as an object store's, does as well. The tag of a file is the
digest of its content: a state that comes back has its old tag again, which is harmless here
because the files that matter are written once or carry a version that only grows.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hauberk.core.artifact import Digest
from hauberk.core.ports import Blobs, Pointer, Pointers
from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.trust.blobs import DirectoryBlobs
from hauberk.trust.digest import digest_bytes
from hauberk.trust.durable import explained, not_ours, read_small, sync_folder, write_file
from hauberk.trust.lock import turn
from hauberk.trust.pointers import check_name

MAX_BYTES = 8 << 20  # the largest metadata of a registry with 100,000 versions has 60 kB
_LOCK = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a registry is kept.

    Attributes:
        location: Its address, for people.
        files: Metadata and documents by name.
        blobs: Weights and envelopes by digest.
    """

    location: str
    files: Pointers
    blobs: Blobs


class Shelf:
    """Files below a folder, as the port for names that change by compare-and-swap.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, name: str) -> Pointer | None:
        """The content of a file with its tag.

        Raises:
            ArtifactError: It is larger than `MAX_BYTES`.
            TrustError: It, or a folder on the way to it, is a link or no regular file.
            UnavailableError: It cannot be read.
        """
        path = self._path(name)
        try:
            self._check_no_link(path)
            data = read_small(path, max_bytes=MAX_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise not_ours(str(path), "a symbolic link") from error
            raise UnavailableError(
                "a file of the registry cannot be read",
                subject=str(path),
                rule="metadata of a registry is there for everybody to read",
                expected="a readable file",
                found=error.strerror or type(error).__name__,
                hint="look at its permissions",
            ) from error
        return Pointer(value=data, tag=digest_bytes(data))

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        """Write or remove a file if it still has the content whose tag is ``expect``.

        Raises:
            TrustError: It has not; nothing was written.
            UsageError: It is too large, or the name cannot be one.
            UnavailableError: The folder cannot be written.
        """
        if value is not None and len(value) > MAX_BYTES:
            raise UsageError("too large for a file of a registry", subject=name)
        path = self._path(name)
        with self._writing():
            seen = self.get(name)
            found = seen.tag if seen else None
            if found != expect:
                raise TrustError(
                    "somebody else changed the registry first; nothing was written",
                    subject=name,
                    rule="a file changes only for whoever has seen its latest content",
                    expected=expect or "no such file",
                    found=found or "no such file",
                    hint="run the command again",
                )
            return self._write(path, value)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Names of files that begin with ``prefix``, in order."""
        top = self._root / prefix.rpartition("/")[0]
        names = (
            path.relative_to(self._root).as_posix()
            for path in top.rglob("*.json")
            if path.is_file() and not path.is_symlink()
        )
        yield from sorted(name for name in names if name.startswith(prefix))

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    def _check_no_link(self, path: Path) -> None:
        for folder in path.parents:
            if folder == self._root:
                return
            if folder.is_symlink():
                raise TrustError(
                    "a folder of the registry is a link",
                    subject=str(folder),
                    rule="a registry holds regular files and folders only",
                    expected="a folder",
                    found="a symbolic link",
                    hint="find out who put it there, and remove it",
                )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with explained(self._root):
            self._root.mkdir(mode=0o755, parents=True, exist_ok=True)
        with turn(self._root / _LOCK):
            yield

    def _write(self, path: Path, value: bytes | None) -> str | None:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._check_no_link(path)
            if value is None:
                path.unlink(missing_ok=True)
                sync_folder(path.parent)
                return None
        write_file(path, value, tmp=path.parent)
        path.chmod(0o644)
        return digest_bytes(value)


class SharedBlobs(DirectoryBlobs):
    """Blobs that other users of the machine may read: a registry is there to be read."""

    def put_all(self, items: Iterable[Iterable[bytes]]) -> tuple[Digest, ...]:
        """Store many blobs, readable by everybody; their digests in order."""
        stored = super().put_all(items)
        for digest in stored:
            path = self.path(digest)
            with explained(path):
                path.chmod(0o644)
                path.parent.chmod(0o755)
                path.parent.parent.chmod(0o755)
        return stored


def open_folder(root: Path) -> Place:
    """The registry in a folder, which need not be there yet."""
    return Place(
        location=os.fspath(root),
        files=Shelf(root),
        blobs=SharedBlobs(root / "blobs"),
    )


def open_location(location: str, environment: Mapping[str, str]) -> Place:
    """The registry in a folder, or in an object store that an address names.

    Args:
        location: A folder, or ``s3://``, ``gs://`` or ``az://`` with bucket and prefix.
        environment: ``HAUBERK_STORE_ENDPOINT`` names a server of S3 other than Amazon's.

    Raises:
        UsageError: It is no address of an object store.
        UnavailableError: The extra is missing, or the store does not honour conditional puts.
    """
    if "://" not in location:
        return open_folder(Path(location).absolute())
    from hauberk.trust.backends import BESIDE_BLOBS, VARIABLE, Backends

    backends = Backends(
        blobs=location,
        pointers=BESIDE_BLOBS,
        endpoint=environment.get(f"{VARIABLE}ENDPOINT") or None,
    )
    files, blobs = backends.open_object_pointers(), backends.open_blobs()
    assert files is not None  # noqa: S101 - an address was given
    assert blobs is not None  # noqa: S101
    return Place(location=location, files=files, blobs=blobs)
