"""The sigstore bundle (version 0.3) around a signed statement.

With a key, the bundle holds the envelope and a hint: the SHA-256 of the public key in PEM.
The hint helps to find a key and proves nothing. Bundles with a certificate (keyless) are
read by `keyless`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hauberk.errors import ArtifactError
from hauberk.trust import dsse
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import open_regular
from hauberk.trust.dsse import Envelope, SigningKey
from hauberk.trust.keys import KeyId, PublicKey
from hauberk.trust.statement import PAYLOAD_TYPE

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BUNDLE_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A signature file.

    Attributes:
        is_keyless: Whether it was made with a certificate instead of a known key.
        raw: The bytes it was read from.
    """

    envelope: Envelope
    is_keyless: bool
    raw: bytes


def hint_of(key: PublicKey) -> str:
    """The hint that names a key in a bundle."""
    return hashlib.sha256(key.pem.encode()).hexdigest()


def seal(payload: bytes, signers: Sequence[SigningKey]) -> bytes:
    """A bundle around a statement, signed by each of ``signers``.

    Verifiers of the reference implementation look at the first signature only.

    Raises:
        ArtifactError: The statement is larger than readers accept.
    """
    envelope = dsse.sign(payload, PAYLOAD_TYPE, signers)
    document = json.loads(envelope.to_bytes())
    for one in document["signatures"]:
        one["keyid"] = ""  # as the reference writes it; ids are computed, never believed
    return canonical_json(
        {
            "dsseEnvelope": document,
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {
                "publicKey": {"hint": hint_of(signers[0].public)},
                "tlogEntries": [],
            },
        }
    )


def read(path: Path) -> Bundle:
    """The bundle in a file.

    Raises:
        ArtifactError: It is none, or too large.
        UnavailableError: It cannot be read.
    """
    with open_regular(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if size > MAX_BUNDLE_BYTES:
            raise _malformed(path, f"at most {MAX_BUNDLE_BYTES} bytes", f"{size} bytes")
        data = os.read(descriptor, size + 1)
        while len(data) < size and (more := os.read(descriptor, size - len(data))):
            data += more
    return parse(data, path)


def parse(data: bytes, path: Path) -> Bundle:
    """The bundle in foreign bytes.

    Raises:
        ArtifactError: They are none.
    """
    body = parse_json(data, max_bytes=MAX_BUNDLE_BYTES, max_depth=32)
    if not isinstance(body, Mapping):
        raise _malformed(path, "an object", type(body).__name__)
    if body.get("mediaType") != MEDIA_TYPE:
        raise _malformed(path, MEDIA_TYPE, ascii(body.get("mediaType"))[:80])
    material = body.get("verificationMaterial")
    if not isinstance(material, Mapping):
        raise _malformed(path, "verification material", "none")
    inner: Any = body.get("dsseEnvelope")
    if not isinstance(inner, Mapping):
        raise _malformed(path, "a DSSE envelope", "none")
    envelope = Envelope.from_bytes(json.dumps(inner).encode())
    return Bundle(envelope=envelope, is_keyless="publicKey" not in material, raw=data)


def open_bundle(bundle: Bundle, keys: Mapping[KeyId, PublicKey]) -> dsse.Verified:
    """The payload with the keys that signed it.

    Raises:
        TrustError: None of ``keys`` did.
    """
    return dsse.verify_keys(bundle.envelope, keys, 1, payload_type=PAYLOAD_TYPE)


def _malformed(path: Path, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "this is no model signature",
        subject=str(path),
        rule="signatures are sigstore bundles, version 0.3, with a DSSE envelope",
        expected=expected,
        found=found,
        hint="hauberk sign PATH makes one",
    )
