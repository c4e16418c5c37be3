"""Put a verified model on line: the Open Inference Protocol, version 2, behind the guard.

WHAT is a project, whose staged release is verified back to its sources, the folder of a
bundle that carries its signed release, or a channel of a registry (MODEL@production). Nothing
is loaded before it is verified. Without keys the server listens on loopback only. It ends on
Ctrl-C or SIGTERM, once running requests are answered; or when the version from a registry is
retired there. When the registry can no longer be believed, the model that is loaded goes on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _allowing, _door

if TYPE_CHECKING:
    from hauberk.cli._serve import Opened
    from hauberk.guard.service import Service
    from hauberk.monitor.live import Live
    from hauberk.sketches.profile import Profile

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
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how often to look whether the version was retired in its registry",
    )
    parser.add_argument("--root", type=Path, metavar="FILE", help="root of trust")
    parser.add_argument(
        "--unsigned", action="store_true", help="serve a bundle that nobody answers for"
    )
    _door.configure(parser)
    parser.add_argument(
        "--golden", type=Path, metavar="FILE", help="rows with known answers, asked before all"
    )
    _allowing.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Verify, serve until told to end, say what came; 130 when ended by a signal."""
    if args.new_key:
        return _door.new_key(args.new_key, args.role)
    from hauberk.cli._serve import monitored, open_any, open_published, with_policy
    from hauberk.cli.words import configuration
    from hauberk.guard.app import App
    from hauberk.guard.server import hosts_for, listen
    from hauberk.guard.service import Surroundings, further_watches, open_service
    from hauberk.monitor.gauges import Gauges

    keyring = _door.keyring(args.keys)
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
        from hauberk.guard.golden import hold_golden, read_golden

        count = hold_golden(opened.bundle, read_golden(args.golden))
        opened = replace(opened, said=(*opened.said, f"{count} golden answers agree"))
    training, live = monitored(opened.bundle)
    surroundings = Surroundings(
        keyring=keyring,
        log=opened.log,
        tap=live,
        watches=further_watches(),
        more_metrics=Gauges(training=training, live=live, clock=time.monotonic),
        allow=(*_allowing.entries(args), *_allowing.entries_of_root(opened.bundle.name)),
    )
    service = open_service(opened.bundle, surroundings)
    service.desk.announce()
    with listen(args.host, args.port) as sock:
        _door.say_ready(args, _ready(opened, has_keys=bool(keyring)), sock.getsockname()[1])
        if opened.recall is not None:
            opened.recall.start()
        stopped, last = _door.run_door(args, App(service, hosts), service, sock)
    _say_what_came(training, live, last)
    if opened.recall is not None and opened.recall.reason:
        return EXIT_RETIRED
    return EXIT_INTERRUPTED if stopped else 0


def _ready(opened: Opened, *, has_keys: bool) -> _door.Ready:
    bundle = opened.bundle
    return _door.Ready(
        title=f"{bundle.name} version {bundle.version}",
        said=opened.said,
        path=f"/v2/models/{bundle.name}/infer",
        has_keys=has_keys,
        has_log=opened.log is not None,
    )


def _say_what_came(training: Profile, live: Live, service: Service) -> None:
    from hauberk.monitor.comparison import compare

    found = compare(training, live.window())
    print(f"\n{found.section.title}")
    for name, value in found.section.rows:
        print(f"  {name}: {value}")
    for line in service.metrics.shadows.lines():
        print(f"  {line}")
