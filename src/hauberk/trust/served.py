"""The chain behind a name in a store of releases, read as a client reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.trust.canonical import parse_json
from hauberk.trust.chain import VerifiedChain, verify_chain
from hauberk.trust.digest import digest_bytes, parse_digest
from hauberk.trust.root import Root

MAX_INDEX_BYTES = 4 << 20
MAX_STATEMENTS = 10_000


def verified(subject: RegistryEntry, root: Root) -> VerifiedChain:
    """The chain behind the channel.

    Raises:
        TrustError: It does not verify.
        ArtifactError: The registry's index is malformed.
    """
    index: Any = parse_json(subject.read("statements"), max_bytes=MAX_INDEX_BYTES)
    if not isinstance(index, list) or len(index) > MAX_STATEMENTS:
        raise ArtifactError(
            "the index of a channel is malformed",
            subject=subject.name,
            expected=f"a list of at most {MAX_STATEMENTS} digests",
            found=json.dumps(index)[:60],
        )
    return verify_chain(
        release=subject.read("release"),
        statements=[subject.read(f"blobs/{parse_digest(item)}") for item in index],
        places=(_Held(entry=subject),),
        root=root,
        required=tuple(subject.trusted.get("required", ())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The registry's blobs as a place of the chain; what it serves is hashed, never believed."""

    entry: RegistryEntry
    label: str = "registry"

    def digest(self, name: str, expected: Digest) -> Digest | None:
        del name
        try:
            return digest_bytes(self.entry.read(f"blobs/{expected}"))
        except UnavailableError:
            return None
