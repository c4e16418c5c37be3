"""List the threats of the lifecycle: what answers them and what was measured.

A threat without a control or without an attack is shown as a gap. The kind says what may
be expected: preventive ones are refused, detective ones found at a measured rate, advisory
ones reported, experimental ones tried. Figures hold for the attacker that is named.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from hauberk.catalogue.load import threats
from hauberk.cli._threats import listing, page, row
from hauberk.core.lifecycle import Component
from hauberk.core.threat import Kind, Threat, ThreatId
from hauberk.errors import UsageError

HELP = "list the threats with their controls, attacks and measured figures"
EXAMPLE = "hauberk threats model-export --kind preventive"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what", nargs="?", metavar="COMPONENT|ID", help="one component, or one threat in full"
    )
    parser.add_argument("--kind", choices=[str(kind) for kind in Kind], help="only this kind")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(args: argparse.Namespace) -> int:
    """Print the chosen threats; 0 always, for a list is no verdict."""
    chosen = tuple(
        threat for threat in _chosen(args.what) if args.kind is None or threat.kind == args.kind
    )
    if args.format == "json":
        rows = [row(threat) for threat in chosen]
        print(json.dumps({"threats": rows}, indent=1, ensure_ascii=False))
    elif args.what and args.what.upper() in threats():
        print("\n".join(page(chosen[0])) if chosen else _nothing(args))
    else:
        print("\n".join(listing(chosen)) if chosen else _nothing(args))
    return 0


def _chosen(what: str | None) -> Sequence[Threat]:
    """The threats of a component, the one with an id, or all.

    Raises:
        UsageError: There is no such component or threat.
    """
    known = threats()
    if what is None:
        return tuple(known.values())
    if what.upper() in known:
        return (known[ThreatId(what.upper())],)
    name = what.lower().replace("_", "-")
    if name in tuple(Component):
        return tuple(threat for threat in known.values() if threat.component == name)
    from difflib import get_close_matches

    ids = {one.replace("-", ""): one for one in known}
    places = [*Component, *ids]
    near = get_close_matches(what.upper().replace("-", ""), ids, n=1) if what else []
    near = get_close_matches(name, places, n=1) or near
    raise UsageError(
        "there is no such component or threat",
        subject=what,
        expected=", ".join(Component) + ", or an id such as AQ-1",
        found=what,
        hint=f"did you mean {ids.get(near[0], near[0])}?"
        if near
        else "hauberk threats lists all of them",
    )


def _nothing(args: argparse.Namespace) -> str:
    return f"No {args.kind} threat here."
