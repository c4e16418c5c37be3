"""Put the guard in front of a model server that is already there.

The server speaks the Open Inference Protocol, version 2 (MLServer, KServe, Triton ...).
Requests are held against the schema of its metadata, or against a schema file or a bundle's
(with ranges and categories learnt from training); budgets, controls on exchanges, output detail
by role and the log are those of `hauberk serve`. The server is asked in canonical form, sees
nothing else of what clients send, and should answer nobody but the guard: give it a socket file
(unix:/path), or let it demand the guard's certificate. It ends on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _door, _guard_chat, _telemetry
from hauberk.core.control import Tier
from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.formats.v2_schema import InputSchema
    from hauberk.guard.bundle import Bundle
    from hauberk.guard.chat_upstream import Upstream
    from hauberk.guard.desk import Surroundings
    from hauberk.guard.upstream import Described

HELP = "put the guard in front of a model server that is already there"
EXAMPLE = "hauberk guard --upstream http://127.0.0.1:8000 --model loans --port 8081"

EXIT_INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--upstream", metavar="URL", help="http://, https:// or unix:/path of the model server"
    )
    parser.add_argument("--model", metavar="NAME", help="of the server's models")
    parser.add_argument("--model-version", default="", metavar="V", help="the latest by default")
    parser.add_argument("--schema", type=Path, metavar="FILE", help="schema.json of a bundle")
    parser.add_argument(
        "--bundle", type=Path, metavar="FOLDER", help="signed bundle with schema, profile, policy"
    )
    parser.add_argument("--root", type=Path, metavar="FILE", help="root of trust of the bundle")
    parser.add_argument(
        "--unsigned", action="store_true", help="believe a bundle that nobody answers for"
    )
    parser.add_argument(
        "--upstream-key", type=Path, metavar="FILE", help="what the server wants as Authorization"
    )
    parser.add_argument("--upstream-ca", metavar="FILE", help="certificates believed of it")
    parser.add_argument("--upstream-cert", metavar="FILE", help="certificate and key of the guard")
    parser.add_argument(
        "--sole-door",
        action="store_true",
        help="do not start where the server can be reached past the guard",
    )
    _door.configure(parser)
    _door.configure_grpc(parser)
    _guard_chat.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Describe, guard until told to end, say what came; 130 when ended by a signal."""
    made = _door.new_key(args)
    if made is not None:
        return made
    if args.chat and args.grpc is not None:
        raise UsageError(
            "a chat has no gRPC door", subject="--grpc", expected="--chat alone", found="both"
        )
    if args.chat:
        if not args.upstream:
            raise UsageError(
                "the guard stands in front of a server of language models",
                subject="--upstream",
                expected="its URL",
                found="none",
                hint=_guard_chat.EXAMPLE,
            )
        return _guard_chat.run(args, _upstream(args))
    _guard_chat.refuse_without_chat(args)
    code = _door.parent(args)
    return _run(args) if code is None else code


def _run(args: argparse.Namespace) -> int:
    from hauberk.guard.app import App
    from hauberk.guard.server import hosts_for
    from hauberk.guard.service import Service
    from hauberk.guard.upstream import Remote, describe, path_of

    if not args.upstream or not args.model:
        raise UsageError(
            "the guard stands in front of a model of a server",
            expected="--upstream URL and --model NAME",
            found="less",
            hint=EXAMPLE,
        )
    keyring = _door.ways(args)
    hosts = hosts_for(args.host, has_keys=bool(keyring), insecure=args.insecure)
    upstream = _upstream(args)
    around = _guard_chat.ways_around(upstream, is_refused=args.sole_door)
    described = asyncio.run(describe(upstream, args.model, args.model_version))
    bundle, said = _bundle(args, described)
    answers = Remote(
        upstream,
        described,
        path=path_of(args.model, args.model_version),
        deadline_s=bundle.policy.deadline_s,
    )
    surroundings, log = _surroundings(args, keyring)
    world = _door.shared(args, surroundings)
    with _telemetry.telemetry(args, bundle, world) as tapped, _door.door(args) as sock:
        service = Service(bundle, answers, tapped)
        service.desk.announce()
        app = App(service, hosts)
        ready = _door.Ready(
            title=f"{bundle.name} version {bundle.version} of {args.upstream}",
            said=(*said, *around),
            path=f"/v2/models/{bundle.name}/infer",
            has_keys=bool(keyring),
            has_log=log,
        )
        stopped, last = _door.run_door(args, app, service, sock, ready)
    for line in last.desk.metrics.lines():
        print(f"  {line}")
    return EXIT_INTERRUPTED if stopped else 0


def _upstream(args: argparse.Namespace) -> Upstream:
    from hauberk.guard.chat_upstream import upstream_of

    key = ""
    if args.upstream_key is not None:
        key = _door.text_of(args.upstream_key, "the key for the model server").strip()
    return upstream_of(
        args.upstream, authorization=key, ca=args.upstream_ca, cert=args.upstream_cert
    )


def _bundle(args: argparse.Namespace, described: Described) -> tuple[Bundle, tuple[str, ...]]:
    """What is known of the model, and how."""
    from dataclasses import replace

    from hauberk.guard import policy as policies
    from hauberk.guard.upstream import bundle_for

    policy = policies.GuardPolicy() if args.policy is None else _door.read_policy(args.policy)
    said: tuple[str, ...]
    if args.bundle is not None:
        released, said = _released(args)
        policy = released.policy if args.policy is None else policy
        _fits(released.schema, described)
        found = bundle_for(described, released.schema, policy)
        found = replace(
            found,
            profile=released.profile,
            reference=released.reference,
            digests=released.digests,
        )
    else:
        schema = None if args.schema is None else _schema(args.schema, described)
        found = bundle_for(described, schema, policy)
        said = (_of_schema(args.schema),)
    if args.profile is not None:
        found = replace(found, policy=policies.with_profile(found.policy, Tier(args.profile)))
    return found, (*said, f"profile: {found.policy.profile}")


def _of_schema(file: Path | None) -> str:
    if file is None:
        return "schema: the server's metadata, without ranges; --bundle or --schema brings them"
    return f"schema: {file}"


def _released(args: argparse.Namespace) -> tuple[Bundle, tuple[str, ...]]:
    from hauberk.cli.words import configuration
    from hauberk.guard import bundle as bundles
    from hauberk.guard.release import signed
    from hauberk.trust.root import resolve

    if args.unsigned:
        bundle = bundles.load(args.bundle, verify=bundles.unverified)
        return bundle, (f"schema: {args.bundle}, NOT VERIFIED: nobody answers for it",)
    root = resolve(bundles.name_in(args.bundle), configuration(), file=args.root)
    bundle = bundles.load(args.bundle, verify=signed(root))
    return bundle, (f"schema: {args.bundle}, signed by the keys of a {root.state.value} root",)


def _schema(file: Path, described: Described) -> InputSchema:
    from hauberk.formats import v2_schema
    from hauberk.guard.given_files import read_given

    data = read_given(file, v2_schema.MAX_SCHEMA_BYTES, what="the schema")
    schema = v2_schema.from_bytes(data)
    _fits(schema, described)
    return schema


def _fits(schema: InputSchema, described: Described) -> None:
    """Refuse a schema of other inputs than the server's.

    Raises:
        UsageError: It is one.
    """
    declared = {(t.name, t.datatype, len(t.shape)) for t in described.signature.inputs}
    wanted = {(t.name, t.datatype, len(t.shape)) for t in schema.inputs}
    if declared != wanted:
        raise UsageError(
            "the schema is not the one of the server's model",
            rule="inputs of the schema are those of the metadata",
            expected=", ".join(f"{n} {d} of rank {r}" for n, d, r in sorted(declared)),
            found=", ".join(f"{n} {d} of rank {r}" for n, d, r in sorted(wanted)),
            hint="take the schema of the model that the server serves",
        )


def _surroundings(args: argparse.Namespace, keyring: object) -> tuple[Surroundings, bool]:
    from typing import cast

    from hauberk.guard.desk import Surroundings
    from hauberk.guard.identity import Identity
    from hauberk.guard.service import further_watches
    from hauberk.trust.log import Log

    log = None if args.log is None else Log.open(args.log)
    known = cast("Identity", keyring)
    return Surroundings(keyring=known, log=log, watches=further_watches()), log is not None
