"""``hauberk.lock``: the sources of a project with their digests, kept under version control."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, HauberkError, UsageError
from hauberk.trust.canonical import parse_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.durable import read_small

FILE = "hauberk.lock"
VERSION = 1
MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One source: where it came from and what its bytes were."""

    uri: str
    digest: Digest
    size: int
    licence: str = ""


class Pins:
    """The pins of a project; written whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._path = root / FILE
        self._pins = _read(self._path)
        self._changed = False

    def get(self, name: str) -> Pin | None:
        """The pin of a source, or ``None`` before its first landing."""
        return self._pins.get(name)

    def put(self, name: str, pin: Pin) -> None:
        """Record what was landed."""
        if self._pins.get(name) != pin:
            self._pins[name] = pin
            self._changed = True

    def write(self) -> None:
        """Write the file if anything changed."""
        if not self._changed:
            return
        sources = {name: asdict(pin) for name, pin in sorted(self._pins.items())}
        text = json.dumps({"version": VERSION, "sources": sources}, indent=2) + "\n"
        part = self._path.with_name(f".{FILE}.{os.getpid()}")
        part.write_text(text, encoding="utf-8")
        part.replace(self._path)
        self._changed = False


def digest_of(root: Path) -> Digest | None:
    """Digest of a project's lock file as it lies there; ``None`` where none can be read.

    Nothing is raised: it is compared, and what cannot be read is not what was read.
    """
    try:
        return digest_bytes(read_small(root / FILE, max_bytes=MAX_BYTES))
    except (OSError, HauberkError):
        return None


def _read(path: Path) -> dict[str, Pin]:
    if not path.exists():
        return {}
    try:
        return _pins(parse_json(path.read_bytes(), max_bytes=MAX_BYTES, max_depth=8))
    except (ArtifactError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(
            "the lock file cannot be read",
            subject=str(path),
            expected=f"version {VERSION} with a table of sources",
            found=error.found if isinstance(error, ArtifactError) else _wrong(error),
            hint="restore it from version control; without it the next run pins what it finds",
        ) from error


def _wrong(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _pins(document: Any) -> dict[str, Pin]:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']}")
    return {
        name: Pin(
            uri=item["uri"],
            digest=Digest(item["digest"]),
            size=int(item["size"]),
            licence=item.get("licence", ""),
        )
        for name, item in document["sources"].items()
    }
