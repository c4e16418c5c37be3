"""Look at how stores are set up: who may read, list, write or change settings.

PATH is a folder (its modes), a document (a policy, an access list, exports), or
s3://BUCKET/PREFIX on a server (its own documents, and what a stranger gets). Without any, the
stores of the project are looked at. Credentials come from AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.core.finding import Severity

if TYPE_CHECKING:
    from hauberk.core.artifact import StoreSettings
    from hauberk.scanner import Located

HELP = "look at buckets, folders and policies: who is let in"
EXAMPLE = "hauberk store check s3://models/loans --endpoint https://s3.example.org"

_AMAZON = "https://s3.amazonaws.com"
_SCHEME = "s3://"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    check = deeds.add_parser("check", help="who may read, list, write or change settings")
    check.add_argument("paths", nargs="*", metavar="PATH|s3://BUCKET/PREFIX")
    check.add_argument("--endpoint", metavar="URL", help=f"server of S3 (default: {_AMAZON})")
    check.add_argument("--region", default="us-east-1", metavar="NAME")
    check.add_argument("--project", default=".", metavar="DIR")
    check.add_argument("--format", choices=("text", "json", "sarif", "html"), default="text")
    check.add_argument(
        "--fail-on",
        choices=[severity.value for severity in reversed(Severity)],
        default=Severity.HIGH.value,
    )


def run(args: argparse.Namespace) -> int:
    """Look and print; the exit code is that of the verdict."""
    import sys
    from datetime import UTC, datetime

    from hauberk import report
    from hauberk.core.policy import Policy
    from hauberk.scanner.scanning import judge

    names, endpoint = _names(args)
    result = judge(
        (_located(name, endpoint, args.region) for name in names),
        names,
        policy=Policy(fail_on=Severity(args.fail_on)),
        today=datetime.now(UTC).date(),
    )
    if args.format == "text":
        from hauberk.cli.words import colour

        sys.stdout.write(report.scan_text(result, colour=colour()))
    else:
        writers = {"json": report.scan_json, "sarif": report.scan_sarif, "html": report.scan_html}
        sys.stdout.write(writers[args.format](result))
    return int(result.summary["exit_code"])


def _names(args: argparse.Namespace) -> tuple[list[str], str]:
    """What to look at, and the server that buckets lie on."""
    if args.paths:
        return list(args.paths), args.endpoint or _AMAZON
    from hauberk.cli.words import project_folder
    from hauberk.errors import UsageError
    from hauberk.trust.backends import of_project

    root = project_folder(args.project)
    found = of_project(root)
    names = [str(root / ".hauberk")] if (root / ".hauberk").is_dir() else []
    if found.blobs is not None and found.blobs.startswith(_SCHEME):
        names.append(found.blobs)
    if not names:
        raise UsageError(
            "there is no store here",
            subject=str(root),
            expected="a project with .hauberk, or a PATH",
            found="neither",
            hint="hauberk store check FOLDER, FILE or s3://BUCKET/PREFIX",
        )
    return names, args.endpoint or found.endpoint or _AMAZON


def _located(name: str, endpoint: str, region: str) -> Located:
    from hauberk.scanner import Located
    from hauberk.scanner.stores import document, folder

    if name.startswith(_SCHEME):
        return Located(path=name, kind="bucket", open=lambda: _bucket(name, endpoint, region))
    path = Path(name)
    if not path.exists():
        from hauberk.errors import UsageError

        raise UsageError(f"there is nothing at {name}", subject=name)
    if path.is_dir():
        return Located(path=name, kind="folder of a store", open=lambda: folder(path))
    return Located(path=name, kind="settings of a store", open=lambda: document(path))


def _bucket(name: str, endpoint: str, region: str) -> StoreSettings:
    """A bucket as its server describes it, and as a stranger finds it."""
    from hauberk.core.artifact import StoreSettings
    from hauberk.integrations.s3 import Bucket, credentials

    bucket_name, _, prefix = name.removeprefix(_SCHEME).partition("/")
    bucket = Bucket(name=bucket_name, endpoint=endpoint, region=region)
    documents = bucket.documents(credentials())
    encryption = documents.pop("encryption", None)
    return StoreSettings(
        name=name,
        documents=documents,
        prefix=prefix.strip("/"),
        strangers=bucket.strangers(prefix.strip("/")),
        is_encrypted=encryption is not None and b"SSEAlgorithm" in encryption,
    )
