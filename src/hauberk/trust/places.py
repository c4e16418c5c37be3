"""Places where the bytes of a chain lie, to be hashed again.

A place answers with the digest that it finds for a name, or with ``None`` where it holds
nothing of that name. What it holds in a broken way (a link, a truncated blob) it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hauberk.core.artifact import Digest
from hauberk.core.ports import Blobs
from hauberk.errors import ArtifactError
from hauberk.trust.digest import digest_stream, is_folder_name
from hauberk.trust.manifest import check_path, digest_beneath, from_json, tree_beneath


class Place(Protocol):
    """Somewhere that may hold bytes of a chain."""

    @property
    def label(self) -> str:
        """Names the place in errors and reports."""
        ...

    def digest(self, name: str, expected: Digest) -> Digest | None:
        """What ``name`` is here, hashed now; ``None`` where it is not held here.

        Args:
            name: A path as statements name it; folders end with a slash.
            expected: What the chain says, for places that find bytes by digest.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPlace:
    """A work tree or release folder: bytes by path, no links followed below it."""

    root: Path
    label: str = "project folder"

    def digest(self, name: str, expected: Digest) -> Digest | None:
        """The digest of the file or folder of that path."""
        del expected
        path = name.removesuffix("/")
        try:
            check_path(path)
        except ArtifactError:
            return None  # a location, not a path: nothing of it lies here
        if not (self.root / path).is_symlink() and not (self.root / path).exists():
            return None
        if is_folder_name(name):
            return tree_beneath(self.root, path).root
        return digest_beneath(self.root, path)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPlace:
    """A content-addressed store: bytes by digest.

    A folder is held as its manifest (found by ``manifests``) with all its files.

    Attributes:
        manifests: Folder digest to the digest of the blob that spells its manifest.
    """

    blobs: Blobs
    label: str = "store"
    manifests: Callable[[Digest], Digest | None] = lambda _: None

    def digest(self, name: str, expected: Digest) -> Digest | None:
        """The expected digest, once the store has read the bytes whole against it."""
        if is_folder_name(name):
            return self._folder(expected)
        if not self.blobs.has(expected):
            return None
        self._read(expected)
        return expected

    def _folder(self, expected: Digest) -> Digest | None:
        spelt = self.manifests(expected)
        if spelt is None or not self.blobs.has(spelt):
            return None
        manifest = from_json(b"".join(self.blobs.open(spelt)))
        for entry in manifest.entries:
            self._read(entry.digest)
        return manifest.root

    def _read(self, digest: Digest) -> None:
        """Read to the end: the port promises to refuse bytes with another digest."""
        for _ in self.blobs.open(digest):
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPlace:
    """Files behind functions that open them, as `core.artifact.Chain` carries them."""

    files: Mapping[str, Callable[[], Iterable[bytes]]]
    label: str = "release"

    def digest(self, name: str, expected: Digest) -> Digest | None:
        """The digest of what the function for that name yields."""
        del expected
        return digest_stream(self.files[name]()) if name in self.files else None


def held(places: Iterable[Place], name: str, expected: Digest) -> tuple[tuple[str, Digest], ...]:
    """What every place that holds ``name`` holds there, as label and digest."""
    found = ((place.label, place.digest(name, expected)) for place in places)
    return tuple((label, digest) for label, digest in found if digest is not None)
