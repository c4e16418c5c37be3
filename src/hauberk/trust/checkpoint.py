"""Signed heads of the log: C2SP checkpoints (tlog-checkpoint) in signed notes (signed-note).

    <origin>                    which log
    <size>                      records, decimal
    <root>                      base64 of the Merkle root
                                a blank line, then one line per signature:
    — <name> <base64 of 4 bytes of key hash and the signature>

Signing is handed in: this module never holds a key. Key hashes are those of the
specification: for ECDSA the first four bytes of the key's id (type 0x02), for Ed25519 of
the hash over name, type 0x01 and the raw key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.keys import Algorithm, PublicKey
from hauberk.trust.merkle import HASH_BYTES

MAX_NOTE_BYTES: Final = 64 << 10
MAX_SIGNATURES: Final = 16
MAX_SIZE: Final = 1 << 62

Sign = Callable[[bytes], bytes]
"""Takes the text of a note and returns its signature lines."""

Check = Callable[["Note"], bool]
"""Whether a note carries the signatures that are demanded."""

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}\Z")
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\Z")
_DASH = "\N{EM DASH} "
_HASH_PREFIX = 4
_RAW_ED25519 = 32


class _SigningKey(Protocol):
    @property
    def public(self) -> PublicKey: ...

    def sign(self, data: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a checkpoint says: this log had this root at this size."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> bytes:
        """The three lines that are signed."""
        check_name(self.origin)
        root = base64.b64encode(self.root).decode("ascii")
        return f"{self.origin}\n{self.size}\n{root}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line.

    Attributes:
        key_hash: Four bytes that say which of the known keys to try; no proof of anything.
    """

    name: str
    key_hash: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A checkpoint as it was read; nothing in it is believed before a `Check` has passed."""

    head: Head
    text: bytes
    signatures: tuple[NoteSignature, ...]
    raw: bytes


def check_name(name: str) -> str:
    """``name`` itself, if it may name a log or a key.

    Raises:
        UsageError: It is empty, too long, or holds spaces, plus signs or control characters.
    """
    if _NAME.match(name) is None:
        raise UsageError(
            "not a name for a log",
            subject=repr(name[:80]),
            expected="1 to 200 characters without spaces, plus signs and control characters",
        )
    return name


def parse_note(data: bytes) -> Note:
    """Read a signed checkpoint, from anybody.

    Raises:
        ArtifactError: It is not one.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise _malformed(f"more than {MAX_NOTE_BYTES} bytes")
    text, blank, lines = data.rpartition(b"\n\n")
    if not blank or not lines.endswith(b"\n"):
        raise _malformed("no signature lines after a blank line")
    text += b"\n"
    signatures = _decode(lines).removesuffix("\n").split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise _malformed(f"{len(signatures)} signatures")
    head = parse_head(text)
    lines_read = tuple(map(_parse_signature, signatures))
    return Note(head=head, text=text, signatures=lines_read, raw=data)


def parse_head(text: bytes) -> Head:
    """Read the text of a checkpoint; lines after the third are allowed and carry nothing.

    Raises:
        ArtifactError: It is not one.
    """
    lines = _decode(text).split("\n")
    if len(lines) < 4 or "" in lines[:-1] or lines[-1]:  # noqa: PLR2004 - three lines and the end
        raise _malformed("not three full lines")
    origin, size, root = lines[:3]
    if _NAME.match(origin) is None or _SIZE.match(size) is None or int(size) > MAX_SIZE:
        raise _malformed("an origin or a size out of form")
    return Head(origin=origin, size=int(size), root=_decode_base64(root, HASH_BYTES))


def _parse_signature(line: str) -> NoteSignature:
    name, _, value = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or _NAME.match(name) is None:
        raise _malformed("a signature line out of form")
    raw = _decode_base64(value)
    if len(raw) <= _HASH_PREFIX:
        raise _malformed("a signature too short")
    return NoteSignature(name=name, key_hash=raw[:_HASH_PREFIX], value=raw[_HASH_PREFIX:])


def _decode(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _malformed("bytes that are no UTF-8") from error
    if any(sign < " " and sign != "\n" for sign in text):
        raise _malformed("control characters")
    return text


def _decode_base64(text: str, length: int | None = None) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("bad base64") from error
    canonical = base64.b64encode(raw).decode("ascii") == text
    if not canonical or (length is not None and len(raw) != length):
        raise _malformed("base64 of another length or spelling")
    return raw


def key_hash(name: str, key: PublicKey) -> bytes:
    """Four bytes by which a reader finds the key of a signature."""
    if key.algorithm is Algorithm.ED25519:
        raw = key.spki[-_RAW_ED25519:]
        return hashlib.sha256(name.encode() + b"\n\x01" + raw).digest()[:_HASH_PREFIX]
    return hashlib.sha256(key.spki).digest()[:_HASH_PREFIX]


def signature_line(name: str, key: PublicKey, signature: bytes) -> bytes:
    """The line for ``signature``, which ``key`` made over the text of the note."""
    value = base64.b64encode(key_hash(name, key) + signature).decode("ascii")
    return f"{_DASH}{check_name(name)} {value}\n".encode()


def signing_with(name: str, keys: Sequence[_SigningKey]) -> Sign:
    """A `Sign` over keys that are at hand: a key pair, or the door to a signer.

    Args:
        name: Name of the signer in the note; by custom the origin of the log.
        keys: Each makes one line.
    """

    def sign(text: bytes) -> bytes:
        return b"".join(signature_line(name, key.public, key.sign(text)) for key in keys)

    return sign


def signed_by(name: str, keys: Iterable[PublicKey], *, threshold: int = 1) -> Check:
    """A `Check` that demands good signatures of ``threshold`` different ``keys``.

    Lines of unknown keys are passed over; a bad line of a known key refuses the note.
    """
    known = {(name, key_hash(name, key)): key for key in keys}

    def check(note: Note) -> bool:
        good = set()
        for line in note.signatures:
            key = known.get((line.name, line.key_hash))
            if key is None:
                continue
            if not key.is_good(line.value, note.text):
                return False
            good.add(key.key_id)
        return len(good) >= threshold

    return check


def make_note(head: Head, sign: Sign) -> bytes:
    """The signed checkpoint of ``head``.

    Raises:
        TrustError: What ``sign`` gave are no signature lines.
    """
    text = head.to_text()
    note = text + b"\n" + sign(text)
    try:
        parse_note(note)
    except ArtifactError as error:
        raise TrustError(
            "the signer gave no signature lines",
            subject=f"head of {head.origin} at {head.size}",
            found=error.found,
            hint="use checkpoint.signing_with, or a signer that gives signed-note lines",
        ) from error
    return note


def _malformed(found: str) -> ArtifactError:
    return ArtifactError(
        "not a signed checkpoint",
        rule="C2SP signed-note and tlog-checkpoint",
        found=found,
        hint="fetch the checkpoint again from where the log is published",
    )
