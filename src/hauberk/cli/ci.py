"""Write a workflow that scans, runs the lifecycle and signs in a job of its own.

Every job starts with no rights and gets those that it needs; the job that runs the project's
code holds no key, and the job that signs runs none of the project's code. Steps are plain shell
commands: an action of somebody else would have to be pinned by a commit that this program cannot
know. The source is fetched with git at exactly the commit that started the run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "write a workflow with least rights for GitHub or GitLab"
EXAMPLE = "hauberk ci github --output .github/workflows/hauberk.yml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("host", choices=("github", "gitlab"))
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    parser.add_argument("--image", metavar="IMAGE@DIGEST", help="GitLab: the image of the jobs")


def run(args: argparse.Namespace) -> int:
    """Write the workflow."""
    from hauberk.errors import UsageError
    from hauberk.integrations.workflows import github, gitlab

    if args.host == "gitlab" and args.image and "@sha256:" not in args.image:
        raise UsageError(
            "the image of the jobs is named by its digest",
            subject="--image",
            expected="image@sha256:...",
            found=args.image,
        )
    text = github() if args.host == "github" else gitlab(args.image or "")
    if args.output is None:
        sys.stdout.write(text)
        return 0
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(text, "utf-8")
    sys.stderr.write(
        f"wrote {args.output}; keep a hash-locked requirements.txt with hauberk in it\n"
    )
    return 0
