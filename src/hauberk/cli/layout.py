"""Declare the steps of a pipeline, sign the declaration, and hold every run against it.

`propose` writes a layout from statements that `hauberk step` left; `sign` seals it with the
owner's key; `link` signs one step's statement with a functionary's key, in a job of its own,
after it has hashed the products itself; `verify` refuses an extra, missing or changed step, a
swapped artifact, another image, another key. Keys are PEM files (`openssl genpkey -algorithm
ed25519`).

Exit codes: 0 as declared, 1 refused, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hauberk.core.artifact import Digest
    from hauberk.trust.keys import KeyId, PublicKey

HELP = "declare a pipeline's steps, sign that, and hold runs against it"
EXAMPLE = "hauberk layout verify ci.layout --owner owner.pub.pem"

LINKS = Path(".hauberk/links")
_DAYS = 365
_MAX_LINK_BYTES = 64 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    propose = deeds.add_parser("propose", help="write a layout from the statements of a run")
    propose.add_argument("--key", action="append", required=True, metavar="NAME=PEM")
    propose.add_argument("--days", type=int, default=_DAYS, metavar="N", help="until it expires")
    propose.add_argument("--output", type=Path, default=Path("ci-layout.toml"), metavar="FILE")
    seal = deeds.add_parser("sign", help="sign a layout as its owner")
    seal.add_argument("source", type=Path, metavar="TOML")
    seal.add_argument("--key", type=Path, action="append", required=True, metavar="PEM")
    seal.add_argument("--output", type=Path, default=Path("ci.layout"), metavar="FILE")
    link = deeds.add_parser("link", help="sign one step's statement as a functionary")
    link.add_argument("name", metavar="STEP")
    link.add_argument("--key", type=Path, required=True, metavar="PEM")
    verify = deeds.add_parser("verify", help="hold links and files against a signed layout")
    verify.add_argument("layout", type=Path, metavar="LAYOUT")
    verify.add_argument("--owner", type=Path, action="append", required=True, metavar="PEM")
    verify.add_argument("--threshold", type=int, default=1, metavar="N", help="owners that signed")
    verify.add_argument("--links", type=Path, metavar="FOLDER", help=f"default: {LINKS}")
    verify.add_argument("--run", default="", metavar="ID", help="the run that is meant")
    for deed in (propose, link, verify):
        deed.add_argument("--project", type=Path, default=Path(), metavar="FOLDER")


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    return {"propose": _propose, "sign": _sign, "link": _link, "verify": _verify}[args.deed](args)


def _propose(args: argparse.Namespace) -> int:
    import time

    from hauberk.lifecycle.pipeline_layouts import proposal, statements

    keys = dict(_named(word) for word in args.key)
    expires = time.time() + args.days * 86_400
    said = statements(args.project.resolve())
    args.output.write_text(proposal(args.project.resolve().name, said, keys, expires), "utf-8")
    sys.stdout.write(
        f"{args.output}: {len(said)} steps; read it, then hauberk layout sign {args.output}\n"
    )
    return 0


def _named(word: str) -> tuple[str, str]:
    from hauberk.errors import UsageError

    name, sign, path = word.partition("=")
    if not sign or not name or not path:
        raise UsageError("not a key with its name", subject=word, expected="builder=builder.pem")
    return name, path


def _sign(args: argparse.Namespace) -> int:
    from hauberk.lifecycle.pipeline_layouts import read_toml
    from hauberk.trust.oms.signers import read_private_file
    from hauberk.trust.step_layout import seal

    layout = read_toml(args.source)
    envelope = seal(layout, [read_private_file(path) for path in args.key])
    args.output.write_bytes(envelope.to_bytes())
    sys.stdout.write(f"{args.output}: {len(layout.steps)} steps of {layout.name}, signed\n")
    return 0


def _link(args: argparse.Namespace) -> int:
    import os

    from hauberk.errors import TrustError, UsageError
    from hauberk.lifecycle.wrapping import FOLDER
    from hauberk.trust.ci import where
    from hauberk.trust.digest import check
    from hauberk.trust.oms.signers import read_private_file
    from hauberk.trust.step_links import link, read_statement

    if fork := where(os.environ).fork:
        raise TrustError("nothing is signed for a fork", subject=args.name, found=fork)
    root = args.project.resolve()
    path = root / FOLDER / f"{args.name}.json"
    if not path.is_file():
        raise UsageError("there is no statement of this step", subject=str(path), found="nothing")
    statement = path.read_bytes()
    held = _held(root)
    for name, digest in read_statement(statement).products.items():
        found = held(name)
        if found is None:
            raise TrustError("a product is not there", subject=name, expected=digest)
        check(found, digest, subject=name, hint="somebody changed it after the step")
    target = root / LINKS / f"{args.name}.link"
    target.parent.mkdir(parents=True, exist_ok=True)
    earlier = target.read_bytes() if target.is_file() else b""
    target.write_bytes(link(statement, read_private_file(args.key), earlier))
    sys.stdout.write(f"{target}: signed\n")
    return 0


def _verify(args: argparse.Namespace) -> int:
    import time

    from hauberk.errors import UsageError
    from hauberk.trust.step_layout import open_layout
    from hauberk.trust.step_links import check_links, told

    root = args.project.resolve()
    folder = args.links or root / LINKS
    try:
        data = args.layout.read_bytes()
    except OSError as error:
        raise UsageError("there is no layout", subject=str(args.layout)) from error
    layout = open_layout(data, _owners(args.owner), args.threshold, time.time())
    steps = check_links(layout, _read_links(folder), _held(root), run=args.run)
    sys.stdout.write("".join(f"{line}\n" for line in told(steps)))
    sys.stdout.write(f"{layout.name}: {len(steps)} steps as declared and signed\n")
    return 0


def _owners(paths: list[Path]) -> dict[KeyId, PublicKey]:
    from hauberk.trust.oms.signers import read_public_file

    return {key.key_id: key for key in map(read_public_file, paths)}


def _read_links(folder: Path) -> dict[str, bytes]:
    """Every file of the folder; what is no link there is refused, not passed over."""
    from hauberk.errors import ArtifactError

    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_LINK_BYTES:
            raise ArtifactError(
                "this is no link", subject=str(path), rule="links are files of at most 64 MiB"
            )
        found[path.name] = path.read_bytes()
    return found


def _held(root: Path) -> Callable[[str], Digest | None]:
    """Digests of what lies in a project now."""
    from hauberk.trust.digest import digest_file

    def held(name: str) -> Digest | None:
        path = root / name
        return digest_file(path) if path.is_symlink() or path.exists() else None

    return held
