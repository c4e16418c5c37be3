"""What this user has seen signed of a log: later it is there still, head and records.

The heads lie beside the records, so whoever can write there can drop them and rewrite what
they covered. This memory lies in the user's configuration. It is kept by the place of the log:
copies in other places are other logs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hauberk.errors import TrustError, UnavailableError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.durable import explained, read_small
from hauberk.trust.fields import Fields
from hauberk.trust.private_files import is_there, make_folder, write

_MAX_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class SeenLog:
    """The newest signed head that was seen of one log.

    Attributes:
        path: Where the memory lies.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, log: Path) -> SeenLog:
        """The memory, in ``folder``, of the log at ``log``."""
        place = hashlib.sha256(str(log.resolve()).encode()).hexdigest()[:16]
        return cls(folder / f"log-{place}.json")

    def check(self, signed: int, root_at: Callable[[int], bytes]) -> None:
        """Refuse a log that forgot what it showed.

        Args:
            signed: Records under its newest signed head now.
            root_at: The root over its first records, by their number.

        Raises:
            TrustError: It is shorter than a head that was seen, or has another root there.
            ArtifactError: The memory is damaged.
        """
        if not is_there(self.path):
            return
        with explained(self.path):
            said = parse_json(read_small(self.path, max_bytes=_MAX_BYTES), max_depth=2)
        fields = Fields.of(said, "seen log").only("root", "size")
        size, root = fields.count("size"), fields.text("root")
        if size > signed:
            raise self._forgot(size, f"a signed head at {signed}")
        if root_at(size).hex() != root:
            raise self._forgot(size, "other records under it")

    def _forgot(self, size: int, found: str) -> TrustError:
        return TrustError(
            "the log no longer holds what was seen of it",
            subject="log",
            rule="a log only grows, and its signed heads stay",
            expected=f"the signed head at {size} that was verified here before",
            found=found,
            hint="heads or records were removed or rewritten: restore them from a backup; if the "
            f"log was begun anew, remove {self.path}",
        )

    def remember(self, size: int, root: bytes) -> None:
        """Keep a signed head for later, where the configuration can be written."""
        with suppress(UnavailableError):
            make_folder(self.path.parent)
            write(self.path, canonical_json({"root": root.hex(), "size": size}), 0o600)
