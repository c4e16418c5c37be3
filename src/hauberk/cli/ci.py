"""Write a workflow that scans, runs the lifecycle and signs in a job of its own.

Every job starts with no rights and gets those that it needs; the job that runs the project's
code holds no key, and the job that signs runs none of the project's code. It takes over the model
that hauberk.toml names first among the outputs of the training, scans it again and signs it. The
only actions are GitHub's own, pinned by their commits; all else are plain shell commands.
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
    parser.add_argument("--project", default=".", metavar="DIR", help="whose hauberk.toml is read")
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
    models = _models(Path(args.project))
    text = github(models) if args.host == "github" else gitlab(models, args.image or "")
    if args.output is None:
        sys.stdout.write(text)
        return 0
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(text, "utf-8")
    sys.stderr.write(
        f"wrote {args.output}; keep a hash-locked requirements.txt with hauberk in it\n"
    )
    return 0


def _models(project: Path) -> list[str]:
    """The model that the training makes: the first of its outputs."""
    from hauberk.core.lifecycle import Component
    from hauberk.errors import UsageError
    from hauberk.lifecycle.settings import load

    training = load(project).table(Component.TRAINING)
    models = [str(path) for path in training.outputs if path != training.metrics][:1]
    if models and not any(set(path) & set("\n'\"${}#:*\\") for path in models):
        return models
    raise UsageError(
        "the lifecycle makes no model that a workflow could sign",
        subject="hauberk.toml, [training] outputs",
        expected="the model first, its name in plain letters",
        found=", ".join(map(repr, training.outputs)) or "none",
    )
