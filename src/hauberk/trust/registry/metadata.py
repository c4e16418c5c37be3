"""TUF metadata in Hauberk's hands: keys, persons, strict reading, one spelling, signatures.

The format and the rules of verification are python-tuf's. Added here, because TUF leaves them
open: bytes are canonical JSON of bounded size and depth without a key twice; a key's id is
computed from the key, so that no key counts twice; and the metadata that names keys also says
who holds them (``hauberk.persons``), so that thresholds are counted by person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from hauberk.errors import ArtifactError, HauberkError, TrustError
from hauberk.trust.canonical import canonical_json, parse_canonical
from hauberk.trust.fields import Fields, misfit
from hauberk.trust.keys import KeyId, Label, PublicKey, custodians, read_label, read_public

if TYPE_CHECKING:
    from securesystemslib.signer import Key
    from tuf.api.metadata import Metadata, Root, Targets

OURS = "hauberk"
ID = "id"
"""In root metadata: what no other registry has."""
REGISTRY = "registry"
"""In all other metadata: the id of the registry that it is of."""
"""The one field of ours in TUF's metadata."""

MAX_METADATA_BYTES = 5_000_000  # python-tuf's own bound for targets
MAX_ROLES = 1 << 14
_ED25519_DER = bytes.fromhex("302a300506032b6570032100")  # RFC 8410 section 4


class Hand(Protocol):
    """Something that signs: a key in memory, or a signer in another process."""

    @property
    def public(self) -> PublicKey:
        """The key that its signatures verify with."""
        ...

    def sign(self, data: bytes) -> bytes:
        """A signature over ``data``."""
        ...


# Keys ----------------------------------------------------------------------------------


def tuf_key(public: PublicKey) -> Key:
    """A key as TUF holds it, under our id."""
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    from securesystemslib.signer import SSlibKey

    loaded: Any = load_der_public_key(public.spki)
    return SSlibKey.from_crypto(loaded, keyid=public.key_id)


def public_of(key: Key) -> PublicKey:
    """The key behind TUF's.

    Raises:
        ArtifactError: It is of another kind than its metadata says, or its id is not its own.
    """
    text = key.keyval.get("public")
    kind = (key.keytype, key.scheme)
    if not isinstance(text, str):
        raise misfit(f"key {key.keyid[:16]}", "a public key", text)
    if kind == ("ed25519", "ed25519"):
        public = read_public(_ED25519_DER + _hex(text))
    elif kind == ("ecdsa", "ecdsa-sha2-nistp256"):
        public = read_public(text)
    else:
        raise misfit(f"key {key.keyid[:16]}", "ecdsa-sha2-nistp256 or ed25519", "/".join(kind))
    if public.key_id != key.keyid:
        raise ArtifactError(
            "a key of the registry stands under another id than its own",
            subject=ascii(key.keyid)[:80],
            rule="a key's id is computed from the key, so that no key counts twice",
            expected=public.key_id,
            found=ascii(key.keyid)[:80],
            hint="do not use this registry; find out who signed it",
        )
    return public


def _hex(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError as error:
        raise misfit("key", "64 hexadecimal digits", text) from error
    if len(found) != 32:  # noqa: PLR2004 - RFC 8032
        raise misfit("key", "32 bytes", f"{len(found)} bytes")
    return found


def check_keys(signed: Root | Targets) -> None:
    """Refuse keys of wrong kinds, and keys under ids that are not theirs.

    Raises:
        ArtifactError: There is one.
    """
    holder: Any = getattr(signed, "delegations", signed)
    for key in (holder.keys if holder is not None else {}).values():
        public_of(key)


# Persons -------------------------------------------------------------------------------


def persons_of(signed: Any) -> dict[KeyId, Label]:
    """Who holds the keys that the metadata names, as it says itself.

    Raises:
        ArtifactError: It says so in another form.
    """
    ours = signed.unrecognized_fields.get(OURS)
    if ours is None or "persons" not in Fields.of(ours, OURS).values:
        return {}
    persons = Fields.of(ours, OURS).object("persons")
    return {KeyId(key): read_label(value) for key, value in persons.values.items()}


def count_persons(signers: Iterable[KeyId], labels: Mapping[KeyId, Label]) -> int:
    """Persons behind keys; keys that nobody is named for are one person together."""
    known = [labels[key] for key in signers if key in labels]
    unknown = any(key not in labels for key in signers)
    return custodians(known) + (1 if unknown and not known else 0)


# Which registry ------------------------------------------------------------------------


def bind(signed: Any, root: Any) -> None:
    """Let metadata say which registry it is of, where the registry has an id."""
    registry_id = root.unrecognized_fields.get(OURS, {}).get(ID)
    if registry_id is not None:
        signed.unrecognized_fields.setdefault(OURS, {})[REGISTRY] = registry_id


def check_bound(signed: Any, role: str, root: Any) -> None:
    """Refuse metadata of another registry, which may have the same keys, names and versions.

    A registry that was founded before there were ids has none, and nothing is asked of it.

    Raises:
        TrustError: It is of another registry, or does not say of which.
        ArtifactError: It says so in another form.
    """
    wanted = Fields.of(root.unrecognized_fields.get(OURS, {}), OURS).values.get(ID)
    said = Fields.of(signed.unrecognized_fields.get(OURS, {}), OURS).values.get(REGISTRY)
    if wanted is not None and said != wanted:
        raise TrustError(
            f"the metadata of role {role} is of another registry",
            subject=f"role {role}",
            rule="what is signed for one registry counts in no other, whoever signed it",
            expected=ascii(wanted)[:60],
            found="no registry" if said is None else ascii(said)[:60],
            hint="somebody exchanged it; restore the registry from a copy",
        )


# Spelling ------------------------------------------------------------------------------


def parse(data: bytes, role: str) -> Metadata[Any]:
    """Metadata read strictly: canonical, bounded, no key twice, nothing half-known.

    Raises:
        ArtifactError: It is not.
    """
    from tuf.api.metadata import Metadata

    with refused(role):
        parse_canonical(data, max_bytes=MAX_METADATA_BYTES)
        return Metadata.from_bytes(data)


def spell(metadata: Metadata[Any]) -> bytes:
    """The one spelling of metadata."""
    return canonical_json(metadata.to_dict())


def sign(metadata: Metadata[Any], hands: Sequence[Hand]) -> None:
    """Add a signature by each of ``hands``."""
    from securesystemslib.signer import Signature

    payload = metadata.signed_bytes
    for hand in hands:
        key = hand.public.key_id
        metadata.signatures[key] = Signature(key, hand.sign(payload).hex())


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as TUF's time, which has whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC)


# Errors --------------------------------------------------------------------------------


@contextmanager
def refused(role: str) -> Iterator[None]:
    """Turn python-tuf's errors about ``role`` into ours, with rule and next step.

    Raises:
        TrustError: A signature, threshold, version, expiry or digest is wrong.
        ArtifactError: The metadata is malformed.
    """
    from tuf.api import exceptions
    from tuf.api.serialization import DeserializationError, SerializationError

    try:
        yield
    except HauberkError as error:
        error.subject = f"role {role}: {error.subject}" if error.subject else f"role {role}"
        raise
    except (DeserializationError, SerializationError) as error:
        raise ArtifactError(
            f"the registry's metadata of role {role} is malformed",
            subject=f"role {role}",
            rule="metadata follows the TUF specification",
            expected="metadata of this role",
            found=_cause(error),
            hint="fetch the registry again; find out who changed it",
        ) from error
    except exceptions.RepositoryError as error:
        raise _broken(role, error) from error


_RULES: Mapping[str, tuple[str, str, str]] = {
    "ExpiredMetadataError": (
        "has expired",
        "expired metadata is not believed: nobody says that it is still true",
        "re-sign it: hauberk registry resign (a model that is loaded goes on serving)",
    ),
    "BadVersionNumberError": (
        "was rolled back",
        "versions only grow",
        "fetch the current registry; find out who serves an old one",
    ),
    "UnsignedMetadataError": (
        "is not signed by enough of its keys",
        "a role's metadata needs its threshold of signatures by keys in force",
        "have the holders of the role's keys sign it; find out who wrote it",
    ),
    "LengthOrHashMismatchError": (
        "is not the one that was signed for",
        "bytes have the length and digest that the level above signed",
        "fetch the registry again; find out who changed it",
    ),
}


def _broken(role: str, error: Exception) -> TrustError:
    what, rule, hint = _RULES.get(
        type(error).__name__,
        ("cannot be believed", "metadata follows the TUF specification", "fetch it again"),
    )
    return TrustError(
        f"the registry's metadata of role {role} {what}",
        subject=f"role {role}",
        rule=rule,
        expected="metadata that verifies",
        found=ascii(str(error))[1:-1][:300] or type(error).__name__,
        hint=hint,
    )


def _cause(error: BaseException) -> str:
    inner = error.__cause__ or error
    return ascii(str(inner))[1:-1][:200] or type(inner).__name__
