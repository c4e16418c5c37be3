"""The deeds of `hauberk root`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hauberk.cli.words import clock, configuration
from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.trust import keys
from hauberk.trust import root as roots
from hauberk.trust.fields import time_text
from hauberk.trust.private_files import is_there
from hauberk.trust.role_keys import RoleKeys, TrustedKey
from hauberk.trust.root import Pin, Root

WARN_DAYS = 30.0
_KEY_DIGITS = 8  # fewer are a guess
_DAY_S = 86_400.0


def init(args: argparse.Namespace) -> int:
    """A root of the user's own keys, pinned or written to a file."""
    from hauberk.lifecycle.signing import keys_folder, make_keys, offered_root

    for line in make_keys(configuration()):
        print(line)
    made = offered_root(args.name, keys_folder(configuration()))
    if args.out is not None:
        _write(args.out, made)
        print(f"root of {args.name} written to {args.out}; nothing is pinned")
        return 0
    print(
        f"root of {args.name}, version {made.version}, pinned in {roots.pin(made, configuration())}"
    )
    return 0


def pin(args: argparse.Namespace) -> int:
    """Believe a root, after saying what it is."""
    config = configuration()
    found = _find(args.what)
    if found.registry is not None:
        anchor = found.registry
        if args.registry:
            anchor = replace(anchor, location=str(Path(args.registry).absolute()))
        if args.floor is not None:
            anchor = replace(anchor, floor=max(anchor.floor, args.floor))
        found = replace(found, registry=anchor)
    elif args.registry or args.floor is not None:
        raise UsageError("this root says nothing of a registry", subject=args.what)
    _check_keys(found, args.key)
    known = roots.root_path(config, found.project)
    is_same = is_there(known) and _plain(roots.load(known)) == _plain(found)
    if not is_same or roots.load(known).state is Pin.FIRST_USE:
        found = replace(found, state=Pin.PINNED)
        roots.pin(found, config)
    for line in _lines(found):
        print(line)
    print(f"pinned in {known}")
    return 0


def _plain(root: Root) -> Root:
    return replace(root, state=Pin.PINNED)


def show(args: argparse.Namespace) -> int:
    """Print a root, or hand it on as a file."""
    found = _find(args.what)
    if args.out is not None:
        _write(args.out, replace(found, state=Pin.PINNED))
        print(f"root of {found.project}, version {found.version}, in {args.out}")
        print("next: whoever takes it compares the key ids with their owners, then runs")
        print(f"      hauberk root pin {args.out.name}")
        return 0
    text = roots.to_json(found).decode() if args.format == "json" else "\n".join(_lines(found))
    print(text)
    return 0


def rotate(args: argparse.Namespace) -> int:
    """The next version of a root, with its differences said first."""
    old = roots.load(roots.root_path(configuration(), args.name))
    new = _rotated(old, args)
    before, after = list(_lines(old)), list(_lines(new))
    for line in (f"- {line}" for line in before if line not in after):
        print(line)
    for line in (f"+ {line}" for line in after if line not in before):
        print(line)
    if args.dry_run:
        print("dry run; nothing was written")
        return 0
    print(f"pinned in {roots.pin(new, configuration())}")
    print("next: hand it to everybody who pinned the old one: hauberk root show NAME --out FILE")
    return 0


def _rotated(old: Root, args: argparse.Namespace) -> Root:
    """The next version; an end for a key that is not there is a mistake.

    Raises:
        UsageError: An argument fits nothing, or would lower a floor.
    """
    roles = {role: _role(old, role, args) for role in keys.STATEMENT_ROLES}
    named = {key.public.key_id for held in roles.values() for key in (*held.keys, *held.ended)}
    for text in args.until:
        if not any(_is_meant(text.partition("=")[0], key_id) for key_id in named):
            raise UsageError(
                "no key of the root begins so",
                subject="--until",
                expected=f"{_KEY_DIGITS} or more digits of the id of one of its keys",
                found=ascii(text)[:80],
            )
    changes: dict[str, Any] = {
        "roles": {r: held for r, held in roles.items() if held.keys or held.ended}
    }
    if args.release_floor is not None:
        changes["release_floor"] = _higher("release floor", old.release_floor, args.release_floor)
    if args.tool_floor is not None:
        roots.version_order(args.tool_floor)
        changes["tool_floor"] = args.tool_floor
    if args.policy is not None:
        changes["policy"] = _policy(args.policy)
    return replace(old, version=old.version + 1, state=Pin.PINNED, **changes)


def _higher(what: str, old: int, new: int) -> int:
    if new < old:
        raise UsageError(
            f"the {what} would sink",
            rule="floors only rise, so that nothing old comes back",
            expected=f"{old} or higher",
            found=str(new),
        )
    return new


def _role(old: Root, role: keys.Role, args: argparse.Namespace) -> RoleKeys:
    held = old.roles.get(role)
    kept = {
        key.public.key_id: key
        for key in ((*held.keys, *held.ended) if held else ())
        if not any(_is_meant(one, key.public.key_id) for one in args.remove)
    }
    for card in getattr(args, f"add_{role.value}"):
        try:
            public, label = keys.read_card(card.read_bytes())
        except OSError as error:
            raise UsageError(
                "a card cannot be read", subject=str(card), found=error.strerror
            ) from error
        kept[public.key_id] = TrustedKey(public=public, label=label)
    kept |= {key_id: _until(kept[key_id], args) for key_id in kept}
    threshold = getattr(args, f"{role.value}_threshold") or (held.threshold if held else 1)
    if held and not 1 <= threshold <= len(kept):
        raise UsageError(
            f"role {role} would need more keys than it has",
            subject=f"role {role}",
            expected=f"a threshold from 1 to {len(kept)}",
            found=str(threshold),
            hint="add a key, or lower the threshold",
        )
    return RoleKeys(threshold=threshold, keys=tuple(kept.values())).at(clock())


def _until(key: TrustedKey, args: argparse.Namespace) -> TrustedKey:
    """A key with the end that ``--until KEY=DAY`` gives it, or without one (``KEY=never``)."""
    for text in args.until:
        beginning, _, day = text.partition("=")
        if _is_meant(beginning, key.public.key_id):
            return replace(key, ends=None if day == "never" else _end_of(day, text))
    return key


def _end_of(day: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(
            "this is no end of a key",
            subject="--until",
            expected="KEY=2030-12-31, the last day in UTC, or KEY=never",
            found=ascii(text)[:80],
        ) from error
    return (moment + timedelta(days=1)).timestamp()


def check(args: argparse.Namespace) -> int:
    """The early alarm: 1 where a key ended or ends soon."""
    found = [_find(name) for name in args.names] or _every()
    alarms = [line for root in found for line in ending_lines(root, clock(), args.days * _DAY_S)]
    for line in alarms:
        print(f"ALARM: {line}")
    if not alarms:
        print(f"{len(found)} roots: no key ends within {args.days:g} days")
    return 1 if alarms else 0


def _every() -> list[Root]:
    return [roots.load(path) for path in sorted((configuration() / "roots").glob("*.json"))]


def ending_lines(root: Root, now: float, within_s: float = WARN_DAYS * _DAY_S) -> Iterator[str]:
    """What to say of keys that ended or end soon."""
    for role, key in root.ending(now, within_s):
        yield (
            f"root of {root.project}: key {key.public.key_id[:16]} of {key.label.custodian} "
            f"({role}) {_ends(key, now)}"
        )


def warn_ending(project: str, file: Path | None) -> None:
    """The early alarm beside another command: a line on the error stream for each key."""
    path = file or roots.root_path(configuration(), project)
    if not path.is_file():
        return
    for line in ending_lines(roots.load(path), clock()):
        print(f"warning: {line}", file=sys.stderr)


def _ends(key: TrustedKey, now: float) -> str:
    if key.ends is None:
        return ""
    if key.ends <= now:
        return f"ended {time_text(key.ends)} and counts for nothing"
    return f"ends {time_text(key.ends)}, in {(key.ends - now) / _DAY_S:.0f} days"


def _is_meant(beginning: str, key_id: str) -> bool:
    return len(beginning) >= _KEY_DIGITS and key_id.startswith(beginning)


def _policy(path: Path) -> Any:
    from hauberk.trust.canonical import parse_json
    from hauberk.trust.policy import read_project_policy

    try:
        return read_project_policy(parse_json(path.read_bytes()), str(path))
    except OSError as error:
        raise UsageError(
            "the policy cannot be read", subject=str(path), found=error.strerror
        ) from error


def _find(what: str) -> Root:
    """The root in a file, or the pinned one of a project."""
    path = Path(what)
    if path.is_file():
        return roots.load(path)
    try:
        return roots.load(roots.root_path(configuration(), what))
    except UnavailableError as error:
        raise UnavailableError(
            f"there is no root {what}",
            subject=what,
            expected="a file, or a project with a root in the configuration",
            found="neither",
            hint="make one with hauberk root init, or get one from the project's owner",
        ) from error


def _check_keys(root: Root, wanted: list[str]) -> None:
    named = {key.public.key_id for held in root.roles.values() for key in held.keys}
    for one in wanted:
        if not any(_is_meant(one, key) for key in named):
            raise TrustError(
                "the root does not name a key that it must",
                subject=f"root of {root.project}",
                rule="the keys are those that their owners told",
                expected=one[:64],
                found=", ".join(sorted(key[:16] for key in named)) or "no keys",
                hint="do not pin it; ask its owner again by another way",
            )


def _write(path: Path, root: Root) -> None:
    from hauberk.trust.private_files import write

    write(path.absolute(), roots.to_json(root), 0o644)


def _lines(root: Root) -> Iterator[str]:
    states: Mapping[Pin, str] = {
        Pin.PINNED: "pinned",
        Pin.FIRST_USE: "trust on first use: pin it before you rely on it",
    }
    yield f"root of {root.project}, version {root.version}: {states[root.state]}"
    for role, held in root.roles.items():
        labels = [key.label for key in held.keys]
        yield f"  {role}: {held.threshold} of {len(held.keys)} keys ({keys.custody(labels)})"
        for key in (*held.keys, *held.ended):
            who = f"{key.label.custodian} on machine {key.label.machine}"
            end = _ends(key, clock())
            yield f"    {key.public.key_id}  {who}{end and f'; {end}'}"
    policy = root.policy
    yield f"  policy floor: isolation {policy.min_isolation}, denies from {policy.fail_on} on"
    yield f"  floors: Hauberk {root.tool_floor}, release {root.release_floor}"
    if root.registry is not None:
        anchor = root.registry
        yield f"  registry {anchor.name}: root {anchor.version} {anchor.root}"
        yield f"    state {anchor.floor} or higher, {anchor.persons} persons for production"
