"""The part of ``hauberk verify`` that looks at model signatures; not a verb of its own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import TrustError, UsageError

if TYPE_CHECKING:
    from hauberk.trust.keys import KeyId, PublicKey
    from hauberk.trust.oms.verification import VerifiedModel


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that concern signatures."""
    group = parser.add_argument_group("signatures of models (OpenSSF Model Signing)")
    group.add_argument("--signature", type=Path, metavar="FILE", help="default: PATH/model.sig")
    group.add_argument("--key", type=Path, action="append", metavar="FILE", help="public key")
    group.add_argument("--identity", metavar="NAME", help="who signed, for keyless signatures")
    group.add_argument("--issuer", metavar="URL", help="who vouches for the identity")
    group.add_argument("--tag", metavar="NAME", help="which image of an OCI layout")


def is_meant(args: argparse.Namespace) -> bool:
    """Whether a signature is to be verified, and not a project's chain."""
    from hauberk.lifecycle.lifecycle_file import find
    from hauberk.trust.oci.layout import is_layout
    from hauberk.trust.oms.verification import SIGNATURE_NAME

    path = Path(args.project)
    if is_layout(path):
        return True
    if args.signature or args.key or args.identity or path.is_symlink() or path.is_file():
        return True
    return path.is_dir() and (path / SIGNATURE_NAME).is_file() and find(path) is None


def run(args: argparse.Namespace) -> int:
    """Verify; what does not hold is raised and becomes exit code 1."""
    from hauberk.trust.oci.layout import is_layout
    from hauberk.trust.oms.verification import signature_path

    path = Path(args.project)
    if is_layout(path) and not args.signature:
        return _told(args, path, _verified_image(args, path))
    if not path.is_symlink() and not path.exists():
        raise UsageError("there is no such model", subject=str(path), expected="a file or folder")
    signature = args.signature or signature_path(path)
    if not signature.exists():
        raise TrustError(
            f"{path} is not signed",
            subject=str(signature),
            rule="a model is believed for its signature only",
            expected="a signature",
            found="none",
            hint="get it from whoever made the model; hauberk sign signs what you made",
        )
    return _told(args, path, _verified(args, path, signature))


def _verified_image(args: argparse.Namespace, path: Path) -> VerifiedModel:
    from hauberk.trust.oci.layout import open_layout
    from hauberk.trust.oci.verification import verify_image

    if args.identity is not None:
        raise UsageError(
            "keyless signatures in images are not read",
            subject="--identity",
            expected="--key with a public key, or --root",
            found="--identity",
        )
    return verify_image(open_layout(path, args.tag), _keys(args))


def _told(args: argparse.Namespace, path: Path, found: VerifiedModel) -> int:
    import json

    if args.format == "json":
        print(json.dumps(_as_json(found), indent=1))
        return 0
    print(f"{path}: {found.n_files} files, {found.n_bytes:,} bytes, all as signed; no others")
    print(f"  signed as  {found.signed.model}\n  root       sha256:{found.signed.root}")
    print(f"  signed by  {', '.join(found.signers)}")
    if found.signed.method.ignored:
        print(f"  not covered, by the signature: {', '.join(found.signed.method.ignored)}")
    return 0


def _verified(args: argparse.Namespace, path: Path, signature: Path) -> VerifiedModel:
    from hauberk.trust.oms import bundle
    from hauberk.trust.oms.signers import open_keyless
    from hauberk.trust.oms.statement import parse
    from hauberk.trust.oms.verification import check_model, verify_model

    if args.identity is None:
        return verify_model(path, signature, _keys(args))
    if args.issuer is None:
        raise UsageError("--identity needs --issuer", subject="--issuer", expected="a URL")
    payload = open_keyless(bundle.read(signature).raw, args.identity, args.issuer)
    return check_model(path, signature, parse(payload), (f"{args.identity} ({args.issuer})",))


def _keys(args: argparse.Namespace) -> dict[KeyId, PublicKey]:
    """The keys that are believed: those named, those of a named root, else the user's own."""
    from hauberk.cli.words import configuration
    from hauberk.trust.keys import Role, load_public
    from hauberk.trust.oms.signers import read_public_file
    from hauberk.trust.root import load

    if args.key:
        return {key.key_id: key for key in map(read_public_file, args.key)}
    if args.root:
        return load(Path(args.root)).keys(Role.RELEASE).by_id()
    key, _ = load_public(configuration() / "keys", Role.RELEASE)
    return {key.key_id: key}


def _as_json(found: VerifiedModel) -> dict[str, object]:
    return {
        "schema": 1,
        "verified": True,
        "model": found.signed.model,
        "root": f"sha256:{found.signed.root}",
        "files": found.n_files,
        "bytes": found.n_bytes,
        "signers": list(found.signers),
        "ignored": list(found.signed.method.ignored),
    }
