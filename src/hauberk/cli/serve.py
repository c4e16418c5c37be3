"""Put a verified model on line: the Open Inference Protocol, version 2, behind the guard.

WHAT is a project, whose staged release is verified back to its sources, the folder of a
bundle that carries its signed release, or a channel of a registry (MODEL@production). Nothing
is loaded before it is verified. Without keys the server listens on loopback only. It ends on
Ctrl-C or SIGTERM, once running requests are answered; or when the version from a registry is
retired there. When the registry can no longer be believed, the model that is loaded goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.cli._serve import Opened
    from hauberk.guard.identity import Keyring
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
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8080, help="0 for any free one")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="in place of the bundle's own")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="API keys, as digests")
    parser.add_argument("--new-key", metavar="NAME", help="print a key and its line, and end")
    parser.add_argument("--role", default="", help="of the new key, as the policy names it")
    parser.add_argument(
        "--profile",
        choices=("lean", "watch", "strict"),
        help="controls asked: none over the stream of queries, those, or also models of inputs "
        "(and a log that is durable before the answer)",
    )
    parser.add_argument("--registry", metavar="FOLDER", help="where the registry is")
    parser.add_argument(
        "--recheck",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how often to look whether the version was retired in its registry",
    )
    parser.add_argument("--root", type=Path, metavar="FILE", help="root of trust")
    parser.add_argument("--log", type=Path, metavar="FOLDER", help="log of decisions")
    parser.add_argument(
        "--insecure", action="store_true", help="listen beyond loopback without keys"
    )
    parser.add_argument(
        "--unsigned", action="store_true", help="serve a bundle that nobody answers for"
    )


def run(args: argparse.Namespace) -> int:
    """Verify, serve until told to end, say what came; 130 when ended by a signal."""
    if args.new_key:
        return _new_key(args.new_key, args.role)
    from hauberk.cli._serve import monitored, open_any, open_published, with_policy
    from hauberk.cli.words import configuration
    from hauberk.guard.app import App
    from hauberk.guard.server import hosts_for, listen, serve
    from hauberk.guard.service import Surroundings, further_watches, open_service
    from hauberk.monitor.gauges import Gauges

    keyring = _keyring(args.keys)
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
    training, live = monitored(opened.bundle)
    surroundings = Surroundings(
        keyring=keyring,
        log=opened.log,
        tap=live,
        watches=further_watches(),
        more_metrics=Gauges(training=training, live=live, clock=time.monotonic),
    )
    service = open_service(opened.bundle, surroundings)
    service.desk.announce()
    with listen(args.host, args.port) as sock:
        _say_ready(args, opened, sock.getsockname()[1], has_keys=bool(keyring))
        if opened.recall is not None:
            opened.recall.start()
        stopped = serve(App(service, hosts), sock, opened.bundle.policy)
    _say_what_came(training, live, service)
    if opened.recall is not None and opened.recall.reason:
        return EXIT_RETIRED
    return EXIT_INTERRUPTED if stopped else 0


def _new_key(name: str, role: str) -> int:
    from hauberk.guard.identity import keyring_of, new_key

    key, line = new_key(name, role)
    keyring_of(line)
    print(line)
    print(f"the key, shown once: {key}", file=sys.stderr)
    return 0


def _keyring(file: Path | None) -> Keyring:
    from hauberk.guard.identity import Keyring, keyring_of

    if file is None:
        return Keyring()
    try:
        return keyring_of(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the key file cannot be read", subject=str(file), found=type(error).__name__
        ) from error


def _say_ready(args: argparse.Namespace, opened: Opened, port: int, *, has_keys: bool) -> None:
    bundle = opened.bundle
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"{bundle.name} version {bundle.version}")
    for line in opened.said:
        print(f"  {line}")
    if not has_keys:
        open_to = "EVERYBODY who reaches it" if args.insecure else "this machine only"
        print(f"  no API keys: open to {open_to}")
    if opened.log is None:
        print("  decisions are not logged; name a folder with --log")
    url = f"http://{host}:{port}/v2/models/{bundle.name}"
    print(f"ready: {url}/infer (metrics at http://{host}:{port}/metrics)", flush=True)


def _say_what_came(training: Profile, live: Live, service: Service) -> None:
    from hauberk.monitor.comparison import compare

    found = compare(training, live.window())
    print(f"\n{found.section.title}")
    for name, value in found.section.rows:
        print(f"  {name}: {value}")
    for line in service.metrics.shadows.lines():
        print(f"  {line}")
