"""DSSE: signed envelopes around any payload.

The rules of the Dead Simple Signing Envelope, version 1 (secure-systems-lab/dsse,
protocol.md and envelope.md):

1. What is signed is ``PAE(type, payload)``, so that a payload of one type never counts as
   one of another.
2. The payload is looked at only after enough signatures over it were good, and as the very
   bytes that were signed.
3. ``threshold`` *distinct keys* must have signed. A key is known by the id computed from
   the key itself; the ``keyid`` in an envelope is a hint and proves nothing. Two
   signatures by one key count once.

Readers of foreign envelopes accept both base64 alphabets and unknown further signatures, as
the protocol asks. For our own envelopes `verify` has ``strict``: every signature must name
and satisfy a known key, so that no byte of the envelope may change.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.canonical import MAX_BYTES, canonical_json, parse_canonical, parse_json
from hauberk.trust.keys import KeyId, PublicKey

MAX_SIGNATURES = 64
MAX_PAYLOAD_BYTES = MAX_BYTES // 2  # base64 and further signatures still fit into one envelope


class SigningKey(Protocol):
    """Something that signs: a key pair in memory, a device, another process."""

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""
        ...

    def sign(self, data: bytes) -> bytes:
        """A signature over ``data``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature.

    Attributes:
        key_id: The key that claims to have signed; empty where it does not say.
    """

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload with signatures; nothing is known of it before `verify`."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """The canonical spelling."""
        return canonical_json(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": [
                    {"keyid": one.key_id, "sig": base64.b64encode(one.signature).decode()}
                    for one in self.signatures
                ],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, canonical: bool = False) -> Envelope:
        """The envelope spelt by foreign bytes.

        Args:
            data: JSON of an envelope.
            canonical: Accept only the spelling of `to_bytes`.

        Raises:
            ArtifactError: The bytes are no envelope.
        """
        body = parse_canonical(data) if canonical else parse_json(data)
        if not isinstance(body, dict):
            raise _malformed("an object")
        envelope = cls(
            payload=_base64(body.get("payload")),
            payload_type=_text(body.get("payloadType")),
            signatures=tuple(_signature(item) for item in _signatures(body.get("signatures"))),
        )
        if canonical and envelope.to_bytes() != data:
            raise _malformed("no other fields, and the standard base64 alphabet")
        return envelope


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: type and payload with their lengths, so that no two pairs are alike.

    >>> pae("a", b"bc")
    b'DSSEv1 1 a 2 bc'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, payload_type: str, signers: Sequence[SigningKey]) -> Envelope:
    """An envelope signed by all ``signers``.

    Raises:
        ArtifactError: The payload is larger than readers accept.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise _malformed(f"at most {MAX_PAYLOAD_BYTES} bytes of payload")
    message = pae(payload_type, payload)
    return Envelope(
        payload=payload,
        payload_type=payload_type,
        signatures=tuple(
            Signature(key_id=signer.public.key_id, signature=signer.sign(message))
            for signer in signers
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A payload with the distinct keys whose signatures over it were good, sorted."""

    payload: bytes
    key_ids: tuple[KeyId, ...]


def verify(
    envelope: Envelope,
    keys: Mapping[KeyId, PublicKey],
    threshold: int = 1,
    *,
    payload_type: str | None = None,
    strict: bool = False,
) -> bytes:
    """The payload, once at least ``threshold`` distinct known keys have signed it.

    Args:
        envelope: What to verify.
        keys: The keys that count. They are known by their own ids, not by these names.
        threshold: Keys that must have signed, at least 1.
        payload_type: The only type to accept; ``None`` for any.
        strict: Refuse envelopes with a signature that does not name and satisfy a known key.

    Raises:
        TrustError: Too few keys have signed, or the type is another.
    """
    return verify_keys(envelope, keys, threshold, payload_type=payload_type, strict=strict).payload


def verify_keys(
    envelope: Envelope,
    keys: Mapping[KeyId, PublicKey],
    threshold: int = 1,
    *,
    payload_type: str | None = None,
    strict: bool = False,
) -> Verified:
    """`verify`, with the keys that signed."""
    signed = verified_by(envelope, keys.values(), strict=strict)
    if threshold < 1 or len(signed) < threshold:
        raise TrustError(
            "too few trusted signatures",
            subject=f"envelope of type {envelope.payload_type[:80]}",
            rule="a threshold of distinct trusted keys has signed",
            expected=f"{threshold} of the keys {_ids(key.key_id for key in keys.values())}",
            found=f"{len(signed)} of them; {_claimed(envelope)}",
            hint="check who signed it; pin the key if it belongs to somebody you trust",
        )
    if payload_type is not None and envelope.payload_type != payload_type:
        raise TrustError(
            "signed payload of another type",
            subject="envelope",
            rule="a payload counts only as the type it was signed as",
            expected=payload_type,
            found=envelope.payload_type[:80],
            hint="this envelope was made for another purpose; look for the right one",
        )
    return Verified(payload=envelope.payload, key_ids=signed)


def verified_by(
    envelope: Envelope, keys: Iterable[PublicKey], *, strict: bool = False
) -> tuple[KeyId, ...]:
    """Ids of the distinct ``keys`` whose signatures over the envelope are good, sorted.

    Raises:
        TrustError: ``strict``, and a signature does not name and satisfy one of ``keys``.
    """
    message = pae(envelope.payload_type, envelope.payload)
    known = {key.key_id: key for key in keys}
    signed: set[KeyId] = set()
    for one in envelope.signatures:
        key_id = _signer_of(one, message, known, strict=strict)
        if key_id is not None:
            signed.add(key_id)
        elif strict:
            raise TrustError(
                "a signature is bad or by an unknown key",
                subject=f"envelope of type {envelope.payload_type[:80]}",
                rule="every signature names a trusted key and is good",
                expected=f"keys {_ids(known)}",
                found=_claimed(envelope),
                hint="check who signed it; pin the key if it belongs to somebody you trust",
            )
    return tuple(sorted(signed))


def _signer_of(
    one: Signature, message: bytes, known: Mapping[KeyId, PublicKey], *, strict: bool
) -> KeyId | None:
    """The known key that made a signature: the one it names, else any."""
    named = known.get(KeyId(one.key_id))
    candidates = [named] if named else [] if strict else list(known.values())
    return next((key.key_id for key in candidates if key.is_good(one.signature, message)), None)


def _ids(ids: Iterable[str]) -> str:
    return ", ".join(sorted(one[:16] for one in ids)) or "none"


def _claimed(envelope: Envelope) -> str:
    return f"signatures that claim {_ids(ascii(one.key_id)[1:-1] for one in envelope.signatures)}"


# Reading -----------------------------------------------------------------------------


def _signatures(value: Any) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SIGNATURES:
        raise _malformed(f"a list of 1 to {MAX_SIGNATURES} signatures")
    return value


def _signature(item: Any) -> Signature:
    if not isinstance(item, dict):
        raise _malformed("signatures with 'sig' and perhaps 'keyid'")
    return Signature(key_id=_text(item.get("keyid") or ""), signature=_base64(item.get("sig")))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _malformed("'payloadType' and 'keyid' as text")
    return value


def _base64(value: Any) -> bytes:
    """RFC 4648 sections 4 and 5: either alphabet, with padding, nothing else in between."""
    if not isinstance(value, str) or not value.isascii():
        raise _malformed("'payload' and 'sig' in base64")
    standard = value.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(standard, validate=True)
    except binascii.Error as error:
        raise _malformed("'payload' and 'sig' in base64") from error
    if base64.b64encode(data).decode() != standard:  # leftover bits, stray padding
        raise _malformed("base64 with one spelling per value")
    if len(data) > MAX_PAYLOAD_BYTES:
        raise _malformed(f"at most {MAX_PAYLOAD_BYTES} bytes of payload")
    return data


def _malformed(expected: str) -> ArtifactError:
    return ArtifactError(
        "this is no signed envelope",
        rule="envelopes follow DSSE version 1",
        expected=expected,
        found="something else",
    )
