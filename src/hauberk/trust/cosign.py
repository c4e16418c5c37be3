"""A witness's own signature under a head: C2SP tlog-cosignature, version 1, Ed25519.

The witness signs the time and the text of the head, after it has seen that the head contains
every one it signed before. Whoever demands such lines need not trust the log's key alone.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable
from typing import Final

from hauberk.errors import UsageError
from hauberk.trust.checkpoint import Check, Note, check_name
from hauberk.trust.keys import Algorithm, KeyPair, PublicKey

TYPE: Final = b"\x04"

_DASH = "\N{EM DASH} "
_RAW_ED25519 = 32
_PREFIX = 4
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64


def key_hash(name: str, key: PublicKey) -> bytes:
    """Four bytes by which a reader finds the witness's key."""
    raw = key.spki[-_RAW_ED25519:]
    return hashlib.sha256(name.encode() + b"\n" + TYPE + raw).digest()[:_PREFIX]


def cosigned(note: Note, name: str, key: KeyPair, at: int) -> bytes:
    """The note with a line of the witness added.

    Raises:
        UsageError: The key is no Ed25519 key.
    """
    if key.public.algorithm is not Algorithm.ED25519:
        raise UsageError(
            "a witness signs with Ed25519",
            rule="C2SP tlog-cosignature",
            expected="an Ed25519 key",
            found=key.public.algorithm.value,
        )
    signature = key.sign(_message(note.text, at))
    value = key_hash(name, key.public) + struct.pack(">Q", at) + signature
    return note.raw + f"{_DASH}{check_name(name)} {base64.b64encode(value).decode()}\n".encode()


def _message(text: bytes, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n".encode() + text


def cosigned_by(
    name: str, keys: Iterable[PublicKey], *, threshold: int = 1, not_before: int = 0
) -> Check:
    """A `Check` that demands good lines of ``threshold`` different witnesses.

    Args:
        not_before: Seconds since the epoch; older lines do not count.
    """
    known = {(name, key_hash(name, key)): key for key in keys}

    def check(note: Note) -> bool:
        good = set()
        for line in note.signatures:
            key = known.get((line.name, line.key_hash))
            if key is None:
                continue
            if len(line.value) != _TIME_BYTES + _SIGNATURE_BYTES:
                return False
            (at,) = struct.unpack(">Q", line.value[:_TIME_BYTES])
            if not key.is_good(line.value[_TIME_BYTES:], _message(note.text, at)):
                return False
            if at >= not_before:
                good.add(key.key_id)
        return len(good) >= threshold

    return check
