"""Bytes on their way out of a registry: bounded, hashed while they stream, whole or not at all.

Whoever sends them may be anybody. So a download stops at the length that the manifest
declares, at a digest that is not the declared one, and when it becomes slower than a floor;
and a folder appears under its name only when every file in it is the released one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.core.artifact import Digest
from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.trust.durable import explained
from hauberk.trust.registry.documents import HeldFile, Manifest

if TYPE_CHECKING:
    from hauberk.core.ports import Blobs

MAX_ENVELOPE_BYTES = 32 << 20
MIN_BYTES_PER_S = 4096  # a gigabyte takes three days then; a drip of bytes is cut off
GRACE_S = 30.0
_BUNDLE = "hauberk/bundle/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slow a download may be.

    Attributes:
        min_rate: Bytes per second on the average, after ``grace_s``.
        clock: Seconds, only forward.
    """

    min_rate: float = MIN_BYTES_PER_S
    grace_s: float = GRACE_S
    clock: Callable[[], float] = time.monotonic


def received(
    chunks: Iterator[bytes], held: HeldFile, name: str, pace: Pace | None = None
) -> Iterator[bytes]:
    """The chunks of a file as they come, the last only after the whole was checked.

    Raises:
        TrustError: They are longer or shorter than declared, another file, or too slow.
    """
    pace = pace or Pace()
    start, running, size, last = pace.clock(), hashlib.sha256(), 0, b""
    for chunk in chunks:
        size += len(chunk)
        if size > held.size:
            raise _wrong("is longer than was declared", name, f"{held.size} bytes", "more")
        _check_pace(pace, name, size, pace.clock() - start)
        running.update(chunk)
        if last:
            yield last
        last = chunk
    found = f"sha256:{running.hexdigest()}"
    if size != held.size:
        raise _wrong("was cut short", name, f"{held.size} bytes", f"{size} bytes")
    if found != held.digest:
        raise _wrong("is not the released one", name, held.digest, found)
    yield last


def _check_pace(pace: Pace, name: str, size: int, elapsed_s: float) -> None:
    if elapsed_s > pace.grace_s and size < pace.min_rate * (elapsed_s - pace.grace_s):
        raise _wrong(
            "comes too slowly",
            name,
            f"{pace.min_rate:g} bytes per second on the average",
            f"{size} bytes in {elapsed_s:.0f} s",
        )


def _wrong(what: str, name: str, expected: str, found: str) -> TrustError:
    return TrustError(
        f"a file of the registry {what}",
        subject=name,
        rule="a download has the declared length and digest, and comes in finite time",
        expected=expected,
        found=found,
        hint="fetch it again from another place; find out who changed it",
    )


def envelope(blobs: Blobs, digest: Digest) -> bytes:
    """A signed envelope by digest.

    Raises:
        TrustError: It is another one, or larger than any.
        UnavailableError: It is missing.
    """
    size = blobs.size(digest)
    if size > MAX_ENVELOPE_BYTES:
        raise _wrong("is too large", digest, f"at most {MAX_ENVELOPE_BYTES} bytes", f"{size} bytes")
    held = HeldFile(digest=digest, size=size)
    return b"".join(received(blobs.open(digest), held, digest))


def served_files(manifest: Manifest) -> dict[str, HeldFile]:
    """Path to file as a version is laid out for serving: a bundle as one."""
    files = manifest.files
    if all(path.startswith(_BUNDLE) for path in files):
        return {path.removeprefix(_BUNDLE): held for path, held in files.items()}
    return dict(files)


def contents(blobs: Blobs, files: Mapping[str, HeldFile]) -> Iterator[tuple[str, bytes]]:
    """Every file of a version in memory: what is checked is what is then used."""
    for name, held in sorted(files.items()):
        yield name, b"".join(received(blobs.open(held.digest), held, name))


def fetch_folder(
    blobs: Blobs,
    files: Mapping[str, HeldFile],
    target: Path,
    *,
    extra: Mapping[str, bytes] | None = None,
    pace: Pace | None = None,
    admit: Callable[[Path], object] | None = None,
) -> None:
    """Put a version's files below ``target``, which appears whole or not at all.

    Args:
        blobs: Where they are.
        files: Path inside the folder to what it must be.
        target: A folder that is not there yet.
        extra: Further files, already verified.
        pace: How slow it may be.
        admit: Called with the whole folder before it gets its name; raises to refuse it.

    Raises:
        UsageError: ``target`` is there.
        TrustError: A file is not what the manifest says.
        UnavailableError: A file is missing, or the folder cannot be written.
    """
    if os.path.lexists(target):
        raise UsageError(
            "the target is there already",
            subject=str(target),
            expected="no such file or folder",
            found="one",
            hint="choose another, or move it away",
        )
    draft = target.parent / f".hauberk-{secrets.token_hex(8)}"
    try:
        with explained(target.parent):
            draft.mkdir(parents=True)
        for name, held in sorted(files.items()):
            _write(draft / name, received(blobs.open(held.digest), held, name, pace))
        for name, data in sorted((extra or {}).items()):
            _write(draft / name, iter([data]))
        if admit is not None:
            admit(draft)
        with explained(target):
            draft.rename(target)
    except OSError as error:
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError(
            "the folder cannot be written", subject=str(target), found=error.strerror
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
