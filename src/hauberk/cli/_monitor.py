"""The deeds of `hauberk monitor` that watch: the server, one round, silences, exports."""

from __future__ import annotations

import argparse
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.guard.app import App as GuardApp
    from hauberk.monitor.settings import Settings
    from hauberk.monitor.watching import Monitor

EXIT_INTERRUPTED = 130
TICK_S = 5.0
HOUR_S = 3600


def configure_watching(parser: argparse.ArgumentParser, deeds: Any) -> None:
    """Declare the arguments of the server and of the deeds beside it."""
    _sources(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address of the page")
    parser.add_argument("--port", type=int, default=9464, help="0 for any free one")
    parser.add_argument(
        "--insecure", action="store_true", help="show the page beyond loopback, to everybody"
    )
    once = deeds.add_parser("once", help="one round of watching, with an exit code")
    _sources(once)
    silence = deeds.add_parser("silence", help="say nothing of a cause for a time")
    silence.add_argument("cause", help="beginning of the causes meant, as an alert shows it")
    silence.add_argument("--owner", required=True, help="who answers for it")
    silence.add_argument("--reason", required=True)
    silence.add_argument("--hours", type=float, default=24.0, help="until it ends (default 24)")
    silence.add_argument("--config", type=Path, default=Path("monitor.toml"), metavar="FILE")
    kept = deeds.add_parser("silences", help="what is silenced, by whom, until when")
    kept.add_argument("--end", type=int, metavar="N", help="speak again of the one of this number")
    kept.add_argument("--config", type=Path, default=Path("monitor.toml"), metavar="FILE")
    key = deeds.add_parser("key", help="make a key that requests or telemetry are signed with")
    key.add_argument("file", type=Path, metavar="FILE", help="the private key; .pub goes beside")
    export = deeds.add_parser("export", help="dashboard and rules for Grafana and Prometheus")
    export.add_argument("folder", type=Path, metavar="FOLDER")


def _sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="what is watched (default: monitor.toml)"
    )
    parser.add_argument("--reference", type=Path, metavar="PROFILE", help="instead of a file")
    parser.add_argument("--predictions", type=Path, metavar="FOLDER", help="tables dropped there")
    parser.add_argument("--log", type=Path, metavar="FOLDER", help="a guard's log of decisions")
    parser.add_argument("--model", default="model", metavar="NAME", help="what to call it")
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="the monitor's own folder")


def watch(args: argparse.Namespace) -> int:
    """Serve the page and work until a signal; 130 then."""
    from hauberk.guard.policy import GuardPolicy
    from hauberk.guard.server import hosts_for, listen, serve
    from hauberk.monitor.web import App, ticking

    settings = settings_of(args)
    hosts = hosts_for(args.host, has_keys=False, insecure=args.insecure)
    with _held(settings):
        monitor = opened(settings)
        with listen(args.host, args.port) as sock, ticking(monitor, TICK_S):
            port = sock.getsockname()[1]
            _say_ready(monitor, f"http://{args.host}:{port}/")
            app = cast("GuardApp", App(monitor, hosts))
            stopped = serve(app, sock, GuardPolicy())
    return EXIT_INTERRUPTED if stopped else 0


def once(args: argparse.Namespace) -> int:
    """One round; what is shown of the last day."""
    from hauberk.core.finding import Severity

    settings = settings_of(args)
    with _held(settings):
        monitor = opened(settings)
        monitor.tick()
        found = monitor.store.causes(since=time.time() - 24 * HOUR_S, limit=200)
        for name, trouble in monitor.troubles.items():
            print(f"TROUBLE   {name}: {trouble}")
    for item in found:
        alert = item.alert
        print(f"{alert.severity.value.upper():<9} {_line(alert.asset)} {_line(alert.title)}")
        for name, value in alert.facts.items():
            print(f"          {_line(name)}: {_line(value)}")
    print(f"{len(found)} alerts in the last day")
    is_bad = any(item.alert.severity.rank >= Severity.HIGH.rank for item in found)
    return 1 if is_bad else (3 if monitor.troubles else 0)


def silence(args: argparse.Namespace) -> int:
    """Write a silence; it always has an owner and an end."""
    from hauberk.methods.alerting import Silence
    from hauberk.monitor.settings import read_settings
    from hauberk.monitor.store import open_store

    if not 0 < args.hours <= 24 * 90 or not args.cause.strip() or not args.owner.strip():
        raise UsageError(
            "this silence cannot be",
            subject="hauberk monitor silence",
            rule="a silence has a cause, an owner, and an end within 90 days",
            expected="--owner NAME --hours up to 2160",
            found=f"{args.hours} hours by {args.owner!r}",
        )
    settings = read_settings(args.config)
    store, _ = open_store(settings.state, address=settings.store, schema=settings.schema)
    until = time.time() + args.hours * HOUR_S
    with store.changing() as change:
        change.put_silence(
            Silence(cause=args.cause, owner=args.owner, reason=args.reason, until=until)
        )
    end = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(until))
    print(f"silent about {args.cause} until {end}, by {args.owner}")
    return 0


def silences(args: argparse.Namespace) -> int:
    """List silences that have not ended, or end one."""
    from hauberk.monitor.settings import read_settings
    from hauberk.monitor.store import open_store

    settings = read_settings(args.config)
    store, _ = open_store(settings.state, address=settings.store, schema=settings.schema)
    found = dict(store.silences(time.time()))
    if args.end is not None:
        if args.end not in found:
            raise UsageError(
                "there is no such silence",
                subject="--end",
                expected=", ".join(map(str, found)) or "a silence that has not ended",
                found=str(args.end),
            )
        with store.changing() as change:
            change.end_silence(args.end)
        print(f"speaking again of {_line(found[args.end].cause)}")
        return 0
    for number, item in found.items():
        end = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(item.until))
        print(f"{number}  {_line(item.cause)}  until {end}, by {_line(item.owner)}")
        print(f"   {_line(item.reason)}")
    print(f"{len(found)} silences")
    return 0


def key(args: argparse.Namespace) -> int:
    """Make a key pair; an existing one is never replaced."""
    from hauberk.trust.keys import generate, write_private
    from hauberk.trust.private_files import write

    pair = generate()
    write_private(pair, args.file)
    public = args.file.with_name(f"{args.file.stem}.pub{args.file.suffix}")
    write(public, pair.public.pem.encode(), 0o644)
    print(f"{args.file}: private, stays here")
    print(f"{public}: public, for those who verify")
    return 0


def export(args: argparse.Namespace) -> int:
    """Write what ships for Grafana and Prometheus."""
    from importlib.resources import files

    args.folder.mkdir(parents=True, exist_ok=True)
    for item in sorted(files("hauberk.monitor.exports").iterdir(), key=lambda item: item.name):
        if item.name.endswith((".json", ".yml")):
            (args.folder / item.name).write_bytes(item.read_bytes())
            print(args.folder / item.name)
    return 0


def settings_of(args: argparse.Namespace) -> Settings:
    """What is watched: by a file, or by the arguments alone."""
    from hauberk.monitor.settings import Settings, Watched, WatchedLog, read_settings

    if args.reference is None and args.log is None:
        return read_settings(args.config or Path("monitor.toml"))
    if args.config is not None:
        raise UsageError(
            "either a file or arguments say what is watched",
            subject="hauberk monitor",
            expected="--config, or --reference and --log",
            found="both",
        )
    models = {}
    if args.reference is not None:
        models[args.model] = Watched(reference=args.reference, predictions=args.predictions)
    logs = {} if args.log is None else {args.model: WatchedLog(path=args.log, model=args.model)}
    return Settings(state=args.state or Path("monitor-state"), models=models, logs=logs)


def opened(settings: Settings) -> Monitor:
    """The monitor, with those it tells."""
    from hauberk.monitor.watching import open_monitor

    return open_monitor(settings, clock=time.time)


def _held(settings: Settings) -> AbstractContextManager[None]:
    """One monitor at a time works in a folder."""
    from hauberk.trust.lock import held

    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return held(settings.state / "lock", timeout_s=0)


def _say_ready(monitor: Monitor, url: str) -> None:
    print(f"watching {len(monitor.models)} models and {len(monitor.logs)} logs")
    for name, model in monitor.models.items():
        seasons = "with its seasons" if model.baseline is not None else "without seasons"
        print(f"  {name}: {len(model.grid.axes)} columns, {seasons}")
    print(f"ready: {url} (metrics at {url}metrics)", flush=True)


def _line(text: str) -> str:
    from hauberk.report.markup import visible

    return visible(text)
