"""The subject of a scan of models, apart from all other subjects, which such a scan never meets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from hauberk.core.identity import Digest


class Hashes(Protocol):
    """Takes the digest of bytes while somebody reads them."""

    sha256: str
    """Hexadecimal; empty before all bytes were read."""

    def over(self, span: Any) -> AbstractContextManager[Any]:
        """The same span; its digest is known when the context is left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Anything with a name that can be digested.

    Attributes:
        name: What people call it: a path inside the project, a model name.
        digest: Identity of the bytes, where they have been read already.
    """

    name: str
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile(Artifact):
    """A model as bytes on disk: one file or one folder. Nothing of it is executed here.

    Attributes:
        hashing: Takes the digest of a single file while a control reads it.
    """

    path: Path
    hashing: Hashes | None = None
