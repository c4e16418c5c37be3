"""A model registry that refuses forgeries: TUF metadata in a folder, weights by digest, no server.

`hauberk run` publishes to staging. Production needs two persons, whose keys were made on two
machines; whoever comes second repeats the command of the first. What is read, by `pull`,
`verify` and `serve`, is held against the root of trust pinned outside the registry.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _allowing, _rollback_request

if TYPE_CHECKING:
    from collections.abc import Callable

HELP = "publish, promote, roll back and retire models under signed metadata"
EXAMPLE = "hauberk registry promote loans@3"

_REFERENCE = "MODEL@VERSION"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    for name, (text, declare) in _DEEDS.items():
        deed = deeds.add_parser(name, help=text, description=text)
        declare(deed)
        deed.add_argument("--registry", metavar="FOLDER", help="where the registry is")
        deed.add_argument("--root", type=Path, metavar="FILE", help="root of trust that names it")
        deed.add_argument("--signer", metavar="URI", help="key of a service: hsm:, awskms:, ...")
        deed.add_argument("--public-key", type=Path, metavar="FILE", help="its public half")
        deed.add_argument("--project", default=".", metavar="DIR", help="the project's folder")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; refusals are raised and become exit code 1."""
    from hauberk.cli import _registry_deeds as deeds

    found: Callable[[argparse.Namespace], int] = getattr(deeds, args.deed.replace("-", "_"))
    return found(args)


def _init(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("--name", help="the registry's name; the project's by default")
    deed.add_argument("--persons", type=int, default=2, help="persons that production needs")
    deed.add_argument("--large", action="store_true", help="for thousands of models")
    _custody(deed)


def _custody(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("--custodian", help="who answers for new keys; the user by default")
    deed.add_argument("--machine", help="where new keys are kept, if not on this machine")


def _key(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("--as", dest="office", default="person", choices=_OFFICES)
    deed.add_argument("--out", type=Path, metavar="CARD", help="where to write its public half")
    _custody(deed)


def _grant(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("card", type=Path, help="a key's public half, from hauberk registry key")
    deed.add_argument("--as", dest="office", default="person", choices=_OFFICES)
    deed.add_argument("--dry-run", action="store_true", help="only say what would change")


def _sign(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("roles", nargs="*", metavar="ROLE", help="sign these; none: show only")


def _publish(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("path", nargs="?", type=Path, help="a file or folder; else what is staged")
    deed.add_argument("--model", help="its name, with a path")
    deed.add_argument("--version", help="its version, with a path")
    _allowing.configure(deed)


def _promote(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("reference", metavar=_REFERENCE)
    deed.add_argument(
        "--max-age",
        type=float,
        metavar="DAYS",
        help="of the examination; can only be stricter than the pinned policy",
    )
    deed.add_argument(
        "--examination",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a later one, made by hauberk validate --attest; may be repeated",
    )


def _rollback(deed: argparse.ArgumentParser) -> None:
    _promote(deed)
    deed.add_argument("--reason", default="", metavar="TEXT", help="why; or a --request says so")
    deed.add_argument("--days", type=float, default=7.0, help="how long it lasts")
    _rollback_request.configure(deed)


def _retire(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("reference", metavar=_REFERENCE)
    deed.add_argument("--reason", required=True, metavar="TEXT")


def _revoke(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("key_id", metavar="KEY", help="its id, or the beginning of it")
    deed.add_argument("--reason", required=True, metavar="TEXT")
    deed.add_argument("--dry-run", action="store_true", help="only say what would change")


def _format(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("--format", choices=("text", "json"), default="text")


def _history(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("model", metavar="MODEL")
    _format(deed)


def _pull(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("reference", metavar="MODEL@CHANNEL")
    deed.add_argument("target", type=Path, metavar="FOLDER", help="must not be there yet")
    deed.add_argument("--unattested", action="store_true", help="take what nobody attests")
    _allowing.configure(deed)


def _requests(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("requests", type=Path, metavar="FILE", help="from mlflow_promotions")
    _format(deed)


def _export(deed: argparse.ArgumentParser) -> None:
    deed.add_argument("reference", metavar="MODEL@CHANNEL")
    deed.add_argument("target", type=Path, metavar="LAYOUT", help="must not be there yet")
    deed.add_argument("--key", type=Path, metavar="FILE", help="private key in PEM that signs it")
    deed.add_argument("--tag", help="the image's name; the version by default")
    deed.add_argument("--architecture", default="amd64", help="what the image says of machines")
    deed.add_argument("--unattested", action="store_true", help="take what nobody attests")
    _allowing.configure(deed)


def _nothing(deed: argparse.ArgumentParser) -> None:
    del deed


_OFFICES = ("person", "trainer", "snapshot", "timestamp")
_DEEDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "init": ("make keys, roles and policy, and pin them", _init),
    "key": ("make a key where there is none, and write its public half", _key),
    "grant": ("let somebody's key count", _grant),
    "sign": ("show what waits for signatures, and sign it", _sign),
    "publish": ("add a version, to staging", _publish),
    "promote": ("let production point at a version; two persons", _promote),
    "rollback": ("let production point at an older version for a while", _rollback),
    "retire": ("never let a version be served again", _retire),
    "revoke-key": ("let a key count for nothing any more", _revoke),
    "resign": ("sign anew what expires; 1 where only others can", _nothing),
    "status": ("show roles, persons, expiry and channels", _format),
    "history": ("show what the channels of a model pointed at", _history),
    "pull": ("fetch a verified version into a folder", _pull),
    "requests": ("say what became of requests to promote", _requests),
    "export": ("write a verified version as a signed OCI image layout", _export),
}
