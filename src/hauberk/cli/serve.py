"""Put a verified model on line: the Open Inference Protocol, version 2, behind the guard.

WHAT is a project, whose staged release is verified back to its sources, the folder of a
bundle that carries its signed release, or a channel of a registry (MODEL@production). Nothing
is loaded before it is verified. Without keys the server listens on loopback only. It ends on
Ctrl-C or SIGTERM, once running requests are answered; or when the version from a registry is
retired there. When a channel comes to point at another version, that one is verified and takes
over; one that does not verify is refused, and the old one goes on, as it does when the registry
can no longer be believed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _allowing, _door, _telemetry
from hauberk.core.control import Tier

if TYPE_CHECKING:
    from hauberk.cli._serve import Monitoring, Opened
    from hauberk.guard.bundle import Bundle
    from hauberk.guard.reloading import AnyService, Reloader

HELP = "put a verified model on line behind the guard"
EXAMPLE = "hauberk serve examples/loans --port 8080"

EXIT_INTERRUPTED = 130
EXIT_RETIRED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", nargs="?", default=".", metavar="PROJECT|BUNDLE|MODEL@CHANNEL")
    parser.add_argument("--registry", metavar="FOLDER", help="where the registry is")
    parser.add_argument(
        "--recheck",
        type=_door.some_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how often to look whether the version was retired in its registry",
    )
    parser.add_argument("--root", type=Path, metavar="FILE", help="root of trust")
    parser.add_argument(
        "--unsigned", action="store_true", help="serve a bundle that nobody answers for"
    )
    _door.configure(parser)
    _door.configure_grpc(parser)
    parser.add_argument(
        "--golden", type=Path, metavar="FILE", help="rows with known answers, asked before all"
    )
    _allowing.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Verify, serve until told to end, say what came; 130 when ended by a signal."""
    code = _door.new_key(args)
    if code is None:
        code = _door.parent(args)
    return _run(args) if code is None else code


def _run(args: argparse.Namespace) -> int:
    from hauberk.cli._serve import Monitoring, open_any, open_published, with_policy
    from hauberk.cli.words import configuration
    from hauberk.guard.app import App
    from hauberk.guard.server import hosts_for
    from hauberk.guard.service import Surroundings, further_watches, open_service

    keyring = _door.ways(args)
    hosts = hosts_for(args.host, has_keys=bool(keyring), insecure=args.insecure)
    is_published = "@" in args.what and not Path(args.what).exists()
    opened = with_policy(
        open_published(args)
        if is_published
        else open_any(
            Path(args.what),
            configuration(),
            root_file=args.root,
            unsigned=args.unsigned,
            log=args.log,
        ),
        args.policy,
        args.profile,
    )
    if args.golden is not None:
        count = _golden(args, opened.bundle)
        opened = replace(opened, said=(*opened.said, f"{count} golden answers agree"))
    monitoring = Monitoring(opened.bundle)
    world = Surroundings(keyring=keyring, log=opened.log, watches=further_watches())
    surroundings = monitoring.within(_door.shared(args, world))
    with (
        _telemetry.telemetry(args, opened.bundle, surroundings) as tapped,
        _door.door(args) as sock,
    ):
        service = open_service(opened.bundle, tapped)
        service.desk.announce()
        stopped, last = _door.run_door(
            args,
            App(service, hosts),
            service,
            sock,
            _ready(opened, has_keys=bool(keyring)),
            attend=lambda reloader: _follow(args, opened, monitoring, reloader),
        )
    _say_what_came(monitoring, last)
    if opened.recall is not None and opened.recall.reason:
        return EXIT_RETIRED
    return EXIT_INTERRUPTED if stopped else 0


def _golden(args: argparse.Namespace, bundle: Bundle) -> int:
    from hauberk.guard.golden import hold_golden, read_golden

    return hold_golden(bundle, read_golden(args.golden))


def _follow(
    args: argparse.Namespace, opened: Opened, monitoring: Monitoring, reloader: Reloader
) -> None:
    """Look after a version from a registry: another takes over, a retired one ends."""
    from hauberk.cli._follow import Follower
    from hauberk.cli._serve import look_up
    from hauberk.guard.policy import with_profile
    from hauberk.guard.service import open_local

    if opened.recall is None or opened.manifest is None:
        return

    def take(bundle: Bundle) -> None:
        if args.policy is not None:
            bundle = replace(bundle, policy=reloader.service.desk.policy)
        elif args.profile is not None:
            bundle = replace(bundle, policy=with_profile(bundle.policy, Tier(args.profile)))
        answers = open_local(bundle)
        if args.golden is not None:
            _golden(args, bundle)
        world = monitoring.of(bundle).within(reloader.service.desk.world)
        reloader.replace(bundle=bundle, answers=answers, world=world)

    def refused() -> None:
        reloader.service.desk.metrics.reload_failed += 1

    follower = Follower(
        opened.manifest,
        look_up=lambda: look_up(args),
        take=take,
        refused=refused,
        say=_door.alarm,
    )
    opened.recall.follow = follower.look
    opened.recall.start()


def _ready(opened: Opened, *, has_keys: bool) -> _door.Ready:
    bundle = opened.bundle
    return _door.Ready(
        title=f"{bundle.name} version {bundle.version}",
        said=opened.said,
        path=f"/v2/models/{bundle.name}/infer",
        has_keys=has_keys,
        has_log=opened.log is not None,
    )


def _say_what_came(monitoring: Monitoring, service: AnyService) -> None:
    from hauberk.monitor.comparison import compare

    found = compare(monitoring.training, monitoring.live.window())
    print(f"\n{found.section.title}")
    for name, value in found.section.rows:
        print(f"  {name}: {value}")
    for line in service.desk.metrics.shadows.lines():
        print(f"  {line}")
