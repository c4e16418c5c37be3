"""Telemetry that a server sends to a monitor by itself, where ``--telemetry`` names how."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.guard.bundle import Bundle
    from hauberk.guard.desk import Surroundings


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument(
        "--telemetry",
        type=Path,
        metavar="FILE",
        help="send signed counts to a monitor, as this file says",
    )


@contextmanager
def telemetry(
    args: argparse.Namespace, bundle: Bundle, world: Surroundings
) -> Iterator[Surroundings]:
    """The surroundings with a tap that is sent for as long as the block lasts.

    Raises:
        UsageError: It cannot be, or the file is wrong.
    """
    if args.telemetry is None:
        yield world
        return
    from hauberk.cli import _door, _workers
    from hauberk.monitor.sending import Both, Counted, Sender, read_sending, watched_grid
    from hauberk.sketches.profile import Profile

    if not bundle.profile:
        raise UsageError(
            "there is no profile of training to count over",
            expected="a bundle of a release: --bundle",
            found="the server's own metadata alone",
        )
    share = _workers.share_of(args)
    number = 0 if share is None else share.number
    sending = read_sending(args.telemetry).of_worker(number, args.workers)
    training = Profile.from_bytes(bundle.profile)
    grid = watched_grid(training, sending.without)
    tap = Counted(training, bundle.schema, grid, group=sending.group)
    sender = Sender(sending, tap, say=_door.alarm)
    sender.start()
    try:
        yield replace(world, tap=Both(world.tap, tap))
    finally:
        sender.end()
