"""Keys for signing models: files, key services and tokens, and keyless identities.

Files in PEM and the user's own keys need nothing. A URI such as ``hsm:2?label=model``,
``gcpkms:...``, ``awskms:...``, ``azurekms:...`` or ``hv:...`` (Vault) is loaded through
securesystemslib with the library that the service needs; keyless signing through sigstore.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError, UsageError
from hauberk.trust.digest import open_regular
from hauberk.trust.keys import MAX_KEY_BYTES, KeyPair, PublicKey, read_pair, read_public

SCHEMES: Final = {
    "hsm": "securesystemslib[hsm]",
    "gcpkms": "securesystemslib[gcpkms]",
    "awskms": "securesystemslib[awskms]",
    "azurekms": "securesystemslib[azurekms]",
    "hv": "securesystemslib[vault]",
}
"""URI scheme to what must be installed for it."""


PIN_FILE: Final = "HAUBERK_PIN_FILE"
"""Names a file with the secret of a token or service, for jobs without a person."""


def ask_secret(name: str) -> str:
    """What opens a token: from the file that `PIN_FILE` names, else from the terminal.

    Raises:
        TrustError: Others may read the file.
        UnavailableError: There is no such file, and nobody to ask.
    """
    import getpass

    path = os.environ.get(PIN_FILE, "")
    if path:
        return _private_bytes(Path(path)).decode().strip()
    try:
        return getpass.getpass(f"{name}: ")
    except EOFError as error:
        raise UnavailableError(
            "there is nobody to ask for the secret of the key",
            subject=name,
            expected=f"a terminal, or a file that {PIN_FILE} names",
            found="neither",
        ) from error


def read_private_file(path: Path) -> KeyPair:
    """The private key in a PEM file.

    Raises:
        TrustError: Others may read it.
        ArtifactError: It is no key of a known kind, or encrypted.
        UnavailableError: It cannot be read.
    """
    return read_pair(_private_bytes(path))


def _private_bytes(path: Path) -> bytes:
    with open_regular(path) as descriptor:
        mode = os.fstat(descriptor).st_mode
        data = os.read(descriptor, MAX_KEY_BYTES + 1)
    if mode & 0o077:
        raise TrustError(
            f"the secret {path} is open to others",
            subject=str(path),
            rule="private keys and PINs belong to their user alone",
            expected="mode 0600",
            found=f"mode {mode & 0o777:04o}",
            hint=f"if nobody can have read it: chmod 600 {path}; else make a new key",
        )
    return data


def read_public_file(path: Path) -> PublicKey:
    """The public key in a PEM or DER file.

    Raises:
        ArtifactError: It is none of a known kind.
        UnavailableError: It cannot be read.
    """
    with open_regular(path) as descriptor:
        return read_public(os.read(descriptor, MAX_KEY_BYTES + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceKey:
    """A key that never leaves a service or token.

    Attributes:
        public: The half that verifies; every signature is held against it.
        signer: What securesystemslib loaded.
    """

    public: PublicKey
    signer: Any

    def sign(self, data: bytes) -> bytes:
        """A signature over ``data``, checked before it is believed.

        Raises:
            UnavailableError: The service refused or failed.
            TrustError: It signed with another key.
        """
        try:
            made = bytes.fromhex(self.signer.sign(data).signature)
        except HauberkError:  # whoever was asked for the secret had none to give
            raise
        except Exception as error:  # every service raises errors of its own library
            raise _service_failed(error) from error
        if not self.public.is_good(made, data):
            raise TrustError(
                "the service signed with another key",
                subject=self.public.key_id[:16],
                rule="a signature is good for the public key that was named",
                expected=self.public.key_id,
                found="a signature that this key does not verify",
                hint="name the public key that belongs to the key of the service",
            )
        return made


def service_key(
    uri: str, public: PublicKey, secret: Callable[[str], str] | None = None
) -> ServiceKey:
    """The key that a URI names.

    Args:
        uri: Scheme, place, and what the service adds, such as ``?label=`` of a token.
        public: Its public half, which the caller knows beforehand.
        secret: Asks a person for what opens a token, such as its PIN; once for each name.

    Raises:
        UsageError: The scheme is not known, or the rest of the URI is none of its.
        UnavailableError: A library is missing, or the service cannot be reached.
    """
    scheme = uri.partition(":")[0]
    if scheme not in SCHEMES:
        raise UsageError(
            "not a key that can be loaded",
            subject=ascii(uri)[:80],
            expected=", ".join(f"{name}:..." for name in SCHEMES),
            found=scheme[:40],
        )
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        from securesystemslib.exceptions import UnsupportedLibraryError
        from securesystemslib.signer import (
            Signer,
            SSlibKey,
        )

        key = SSlibKey.from_crypto(load_der_public_key(public.spki))
        once = cache(secret) if secret is not None else None
        return ServiceKey(public=public, signer=Signer.from_priv_key_uri(uri, key, once))
    except (ImportError, UnsupportedLibraryError) as error:
        raise UnavailableError(
            f"keys of {scheme} need a library that is not installed",
            subject=ascii(uri)[:80],
            expected=SCHEMES[scheme],
            found=str(error)[:200],
            hint=f"pip install '{SCHEMES[scheme]}'",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"the key of {scheme} cannot be named so",
            subject=ascii(uri)[:80],
            expected="a URI of this service, and a public key of a kind that it has",
            found=str(error)[:200],
            hint="docs/keys.md shows one for each service",
        ) from error
    except Exception as error:  # every service raises errors of its own library
        raise _service_failed(error) from error


def _service_failed(error: Exception) -> UnavailableError:
    return UnavailableError(
        "the key's service did not answer as it should",
        expected="a signature",
        found=f"{type(error).__name__}: {str(error)[:200]}",
        hint="check the URI, the credentials of the environment and the connection",
    )


# Keyless -------------------------------------------------------------------------------


def keyless_bundle(payload: bytes, token: str | None) -> bytes:
    """A bundle signed with a short-lived certificate for an OpenID identity.

    Args:
        token: The identity token; what the environment of a CI job offers where it is ``None``.

    Raises:
        UnavailableError: sigstore is missing, there is no identity, or its servers fail.
    """
    sigstore = _sigstore()
    identity = token or sigstore.oidc.detect_credential()
    if identity is None:
        raise UnavailableError(
            "there is no identity to sign with",
            expected="an OpenID token of a CI job, or one given with --token-file",
            found="none",
            hint="give the job permission id-token: write, or sign with a key",
        )
    try:
        named = sigstore.oidc.IdentityToken(identity)
    except sigstore.oidc.IdentityError as error:
        raise UsageError(
            "this is no OpenID token to sign with",
            subject="--token-file",
            rule="a token is for sigstore, and signs within minutes of being issued",
            expected="a token in force with the audience sigstore",
            found=str(error)[:200],
            hint="ask the build service for a new one",
        ) from error
    try:
        statement = sigstore.dsse.Statement(payload)
        context = sigstore.sign.SigningContext.from_trust_config(
            sigstore.models.ClientTrustConfig.production()
        )
        with context.signer(named) as signer:
            return bytes(signer.sign_dsse(statement).to_json().encode())
    except Exception as error:  # errors of transport, of servers and of tokens alike
        raise _service_failed(error) from error


def open_keyless(raw: bytes, identity: str, issuer: str) -> bytes:
    """The payload of a keyless bundle that ``identity`` signed.

    Raises:
        TrustError: Somebody else did, or the bundle does not verify.
        UnavailableError: sigstore is missing.
    """
    sigstore = _sigstore()
    try:
        found = sigstore.models.Bundle.from_json(raw)
        verifier = sigstore.verify.Verifier.production(offline=True)
        expected = sigstore.verify.policy.Identity(identity=identity, issuer=issuer)
        _, payload = verifier.verify_dsse(found, expected)
    except sigstore.errors.VerificationError as error:
        raise TrustError(
            "the keyless signature does not verify",
            rule="the certificate names the expected identity and is in the transparency log",
            expected=f"{identity} by {issuer}",
            found=str(error)[:200],
            hint="check who signed it",
        ) from error
    except (ValueError, sigstore.models.InvalidBundle) as error:
        raise ArtifactError("this is no keyless bundle", found=str(error)[:200]) from error
    return bytes(payload)


def _sigstore() -> Any:
    import importlib

    try:
        package = importlib.import_module("sigstore")
        for part in ("oidc", "dsse", "sign", "models", "verify", "verify.policy", "errors"):
            importlib.import_module(f"sigstore.{part}")
    except ImportError as error:
        raise UnavailableError(
            "keyless signatures need sigstore, which is not installed",
            expected="the package sigstore",
            found=str(error)[:200],
            hint="pip install sigstore",
        ) from error
    return package
