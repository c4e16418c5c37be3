"""What `hauberk serve` and `hauberk guard` share: the door, its keys, and its running."""

from __future__ import annotations

import argparse
import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.cli import _scaling, _telemetry, _workers
from hauberk.core.control import Tier
from hauberk.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from hauberk.guard.app import App
    from hauberk.guard.audit import Log
    from hauberk.guard.desk import Surroundings
    from hauberk.guard.grpc_door import GrpcDoor
    from hauberk.guard.identity import Keyring, Ways
    from hauberk.guard.policy import GuardPolicy
    from hauberk.guard.reloading import AnyService, Reloader
    from hauberk.guard.server import Asgi
    from hauberk.guard.transport import DoorFiles


_MAX_GIVEN_BYTES = 16 << 20
"""Of a policy, or of a key file: a hundred thousand keys stay below it."""
_MAX_PORT = 65535


def port_number(text: str) -> int:
    """A port; 0 leaves the choice to the system."""
    number = int(text)
    if not 0 <= number <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"expected 0 to {_MAX_PORT}, found {number}")
    return number


def some_seconds(text: str) -> float:
    """A time that passes."""
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, found {text}")
    return seconds


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of a door."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=port_number, default=8080, help="0 for any free one")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="in place of the bundle's own")
    parser.add_argument(
        "--profile",
        choices=[tier.value for tier in Tier],
        help="controls asked: none that weighs evidence, those, or also models of inputs "
        "(and a log that is durable before the answer)",
    )
    parser.add_argument("--keys", type=Path, metavar="FILE", help="API keys, as digests")
    parser.add_argument("--new-key", metavar="NAME", help="print a key and its line, and end")
    parser.add_argument("--role", help="of the new key, as the policy names it")
    parser.add_argument(
        "--tokens", type=Path, metavar="FILE", help="settings for tokens of an identity provider"
    )
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="certificate of the door, in PEM: speak TLS"
    )
    parser.add_argument(
        "--tls-key", type=Path, metavar="FILE", help="its private key, where in another file"
    )
    parser.add_argument(
        "--client-ca",
        type=Path,
        metavar="FILE",
        help="authority whose certificates clients must show",
    )
    parser.add_argument(
        "--clients",
        type=Path,
        metavar="FILE",
        help="certificates let in, by name; all of the authority's by default",
    )
    parser.add_argument("--log", type=Path, metavar="FOLDER", help="log of decisions")
    parser.add_argument(
        "--state", metavar="URL", help="Redis or Valkey server that several hosts remember in"
    )
    parser.add_argument(
        "--state-key", type=Path, metavar="FILE", help="secret of those hosts, 32 random bytes"
    )
    parser.add_argument(
        "--state-password", type=Path, metavar="FILE", help="what the server wants to hear"
    )
    parser.add_argument(
        "--state-timeout",
        type=some_seconds,
        default=0.25,
        metavar="SECONDS",
        help="for its answers",
    )
    parser.add_argument("--state-ca", metavar="FILE", help="certificates believed of it")
    parser.add_argument(
        "--erasable",
        type=Path,
        metavar="FOLDER",
        help="seal what the log says of a sender, under a key in FOLDER that can be erased",
    )
    parser.add_argument(
        "--insecure", action="store_true", help="listen beyond loopback without keys"
    )
    _telemetry.configure(parser)
    _workers.configure(parser)


def configure_grpc(parser: argparse.ArgumentParser) -> None:
    """Declare the argument of a second door; for what answers with tensors."""
    parser.add_argument(
        "--grpc", type=port_number, metavar="PORT", help="answer there too, over gRPC (extra: grpc)"
    )


def new_key(args: argparse.Namespace) -> int | None:
    """Print a fresh key and its line, where that was asked for; the exit code then.

    Raises:
        UsageError: The name or the role cannot stand in a key file.
    """
    from hauberk.guard.identity import new_key as make

    if args.new_key is None:
        if args.role is not None:
            raise UsageError(
                "--role needs --new-key",
                subject="--role",
                expected="--new-key NAME: the role is that of a new key",
                found="none",
                hint="the roles of keys that there are stand in the file of --keys",
            )
        return None
    key, line = make(args.new_key, args.role or "")
    print(line)
    print(f"the key, shown once: {key}", file=sys.stderr)
    return 0


def keyring(file: Path | None) -> Keyring:
    """The keys in a file.

    Raises:
        UsageError: It cannot be read, or is no key file.
    """
    from hauberk.guard.identity import Keyring, keyring_of

    return Keyring() if file is None else keyring_of(text_of(file, "the key file"))


def ways(args: argparse.Namespace) -> Ways:
    """The ways of being known at this door.

    Raises:
        UsageError: A file cannot be used.
        UnavailableError: The keys of the issuer of tokens cannot be had.
    """
    from hauberk.guard.identity import Register, Ways, register_of

    tls_files(args)
    register = None
    if args.client_ca is not None:
        register = Register()
    if args.clients is not None:
        register = register_of(text_of(args.clients, "the list of certificates"))
    tokens = None
    if args.tokens is not None:
        from hauberk.guard.tokens import open_tokens

        tokens = open_tokens(args.tokens, alarm)
    return Ways(keys=keyring(args.keys), tokens=tokens, register=register)


def tls_files(args: argparse.Namespace) -> DoorFiles | None:
    """The files of a door that speaks TLS; ``None`` where it does not.

    Raises:
        UsageError: Some are named without those that they need.
    """
    from hauberk.guard.transport import DoorFiles

    needs = (
        ("--tls-key", args.tls_key, "--tls-cert", args.tls_cert),
        ("--client-ca", args.client_ca, "--tls-cert", args.tls_cert),
        ("--clients", args.clients, "--client-ca", args.client_ca),
    )
    for name, given, other, wanted in needs:
        if given is not None and wanted is None:
            raise UsageError(
                f"{name} needs {other}", subject=name, expected=f"{other} FILE", found="none"
            )
    if args.tls_cert is None:
        return None
    return DoorFiles(cert=args.tls_cert, key=args.tls_key, client_ca=args.client_ca)


def text_of(file: Path, what: str) -> str:
    """What a file says that the operator named.

    Raises:
        UsageError: It cannot be read, or is no text.
    """
    from hauberk.guard.given_files import text_given

    return text_given(file, _MAX_GIVEN_BYTES, what=what)


def read_policy(file: Path) -> GuardPolicy:
    """The policy in a file.

    Raises:
        UsageError: It cannot be read, or says something that cannot be.
    """
    from hauberk.guard import policy as policies
    from hauberk.guard.given_files import read_given

    return policies.from_bytes(read_given(file, _MAX_GIVEN_BYTES, what="the policy"))


def parent(args: argparse.Namespace) -> int | None:
    """Look after workers, where this process is their parent; its exit code then."""
    from hauberk.guard.server import hosts_for, listen

    if not _workers.is_parent(args):
        return None
    tls_files(args)
    has_keys = bool(keyring(args.keys)) or args.tokens is not None or args.client_ca is not None
    hosts_for(args.host, has_keys=has_keys, insecure=args.insecure)
    scaling = _scaling.scaling_of(args, time.time)
    door = listen(args.host, args.port)
    return _workers.look_after(sys.argv[1:], args.workers, door, scaling=scaling)


def door(args: argparse.Namespace) -> Any:
    """The listening socket: this process's own, or the one that all workers share."""
    from hauberk.guard.server import listen

    share = _workers.share_of(args)
    return listen(args.host, args.port) if share is None else share.listener()


def shared(args: argparse.Namespace, world: Surroundings) -> Surroundings:
    """The surroundings with what all workers share, and the log as it was asked for."""
    world = replace(world, log=sealing(args, world.log), say=alarm)
    share = _workers.share_of(args)
    if share is not None:
        world = replace(world, all_metrics=share.all_metrics)
    if args.state is not None:
        return _over_hosts(args, world)
    return world if share is None else replace(world, state=share.state(), key=share.key())


def sealing(args: argparse.Namespace, log: Log | None) -> Log | None:
    """The log, with what is about a sender sealed on its way in where that was asked for."""
    if args.erasable is None or log is None:
        return log
    from hauberk.trust.erasure import SealingLog, Vault

    return SealingLog(log, Vault(args.erasable))


def _over_hosts(args: argparse.Namespace, world: Surroundings) -> Surroundings:
    """The surroundings with what all hosts share.

    Raises:
        TrustError: The server holds what no host has written.
        UnavailableError: The server is not there.
        UsageError: There is no secret, or no such server.
    """
    import hashlib

    from hauberk.guard.given_files import read_given
    from hauberk.guard.shelter import Sheltered
    from hauberk.trust.shared_state import RedisClientState, Server

    if args.state_key is None:
        raise UsageError(
            "--state needs --state-key",
            subject="--state",
            expected="--state-key FILE, the same on every host",
            found="none",
            hint="head -c 32 /dev/urandom > FILE",
        )
    secret = read_given(args.state_key, 4096, what="the secret of the hosts")
    password = "" if args.state_password is None else text_of(args.state_password, "the password")
    server = Server(
        url=args.state,
        password=password.strip(),
        ca=args.state_ca,
        timeout_s=max(0.001, args.state_timeout),
    )
    shared = RedisClientState(server.connect(), secret)
    shared.ping()
    key = hashlib.blake2b(secret, digest_size=32, person=b"answers").digest()
    return replace(world, state=Sheltered(shared=shared, say=alarm), key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What is said when a door stands open.

    Attributes:
        said: How what is behind it was verified, one line each.
        path: Of what clients ask first.
    """

    title: str
    said: tuple[str, ...]
    path: str
    has_keys: bool
    has_log: bool


def say_ready(args: argparse.Namespace, ready: Ready, port: int) -> None:
    """Say who may ask, and where."""
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(ready.title)
    for line in ready.said:
        print(f"  {line}")
    for line in _ways_in(args):
        print(f"  {line}")
    if not ready.has_keys:
        open_to = "EVERYBODY who reaches it" if args.insecure else "this machine only"
        print(f"  no API keys: open to {open_to}")
    if not ready.has_log:
        print("  decisions are not logged; name a folder with --log")
    if getattr(args, "grpc", None) is not None:
        print(f"  gRPC: {host}:{args.grpc}")
    url = f"{'http' if args.tls_cert is None else 'https'}://{host}:{port}"
    print(f"ready: {url}{ready.path} (metrics at {url}/metrics)", flush=True)


def _ways_in(args: argparse.Namespace) -> Iterator[str]:
    from hauberk.guard.server import is_loopback

    if args.tokens is not None:
        yield f"tokens: by the settings in {args.tokens}"
    if args.client_ca is not None:
        whose = "any" if args.clients is None else f"those listed in {args.clients}"
        yield f"certificates of clients: {whose}, signed by {args.client_ca}"
    if args.tls_cert is None and not is_loopback(args.host):
        yield "no TLS: keys and tokens cross the network in the clear; name --tls-cert"


def run_door(
    args: argparse.Namespace,
    app: App,
    service: AnyService,
    sock: Any,
    ready: Ready,
    *,
    attend: Callable[[Reloader], None] = lambda _: None,
    read_policy: Callable[[bytes], Any] | None = None,
) -> tuple[bool, AnyService]:
    """Serve until told to end, reading policy and keys again when their files change.

    Args:
        ready: What is said then.
        attend: Is given what lets another service take over, before the door opens.
        read_policy: Of the bytes of a policy file; that of a predictive model by default.

    Returns:
        Whether a signal ended it, and what served last.
    """
    from hauberk.guard.identity import keyring_of
    from hauberk.guard.reloading import Reloader
    from hauberk.guard.server import serve

    reloader = Reloader(app, service, say=alarm, read_policy=read_policy or _profiled(args))
    if args.policy is not None:
        reloader.watch_policy(args.policy)
    if args.keys is not None:
        reloader.watch_keys(args.keys, keyring_of)
    if args.clients is not None:
        reloader.watch_clients(args.clients)
    files = tls_files(args)
    tls = None if files is None else files.open()
    if files is not None and tls is not None:
        reloader.watch_certificate(files, tls)

    asgi, second = _second_door(args, app, files)

    def again(number: int, frame: FrameType | None) -> None:
        del number, frame
        reloader.ask()

    def counts() -> str:
        return reloader.service.desk.own_metrics()

    attend(reloader)
    old = signal.signal(signal.SIGHUP, again)
    reloader.start()
    share = _workers.share_of(args)
    shown = contextlib.nullcontext() if share is None else share.showing(counts)
    try:
        port = sock.getsockname()[1]
        with shown, _opening(args, second):
            stopped = serve(
                asgi, sock, service.desk.policy, lambda: say_ready(args, ready, port), tls
            )
    finally:
        reloader.end()
        signal.signal(signal.SIGHUP, old)
    return stopped, reloader.service


@contextlib.contextmanager
def _opening(args: argparse.Namespace, second: GrpcDoor | None) -> Iterator[None]:
    """Say why a second door did not open; uvicorn ends without a word.

    Raises:
        UnavailableError: It did not.
    """
    try:
        yield
    except SystemExit as error:
        if second is None or second.problem is None:
            raise
        raise UnavailableError(
            "the gRPC door cannot listen",
            subject=f"{args.host}:{args.grpc}",
            found="the address is taken or does not exist",
            hint="choose another --grpc PORT",
        ) from error


def _second_door(
    args: argparse.Namespace, app: App, files: DoorFiles | None
) -> tuple[Asgi, GrpcDoor | None]:
    """The application, with a gRPC door beside it where one was asked for.

    Raises:
        UnavailableError: grpcio is not installed.
        UsageError: It cannot be.
    """
    if getattr(args, "grpc", None) is None:
        return app, None
    from hauberk.guard.grpc_door import GrpcDoor, Place

    if files is not None and files.client_ca is not None:
        raise UsageError(
            "the gRPC door knows clients by keys and tokens, not by certificates",
            subject="--grpc",
            expected="no --client-ca",
            found="both",
            hint="serve gRPC apart, with --keys or --tokens",
        )
    pair = None if files is None else files.pem()
    shared_port = _workers.share_of(args) is not None
    door = GrpcDoor(app, Place(host=args.host, port=args.grpc, is_shared=shared_port, pair=pair))
    return door, door


def _profiled(args: argparse.Namespace) -> Callable[[bytes], GuardPolicy]:
    """Reads a policy; a profile that the command line names holds over every one."""
    from hauberk.guard import policy as policies

    def read(data: bytes) -> GuardPolicy:
        policy = policies.from_bytes(data)
        return policy if args.profile is None else policies.with_profile(policy, Tier(args.profile))

    return read


def alarm(line: str) -> None:
    """Say something to whoever looks after the server."""
    print(line, file=sys.stderr, flush=True)
