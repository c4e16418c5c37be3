"""What a server tells by itself: a monitor (``--telemetry``), OpenTelemetry (``--otlp``)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.formats.v2_schema import InputSchema
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
    parser.add_argument(
        "--otlp",
        metavar="URL|FILE",
        help="send traces and metrics to a collector of OpenTelemetry, http://HOST:4318 or as "
        "this file says",
    )


@contextmanager
def observed(args: argparse.Namespace, world: Surroundings, name: str) -> Iterator[Surroundings]:
    """The surroundings with an observer that is exported for as long as the block lasts.

    Args:
        name: Of the service, where the settings give none.

    Raises:
        UsageError: The settings are wrong.
    """
    if args.otlp is None:
        yield world
        return
    from hauberk.cli import _door, _workers
    from hauberk.guard.exporting import Exporter, poster, read_exporting
    from hauberk.guard.observing import Observing

    exporting = read_exporting(args.otlp)
    scheme = "http" if args.tls_cert is None else "https"
    observing = Observing(replace(exporting.telling, scheme=scheme))
    share = _workers.share_of(args)
    resource: dict[str, str | int] = {"service.name": exporting.service or name}
    if share is not None:
        resource["hauberk.worker"] = share.number
    exporter = Exporter(exporting, observing, poster(exporting), resource=resource, say=_door.alarm)
    exporter.start()
    try:
        yield replace(world, observer=observing)
    finally:
        exporter.end()


@contextmanager
def telemetry(
    args: argparse.Namespace, bundle: Bundle, world: Surroundings
) -> Iterator[Surroundings]:
    """The surroundings with a tap that is sent for as long as the block lasts.

    Raises:
        UsageError: It cannot be, or the file is wrong.
    """
    from hauberk.monitor.sending import read_sending

    with observed(args, world, bundle.name) as seen:
        if args.telemetry is None:
            yield seen
            return
        if not bundle.profile:
            raise UsageError(
                "there is no profile of training to count over",
                expected="a bundle of a release: --bundle",
                found="the server's own metadata alone",
            )
        if read_sending(args.telemetry).reference is not None:
            raise UsageError(
                "the profile to count over is the one of the release",
                subject=str(args.telemetry),
                expected="no reference of its own, which is for chats",
                found="reference",
            )
        with counted(args, bundle.profile, bundle.schema, seen) as tapped:
            yield tapped


@contextmanager
def counted(
    args: argparse.Namespace, profile: bytes, schema: InputSchema, world: Surroundings
) -> Iterator[Surroundings]:
    """The surroundings with a tap that counts over ``profile``, and is sent, in the block."""
    from hauberk.cli import _door, _workers
    from hauberk.monitor.sending import Both, Counted, Sender, read_sending, watched_grid
    from hauberk.sketches.profile import Profile

    share = _workers.share_of(args)
    number = 0 if share is None else share.number
    sending = read_sending(args.telemetry).of_worker(number, args.workers)
    training = Profile.from_bytes(profile)
    grid = watched_grid(training, sending.without)
    tap = Counted(training, schema, grid, group=sending.group)
    sender = Sender(sending, tap, say=_door.alarm)
    sender.start()
    try:
        yield replace(world, tap=Both(world.tap, tap))
    finally:
        sender.end()
