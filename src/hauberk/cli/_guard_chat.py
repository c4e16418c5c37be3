"""What `hauberk guard --chat` adds to the guard: language models behind a chat door."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _door, _telemetry
from hauberk.core.control import Tier
from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.guard.chat_policy import ChatPolicy
    from hauberk.guard.chat_service import ChatService
    from hauberk.guard.chat_upstream import Upstream
    from hauberk.guard.desk import Surroundings
    from hauberk.methods.content_policy import Classifier, ContentPolicy

EXIT_INTERRUPTED = 130
_ELSEWHERE = ("model", "schema", "bundle", "root")
"""Options of the door of predictive models."""
EXAMPLE = "hauberk guard --upstream http://127.0.0.1:8000 --chat --port 8081"
_WEIGHED = ("canaries", "training_texts", "content", "content_model")
"""What only controls that weigh evidence use."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    group = parser.add_argument_group(
        "language models",
        "With --chat the server speaks OpenAI's chat protocol and the policy is one of the chat "
        "guard. Answers that come as streams are judged as a whole before the first word.",
    )
    group.add_argument(
        "--chat", action="store_true", help="the model server is one of a language model"
    )
    group.add_argument(
        "--canaries",
        type=Path,
        metavar="FILE",
        help="random texts, one a line, that were planted in what the model learnt from",
    )
    group.add_argument(
        "--training-texts",
        type=Path,
        metavar="FILE",
        help="texts, one a line, that the model learnt from and must not repeat at length",
    )
    group.add_argument(
        "--content",
        type=Path,
        metavar="FILE",
        help="what answers must not say: categories with examples and thresholds, in JSON",
    )
    group.add_argument(
        "--content-model",
        type=Path,
        metavar="FILE",
        help="ONNX classifier of these categories, asked beside the built-in one",
    )
    group.add_argument(
        "--facts",
        type=Path,
        metavar="FILE",
        help="write numbers about each conversation there, as a table, and no text; "
        "`hauberk monitor profile` makes a reference of it for --telemetry",
    )


def run(args: argparse.Namespace, upstream: Upstream) -> int:
    """Guard a chat until told to end, say what came; 130 when ended by a signal."""
    _fits(args)
    code = _door.parent(args)
    return _run(args, upstream) if code is None else code


def _run(args: argparse.Namespace, upstream: Upstream) -> int:
    from hauberk.guard.app import App
    from hauberk.guard.chat_service import PATH, ChatService, chat_watches
    from hauberk.guard.desk import Surroundings
    from hauberk.guard.server import hosts_for
    from hauberk.methods.recall import known_of
    from hauberk.trust.log import Log

    around = ways_around(upstream, is_refused=args.sole_door)
    read_policy = _profiled(args)
    policy = _policy(args.policy, read_policy)
    keyring = _door.ways(args)
    hosts = hosts_for(args.host, has_keys=bool(keyring), insecure=args.insecure)
    log = None if args.log is None else Log.open(args.log)
    known = known_of(_lines(args.canaries), _lines(args.training_texts))
    world = _door.shared(args, Surroundings(keyring=keyring, log=log))
    content, classifier = _content(args)
    with (
        _telemetry.observed(args, world, "chat") as observed,
        _counted(args, observed) as seen,
        _door.door(args) as sock,
    ):
        service = ChatService(
            upstream,
            policy,
            seen,
            watches=lambda policy: chat_watches(policy, known, content, classifier),
        )
        service.desk.announce()
        ready = _door.Ready(
            title=f"chat guard of {args.upstream}",
            said=(
                f"policy: {args.policy or 'the defaults'}; profile: {policy.profile}",
                *around,
                f"in shadow, noted and not obeyed: {_shadowed(service)}",
            ),
            path=PATH,
            has_keys=bool(keyring),
            has_log=log is not None,
        )
        stopped, last = _door.run_door(
            args, App(service, hosts), service, sock, ready, read_policy=read_policy
        )
    for line in last.desk.metrics.shadows.lines():
        print(f"  {line}")
    return EXIT_INTERRUPTED if stopped else 0


def _shadowed(service: ChatService) -> str:
    judges = service.desk.judges
    asked = (*judges.before, *judges.after)
    return (
        ", ".join(watch.id for watch in asked if watch.shadow and watch.id not in judges.promoted)
        or "no control"
    )


def _fits(args: argparse.Namespace) -> None:
    """Refuse what only the guard of a predictive model does, rather than leave it undone.

    Raises:
        UsageError: Something of it was asked for.
    """
    asked = [name for name in _ELSEWHERE if getattr(args, name) is not None]
    if asked:
        raise UsageError(
            "the chat guard does not do this",
            subject=", ".join("--" + name.replace("_", "-") for name in asked),
            rule="nothing that is asked for is left undone",
            expected="the options of a chat door",
            found="options of a door for predictive models",
            hint="leave them out; what they do belongs to models with rows and a schema",
        )


def refuse_without_chat(args: argparse.Namespace) -> None:
    """Refuse what only the chat guard does, rather than leave it undone.

    Raises:
        UsageError: Something of it was asked for.
    """
    asked = [name for name in (*_WEIGHED, "facts") if getattr(args, name) is not None]
    if asked:
        raise UsageError(
            "only the chat guard does this",
            subject=", ".join("--" + name.replace("_", "-") for name in asked),
            rule="nothing that is asked for is left undone",
            expected="--chat beside it",
            found="a door for predictive models",
        )


def ways_around(upstream: Upstream, *, is_refused: bool) -> tuple[str, ...]:
    """How the model server can be reached past the guard, in lines for people.

    Raises:
        TrustError: It can be, and the guard is told to be the only door.
    """
    import asyncio

    from hauberk.errors import TrustError
    from hauberk.guard.upstream import has_way_around

    way = asyncio.run(has_way_around(upstream))
    if not way:
        return ("the model server answers the guard alone, as far as a stranger can tell",)
    hint = "give it a socket file, or let it demand a certificate"
    if is_refused:
        raise TrustError(
            "the model server can be reached past the guard",
            subject="--upstream",
            rule="the guard is the only door (--sole-door)",
            expected="401, 403 or no connection for a stranger",
            found=way,
            hint=hint,
        )
    return (f"WAY AROUND THE GUARD: {way}; {hint}",)


def _content(args: argparse.Namespace) -> tuple[ContentPolicy | None, Classifier | None]:
    """What answers must not say, and a classifier of the operator's own."""
    from hauberk.guard.bundle import read_once
    from hauberk.guard.content_model import open_classifier
    from hauberk.methods import content_policy

    if args.content is None:
        if args.content_model is not None:
            raise UsageError(
                "a classifier of contents needs their categories",
                subject="--content-model",
                expected="--content FILE",
                found="none",
            )
        return None, None
    policy = content_policy.from_bytes(read_once(args.content, 4 << 20))
    if args.content_model is None:
        return policy, None
    model = read_once(args.content_model, 1 << 30)
    return policy, open_classifier(model, policy, str(args.content_model))


def _profiled(args: argparse.Namespace) -> Callable[[bytes], ChatPolicy]:
    """Reads a policy; a profile that the command line names holds over every one."""
    from hauberk.guard import chat_policy

    def read(data: bytes) -> ChatPolicy:
        policy = chat_policy.from_bytes(data)
        if args.profile is not None:
            policy = chat_policy.with_profile(policy, Tier(args.profile))
        _asks(args, policy)
        return policy

    return read


def _asks(args: argparse.Namespace, policy: ChatPolicy) -> None:
    """Refuse texts that no control of the policy's profile would look for.

    Raises:
        UsageError: There are some.
    """
    given = [name for name in _WEIGHED if getattr(args, name) is not None]
    if given and policy.profile is Tier.LEAN:
        raise UsageError(
            "the profile asks no control that would use this",
            subject=", ".join("--" + name.replace("_", "-") for name in given),
            rule="nothing that is asked for is left undone",
            expected="profile watch or strict",
            found="lean, which holds contracts and budgets alone",
        )


@contextmanager
def _counted(args: argparse.Namespace, world: Surroundings) -> Iterator[Surroundings]:
    """The surroundings with taps for numbers of conversations, for as long as the block lasts."""
    from hauberk.guard.bundle import read_once
    from hauberk.guard.chat_facts import SCHEMA, FactsFile
    from hauberk.monitor.sending import Both, read_sending
    from hauberk.sketches.profile import MAX_PROFILE_BYTES

    with ExitStack() as stack:
        if args.facts is not None:
            facts = FactsFile(args.facts)
            stack.callback(facts.close)
            world = replace(world, tap=Both(world.tap, facts))
        if args.telemetry is not None:
            reference = read_sending(args.telemetry).reference
            if reference is None:
                raise UsageError(
                    "there is no profile of conversations to count over",
                    subject=str(args.telemetry),
                    expected="reference, the file that the monitor has as well",
                    found="none",
                    hint="collect numbers with --facts FILE, then hauberk monitor profile FILE",
                )
            profile = read_once(reference, MAX_PROFILE_BYTES)
            world = stack.enter_context(_telemetry.counted(args, profile, SCHEMA, world))
        yield world


def _policy(file: Path | None, read: Callable[[bytes], ChatPolicy]) -> ChatPolicy:
    from hauberk.guard.chat_policy import ChatPolicy, to_bytes

    if file is None:
        return read(to_bytes(ChatPolicy()))
    try:
        return read(file.read_bytes())
    except OSError as error:
        raise UsageError(
            "the policy cannot be read", subject=str(file), found=error.strerror
        ) from error


def _lines(file: Path | None) -> Iterator[str]:
    if file is None:
        return
    try:
        with file.open(encoding="utf-8") as lines:
            yield from (line for line in map(str.strip, lines) if line)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the texts cannot be read",
            subject=str(file),
            expected="one text a line, in UTF-8",
            found=type(error).__name__,
        ) from error
