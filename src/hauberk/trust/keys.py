"""Keys: who can sign, where private keys lie, and who holds how many of them.

Two kinds of keys are known: ECDSA over P-256 with SHA-256 (the default) and Ed25519. A key
is named by the SHA-256 of its SubjectPublicKeyInfo in DER, re-encoded by us, so that one
key has one name whatever spelling it came in.

Private keys are PKCS #8 files of mode 0600 in a folder of mode 0700 under the user's
configuration (``$XDG_CONFIG_HOME/hauberk/keys``), one per role, with the public half and a
label beside each. A key that others could read, or that somebody else owns, is refused.
Anybody who runs programs as this user can read the files: steps are kept away from them by
isolation, not by this module.

Labels say on which machine and by whom a key was made. They are claims, made honest by
pinning: several keys of one machine or one custodian are one person as far as thresholds by
person go (`custodians`), and are shown as "demo, one custodian".
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, NewType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import open_regular
from hauberk.trust.private_files import check_private, create, is_there, make_folder, write

KeyId = NewType("KeyId", str)
"""64 hexadecimal digits: SHA-256 of the key's SubjectPublicKeyInfo in DER."""

MAX_KEY_BYTES = 16 << 10  # a P-256 key in PEM has 240 bytes
_MACHINE_ID = Path("/etc/machine-id")
_ECDSA = ec.ECDSA(hashes.SHA256())


class Algorithm(StrEnum):
    """How a key signs."""

    ECDSA_P256 = "ecdsa-p256"
    ED25519 = "ed25519"


class Role(StrEnum):
    """What a key may sign for.

    ``LIFECYCLE`` signs what steps did, ``RELEASE`` what is handed on to others and what a
    registry stages. ``PERSON`` is somebody's own key, which approves and governs; ``SNAPSHOT``
    and ``TIMESTAMP`` keep a registry's state fresh and can do nothing else.
    """

    LIFECYCLE = "lifecycle"
    RELEASE = "release"
    PERSON = "person"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"


STATEMENT_ROLES = (Role.LIFECYCLE, Role.RELEASE)
"""Roles that sign statements; a root of trust names keys for these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The half of a key that verifies.

    Attributes:
        spki: SubjectPublicKeyInfo in DER as this module encodes it; see `read_public`.
    """

    spki: bytes

    @property
    def key_id(self) -> KeyId:
        """The key's name, computed from the key."""
        return KeyId(hashlib.sha256(self.spki).hexdigest())

    @property
    def algorithm(self) -> Algorithm:
        """How the key signs."""
        return _algorithm(_public(self.spki))

    @property
    def pem(self) -> str:
        """The key in PEM, for files and people."""
        return (
            _public(self.spki)
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def is_good(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` over ``data`` was made by this key."""
        key = _public(self.spki)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
            else:
                key.verify(signature, data, _ECDSA)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KeyPair:
    """A private key in memory; only signers hold one.

    Attributes:
        pkcs8: The private key in DER. Never shown, logged or sent.
        public: The half that verifies.
    """

    pkcs8: bytes
    public: PublicKey

    def sign(self, data: bytes) -> bytes:
        """A signature over ``data``: DER for ECDSA, 64 bytes for Ed25519."""
        key = _private(self.pkcs8, password=None)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        return key.sign(data, _ECDSA)

    def __repr__(self) -> str:
        return f"KeyPair({self.public.algorithm}, {self.public.key_id[:16]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Where a key was made and who holds it.

    Attributes:
        machine: Name of the machine that says nothing of it to others, see `machine_name`.
        custodian: The person or service that answers for the key.
    """

    machine: str
    custodian: str


def generate(algorithm: Algorithm = Algorithm.ECDSA_P256) -> KeyPair:
    """A new key from the operating system's randomness."""
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm is Algorithm.ED25519:
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    return _pair(key)


def read_public(data: bytes | str) -> PublicKey:
    """The public key in ``data``, PEM or DER.

    Raises:
        ArtifactError: It is no public key, or of a kind that is not known here.
    """
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > MAX_KEY_BYTES:
        raise _no_key(f"{len(raw)} bytes")
    load = (
        serialization.load_pem_public_key
        if raw.lstrip().startswith(b"-----BEGIN")
        else serialization.load_der_public_key
    )
    try:
        key = load(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key("something unreadable") from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        raise _no_key(type(key).__name__.lstrip("_"))
    _algorithm(key)
    return PublicKey(spki=_spki(key))


# Files -------------------------------------------------------------------------------


def config_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where the user's configuration of Hauberk lies.

    Args:
        environ: ``XDG_CONFIG_HOME`` counts if it is absolute, as its specification asks.
        home: The user's home.
    """
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else home / ".config") / "hauberk"


def save(pair: KeyPair, folder: Path, role: Role, label: Label) -> Path:
    """Write a new key for ``role``; an existing one is never replaced.

    Args:
        pair: The key.
        folder: Where keys lie; made with mode 0700 if it is missing.
        role: What the key is for.
        label: Where it was made and who holds it.

    Returns:
        The private file.

    Raises:
        UsageError: There is a key for this role already.
        TrustError: The folder is open to others.
        UnavailableError: The folder cannot be written.
    """
    private = folder / f"{role}.pem"
    write_private(pair, private)
    _save_card(pair.public, folder, role, label)
    return private


def write_private(pair: KeyPair, private: Path) -> None:
    """Write a private key to a new file in a folder of its owner's own.

    Raises:
        UsageError: There is a file already.
        TrustError: The folder is open to others.
        UnavailableError: The folder cannot be written.
    """
    folder = private.parent
    make_folder(folder)
    check_private(os.stat(folder), folder, os.geteuid())  # noqa: PTH116 - as load does
    key = _private(pair.pkcs8, password=None)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    if not create(private, pem, 0o600):
        raise UsageError(
            f"there is a key at {private}",
            subject=str(private),
            rule="a key is never replaced",
            expected="no key for this role",
            found="one",
            hint="use it, or move it away together with the file beside it",
        )


def _save_card(public: PublicKey, folder: Path, role: Role, label: Label) -> None:
    write(folder / f"{role}.json", card(public, label), 0o644)


def make_missing(
    folder: Path,
    label: Label,
    roles: Sequence[Role] = STATEMENT_ROLES,
    algorithm: Algorithm = Algorithm.ECDSA_P256,
) -> tuple[Role, ...]:
    """Make a key for every one of ``roles`` that has none yet.

    A private key without its public half, as a crash leaves it, gets the half again.

    Returns:
        The roles that got a new key.

    Raises:
        TrustError: The folder is open to others.
        UnavailableError: The folder cannot be read or written.
    """
    missing = tuple(role for role in roles if not is_there(folder / f"{role}.pem"))
    for role in roles:
        if role in missing:
            save(generate(algorithm), folder, role, label)
        elif not is_there(folder / f"{role}.json"):
            _save_card(load(folder, role).public, folder, role, label)
    return missing


def load(folder: Path, role: Role, *, user: int | None = None) -> KeyPair:
    """The private key of ``role``.

    Args:
        folder: Where keys lie.
        role: What the key is for.
        user: Numeric id of who must own it; default: who runs this.

    Raises:
        UnavailableError: There is none.
        TrustError: Others can read or replace it, or somebody else owns it.
        ArtifactError: It is no key of a known kind.
    """
    path = folder / f"{role}.pem"
    owner = os.geteuid() if user is None else user
    return read_pair(_read_private(path, owner))


def read_pair(data: bytes) -> KeyPair:
    """The key in PEM.

    Raises:
        ArtifactError: It is no private key of a known kind, or encrypted.
    """
    try:
        key = _private(data, password=None, pem=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key("something unreadable, or encrypted") from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        raise _no_key(type(key).__name__.lstrip("_"))
    _algorithm(key.public_key())
    return _pair(key)


def read_private(path: Path) -> KeyPair:
    """The key pair in a file of PEM without password, which must be private to its owner.

    Raises:
        ArtifactError: It is no key of a known kind.
        TrustError: Others can reach it.
        UnavailableError: It cannot be read.
    """
    data = _read_private(path, os.geteuid())
    try:
        key = _private(data, password=None, pem=True)
    except (ValueError, TypeError) as error:
        raise _no_key("no private key without password") from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        raise _no_key("a key of another kind")
    return _pair(key)


def load_public(folder: Path, role: Role) -> tuple[PublicKey, Label]:
    """The public half of the key of ``role`` with its label; the private file stays closed.

    Raises:
        UnavailableError: There is none.
        ArtifactError: The file is malformed, or names another key than it holds.
    """
    path = folder / f"{role}.json"
    try:
        with open_regular(path) as file:
            data = os.read(file, MAX_KEY_BYTES + 1)
    except UnavailableError as error:
        raise _missing(path, error.found) from error
    return read_card(data)


def read_card(data: bytes) -> tuple[PublicKey, Label]:
    """The public half that `card` wrote, with its label.

    Raises:
        ArtifactError: It is none, or names another key than it holds.
    """
    value = parse_json(data, max_bytes=MAX_KEY_BYTES)
    if not isinstance(value, dict) or not isinstance(value.get("public"), str):
        raise _no_key("no public half")
    key = read_public(value["public"])
    if value.get("key_id") != key.key_id:
        raise _no_key("a key with the id of another")
    return key, read_label(value.get("label"))


def card(public: PublicKey, label: Label) -> bytes:
    """A public half with its label as a file that is handed to others."""
    document = {
        "algorithm": str(public.algorithm),
        "key_id": public.key_id,
        "label": {"custodian": label.custodian, "machine": label.machine},
        "public": public.pem,
    }
    return canonical_json(document)


def read_label(value: Any) -> Label:
    """The label spelt by JSON.

    Raises:
        ArtifactError: It is none.
    """
    if isinstance(value, dict) and value.keys() == {"custodian", "machine"}:
        machine, custodian = value["machine"], value["custodian"]
        if isinstance(machine, str) and isinstance(custodian, str) and machine and custodian:
            return Label(machine=machine, custodian=custodian)
    raise ArtifactError(
        "this is no label of a key",
        rule="keys are labelled with machine and custodian",
        expected="an object with 'machine' and 'custodian'",
        found="something else",
    )


def _read_private(path: Path, owner: int) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _missing(path, error.strerror) from error
    try:
        check_private(os.stat(path.parent), path.parent, owner)  # noqa: PTH116 - as fstat
        seen = os.fstat(file)
        if not stat.S_ISREG(seen.st_mode):
            raise _no_key("no regular file")
        check_private(seen, path, owner)
        return os.read(file, MAX_KEY_BYTES)
    finally:
        os.close(file)


def _missing(path: Path, found: str | None) -> UnavailableError:
    return UnavailableError(
        f"no key at {path}",
        subject=str(path),
        expected="a key file",
        found=found or "an error",
        hint="make keys with hauberk init",
    )


# Custody -----------------------------------------------------------------------------


def machine_name(source: Path = _MACHINE_ID) -> str:
    """A name for this machine from which nobody learns its identity.

    Machine ids are confidential (machine-id(5)), so a hash of it with a purpose is given;
    where there is none, of the host's name.
    """
    try:
        seed = source.read_bytes().strip()
    except OSError:
        seed = b""
    seed = seed or platform.node().encode()
    return hashlib.sha256(b"hauberk machine v1\n" + seed).hexdigest()[:16]


def custodians(labels: Iterable[Label]) -> int:
    """Persons behind keys: labels that share machine or custodian are one."""
    groups: list[set[tuple[str, str]]] = []
    for label in labels:
        marks = {("machine", label.machine), ("custodian", label.custodian)}
        linked = [group for group in groups if group & marks]
        groups = [group for group in groups if not group & marks]
        groups.append(marks.union(*linked))
    return len(groups)


def custody(labels: Sequence[Label]) -> str:
    """One phrase on who holds the keys, for people."""
    persons = custodians(labels)
    if len(labels) > 1 and persons == 1:
        return "demo, one custodian"
    return f"{persons} custodian" + ("s" if persons != 1 else "")


# Keys of the library -----------------------------------------------------------------

_Public = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _pair(key: _Private) -> KeyPair:
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return KeyPair(pkcs8=der, public=PublicKey(spki=_spki(key.public_key())))


def _private(data: bytes, *, password: bytes | None, pem: bool = False) -> _Private:
    load_key = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    key: Any = load_key(data, password)
    return key  # type: ignore[no-any-return]  # callers check the kinds they did not make


@lru_cache(maxsize=256)  # reading a key costs as much as verifying with it
def _public(spki: bytes) -> _Public:
    key: Any = serialization.load_der_public_key(spki)
    return key  # type: ignore[no-any-return]  # read_public let only these kinds in


def _spki(key: _Public) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _algorithm(key: _Public) -> Algorithm:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Algorithm.ED25519
    if isinstance(key.curve, ec.SECP256R1):
        return Algorithm.ECDSA_P256
    raise _no_key(f"a key on curve {key.curve.name}")


def _no_key(found: str) -> ArtifactError:
    return ArtifactError(
        "this is no key that can be used",
        rule="keys are ECDSA on P-256 or Ed25519",
        expected="one of these, in PEM or DER",
        found=found,
        hint="make a key with hauberk init",
    )
