"""Erasing what a log says of one sender, and reading what was not erased."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.trust.erasure import Vault


def configure_erasure(deeds: Any) -> None:
    """Declare the arguments."""
    erase = deeds.add_parser("erase", help="forget one sender: the log stays whole")
    erase.add_argument("sender", help="the sender, or the pseudonym that the log shows")
    erase.add_argument("--erasable", type=Path, required=True, metavar="FOLDER", help="its keys")


def erase(args: argparse.Namespace) -> int:
    """Erase a key."""
    pseudonym = vault_of(args.erasable).erase(args.sender)
    print(f"erased: what the log says of {pseudonym} cannot be read any more")
    return 0


def vault_of(folder: Path) -> Vault:
    """The keys in a folder that is there.

    Raises:
        UsageError: There is none.
    """
    from hauberk.trust.erasure import FILE, Vault

    if not (folder / FILE).is_file():
        raise UsageError(
            "there are no keys of senders",
            subject=str(folder),
            expected="the folder that `hauberk serve --erasable` was given",
            found="nothing of the kind",
        )
    return Vault(folder)


def readable(record: bytes, vault: Vault | None) -> bytes:
    """A record with what was sealed in it, where its key is still there."""
    from hauberk.trust.erasure import opened

    value = None if vault is None else opened(record, vault)
    return record if value is None else json.dumps(value).encode()
