"""Fields that only whoever holds the secret reads: AES-256-GCM under a derived key.

A sealed field is bound to its place (run, name, row): moved to another one it does not open.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from hauberk.errors import TrustError

_NONCE_BYTES = 12
_KEY_BYTES = 32


def seal(secret: bytes, place: str, plain: bytes) -> str:
    """``plain`` as base64 that opens only at ``place``."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_key(secret)).encrypt(nonce, plain, place.encode())
    return base64.b64encode(nonce + sealed).decode("ascii")


def unseal(secret: bytes, place: str, sealed: str) -> bytes:
    """What was sealed at ``place``.

    Raises:
        TrustError: It was sealed with another secret or at another place, or was changed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        raw = base64.b64decode(sealed, validate=True)
        return AESGCM(_key(secret)).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise TrustError(
            "a sealed field does not open",
            subject=place[:120],
            rule="a field opens with the secret it was sealed with, at its own place",
            found="another secret, another place or changed bytes",
            hint="read it where it was written, or with the secret of that configuration folder",
        ) from error


def _key(secret: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"hauberk sealed field v1").derive(secret)
