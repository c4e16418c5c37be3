"""Sign a model, or any folder or file: an OpenSSF Model Signing signature over every file.

The signature is written to PATH/model.sig, or beside a single file with the ending .sig;
--signature puts it elsewhere. Without --key your own release key signs, made by hauberk init.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hauberk.trust.dsse import SigningKey

HELP = "sign a model or any folder (OpenSSF Model Signing)"
EXAMPLE = "hauberk sign models/loans"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--signature", type=Path, metavar="FILE", help="where to write it")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--key", type=Path, metavar="FILE", help="private key in PEM")
    which.add_argument("--signer", metavar="URI", help="hsm:, gcpkms:, awskms:, azurekms:, hv:")
    which.add_argument("--keyless", action="store_true", help="sign as an OpenID identity")
    parser.add_argument("--public-key", type=Path, metavar="FILE", help="of the --signer")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="token for --keyless")
    parser.add_argument(
        "--shards", metavar="SIZE", help="hash in shards such as 64MiB: parallel inside one file"
    )


def run(args: argparse.Namespace) -> int:
    """Hash, sign, write."""
    from hauberk.trust.oms import bundle
    from hauberk.trust.oms.signers import keyless_bundle
    from hauberk.trust.oms.verification import signature_path, statement_of

    signature = args.signature or signature_path(args.path)
    keys = [] if args.keyless else [_key(args)]
    signed = statement_of(args.path, signature, shard_bytes=_size(args.shards))
    if args.keyless:
        token = args.token_file.read_text().strip() if args.token_file else None
        data, who = keyless_bundle(signed.to_bytes(), token), "a keyless identity"
    else:
        data, who = bundle.seal(signed.to_bytes(), keys), f"key {keys[0].public.key_id[:16]}"
    _write(signature, data)
    print(f"signed {len(signed.resources)} resources of {signed.model} with {who}")
    print(f"  root       sha256:{signed.root}\n  signature  {signature}")
    return 0


def _key(args: argparse.Namespace) -> SigningKey:
    from hauberk.errors import UsageError
    from hauberk.trust.oms.signers import (
        ask_secret,
        read_private_file,
        read_public_file,
        service_key,
    )

    if args.key is not None:
        return read_private_file(args.key)
    if args.signer is None:
        return _own()
    if args.public_key is None:
        raise UsageError(
            "--signer needs --public-key",
            subject="--public-key",
            rule="signatures of a service are held against a key that is known beforehand",
            expected="the public key in PEM",
            found="none",
        )
    return service_key(args.signer, read_public_file(args.public_key), ask_secret)


def _own() -> SigningKey:
    """The user's release key; made where the user has none yet."""
    from hauberk.cli.words import configuration
    from hauberk.lifecycle.signing import keys_folder, make_keys
    from hauberk.trust.keys import Role, load

    for line in make_keys(configuration()):
        if "kept" not in line:
            print(line)
    return load(keys_folder(configuration()), Role.RELEASE)


def _size(text: str | None) -> int | None:
    import re

    from hauberk.errors import UsageError

    if text is None:
        return None
    units = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    match = re.fullmatch(r"(\d{1,12})(KiB|MiB|GiB)?", text)
    if match is None or int(match[1]) == 0:
        raise UsageError(
            "not a size", subject="--shards", expected="such as 64MiB", found=text[:40]
        )
    return int(match[1]) * units[match[2] or ""]


def _write(path: Path, data: bytes) -> None:
    from hauberk.trust.private_files import write

    write(path, data, 0o644)
