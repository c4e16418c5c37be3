"""The part of ``hauberk registry export`` that writes images; not a verb of its own."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _allowing

if TYPE_CHECKING:
    from hauberk.trust.dsse import SigningKey


def export_version(args: argparse.Namespace) -> int:
    """Fetch a version as `hauberk registry pull` does, sign it, and write it as an image."""
    from hauberk.cli._registry_reading import resolved
    from hauberk.engine.load_gate import admit_to_store
    from hauberk.trust.oci.writing import write_layout
    from hauberk.trust.oms.verification import SIGNATURE_NAME, sign_model
    from hauberk.trust.registry.transfer import fetch_folder

    key = _key(args)
    found = resolved(args, args.reference, unattested=args.unattested)
    manifest = found.manifest
    allow = (*_allowing.entries(args), *_allowing.entries_of_root(manifest.model))
    args.target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".hauberk-export-", dir=args.target.absolute().parent
    ) as scratch:
        folder = Path(scratch, manifest.model.replace("/", "-"))
        fetch_folder(
            found.place.blobs,
            found.layout(),
            folder,
            extra=found.statements(),
            admit=lambda place: admit_to_store(place, allow=allow),
        )
        signature = folder / SIGNATURE_NAME
        signature.write_bytes(sign_model(folder, signature, [key]))
        written = write_layout(
            folder,
            args.target,
            tag=args.tag or str(manifest.version),
            architecture=args.architecture,
            annotations={
                "org.opencontainers.image.title": manifest.model,
                "org.opencontainers.image.version": str(manifest.version),
                "org.opencontainers.image.revision": found.resolved.digest,
            },
        )
    print(f"{found.reference}: version {manifest.version} in {args.target}")
    print(f"  image      {written.digest}")
    print(f"  layers     {written.layers}, {written.n_bytes:,} bytes")
    print(f"  signed by  {key.public.key_id}")
    for line in found.said():
        print(f"  {line}")
    return 0


def _key(args: argparse.Namespace) -> SigningKey:
    """The key that signs what leaves the registry: named, of a service, or the user's own."""
    from hauberk.cli.words import configuration
    from hauberk.errors import UsageError
    from hauberk.trust.keys import Role, load
    from hauberk.trust.oms.signers import (
        ask_secret,
        read_private_file,
        read_public_file,
        service_key,
    )

    if args.key is not None:
        return read_private_file(args.key)
    if not args.signer:
        return load(configuration() / "keys", Role.RELEASE)
    if args.public_key is None:
        raise UsageError(
            "--signer needs --public-key",
            subject="--public-key",
            expected="the public half of the service's key, in PEM",
            found="none",
        )
    return service_key(args.signer, read_public_file(args.public_key), ask_secret)
