"""Options that let a model with unreviewed names pass a load gate, as entries of a policy."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.core.policy import Waiver


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare ``--allow``, ``--owner`` and ``--because``."""
    review = parser.add_argument_group("names that nobody has reviewed")
    review.add_argument("--allow", metavar="NAME", action="append", default=[])
    review.add_argument("--owner", metavar="WHO", help="who answers for --allow")
    review.add_argument(
        *("--because", "--reason"), dest="because", metavar="WHY", help="why it may be loaded"
    )


def entries(args: argparse.Namespace) -> tuple[Waiver, ...]:
    """What the options allow, for today.

    Raises:
        UsageError: Nobody answers for it, or no reason is given.
    """
    from datetime import UTC, datetime

    from hauberk.core.policy import Waiver

    if args.allow and not (args.owner and args.because):
        raise UsageError(
            "--allow needs an owner and a reason",
            subject="--allow",
            expected="--owner WHO --because WHY",
        )
    today = datetime.now(UTC).date()
    return tuple(
        Waiver(threat="EX-1", subject=name, reason=args.because, owner=args.owner, expires=today)
        for name in args.allow
    )


def entries_of_root(project: str) -> tuple[Waiver, ...]:
    """The entries of the policy that is pinned for a project or model; none where none is."""
    from hauberk.cli.words import configuration
    from hauberk.trust import root as roots

    for path in sorted((configuration() / "roots").glob("*.json")):
        if path.stem.lower() == project.lower():
            return roots.load(path).policy.waivers
    return ()
