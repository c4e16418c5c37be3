"""Proofs as files that a second party checks without the log.

Inclusion, as C2SP tlog-proof has it::

    c2sp.org/tlog-proof@v1
    index <number of the record>
    <base64 of a hash>           from the leaf up, one a line
                                 a blank line, then the signed checkpoint

Consistency of two heads, in the same manner::

    hauberk/consistency@v1
    old <base64 of the old signed checkpoint>
    <base64 of a hash>
                                 a blank line, then the new signed checkpoint
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.checkpoint import MAX_NOTE_BYTES, Check, Note, parse_note
from hauberk.trust.merkle import (
    HASH_BYTES,
    MAX_PROOF,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

INCLUSION: Final = "c2sp.org/tlog-proof@v1"
CONSISTENCY: Final = "hauberk/consistency@v1"
MAX_BYTES: Final = 3 * MAX_NOTE_BYTES

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That a record is the ``index``-th under a signed head."""

    index: int
    hashes: tuple[bytes, ...]
    note: Note

    def to_bytes(self) -> bytes:
        """The file."""
        lines = [INCLUSION, f"index {self.index}", *map(_spelt, self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.note.raw

    def check(self, record: bytes, signed: Check | None) -> None:
        """Hold the proof against the record and the head's signatures.

        Args:
            signed: Signatures that the head must carry; ``None`` takes it on its word.

        Raises:
            TrustError: It does not hold.
        """
        _refuse_unsigned(self.note, signed)
        verify_inclusion(
            self.hashes,
            index=self.index,
            leaf=leaf_hash(record),
            size=self.note.head.size,
            root=self.note.head.root,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That everything under the old head is under the new one, unchanged."""

    old: Note
    hashes: tuple[bytes, ...]
    new: Note

    def to_bytes(self) -> bytes:
        """The file."""
        lines = [CONSISTENCY, f"old {_spelt(self.old.raw)}", *map(_spelt, self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.new.raw

    def check(self, signed: Check | None) -> None:
        """Hold the proof against both heads and their signatures.

        Raises:
            TrustError: It does not hold.
        """
        for note in (self.old, self.new):
            _refuse_unsigned(note, signed)
        if self.old.head.origin != self.new.head.origin:
            raise TrustError(
                "the proof joins heads of two logs",
                subject=self.new.head.origin,
                expected=self.old.head.origin,
                found=self.new.head.origin,
            )
        verify_consistency(
            self.hashes,
            old_size=self.old.head.size,
            old_root=self.old.head.root,
            new_size=self.new.head.size,
            new_root=self.new.head.root,
        )


def parse_proof(data: bytes) -> InclusionProof | ConsistencyProof:
    """Read a proof, from anybody.

    Raises:
        ArtifactError: It is none.
    """
    if len(data) > MAX_BYTES:
        raise _malformed(f"more than {MAX_BYTES} bytes")
    top, blank, rest = data.partition(b"\n\n")
    try:
        lines = top.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise _malformed("bytes that are no ASCII") from error
    if not blank or len(lines) < 2 or len(lines) > MAX_PROOF + 2:  # noqa: PLR2004 - two lines head it
        raise _malformed("no head of two lines, hashes and a blank line")
    kind, about, *spelt = lines
    hashes = tuple(_hash(line) for line in spelt)
    note = parse_note(rest)
    if kind == CONSISTENCY and about.startswith("old "):
        return ConsistencyProof(old=parse_note(_raw(about[4:])), hashes=hashes, new=note)
    match = _INDEX.match(about)
    if kind != INCLUSION or match is None:
        raise _malformed("a first line that names another kind")
    return InclusionProof(index=int(match[1]), hashes=hashes, note=note)


def _spelt(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _raw(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("bad base64") from error
    if _spelt(raw) != line:
        raise _malformed("base64 of another spelling")
    return raw


def _hash(line: str) -> bytes:
    raw = _raw(line)
    if len(raw) != HASH_BYTES:
        raise _malformed("a hash of another length")
    return raw


def _refuse_unsigned(note: Note, signed: Check | None) -> None:
    if signed is not None and not signed(note):
        raise TrustError(
            "the head does not carry the signatures that count",
            subject=f"head of {note.head.origin} at {note.head.size}",
            rule="a proof is worth what the signatures of its head are worth",
            expected="a good signature of each key that was named or pinned",
            found=f"{len(note.signatures)} others",
            hint="ask for a proof under a head that those keys signed",
        )


def _malformed(found: str) -> ArtifactError:
    return ArtifactError(
        "not a proof of a log",
        rule="C2SP tlog-proof, or a proof of consistency of this program",
        found=found,
        hint="make it again: hauberk log prove",
    )
