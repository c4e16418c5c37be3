"""The part of ``hauberk registry requests`` that answers; not a verb of its own."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hauberk.trust.registry.requests import Answer


def answer(args: argparse.Namespace) -> int:
    """Say what became of each request; 1 where no signature would help one of them."""
    from hauberk.cli._registry import registrar
    from hauberk.errors import UsageError
    from hauberk.trust.durable import read_small
    from hauberk.trust.registry.requests import MAX_BYTES, answers, read_requests

    try:
        data = read_small(args.requests, max_bytes=MAX_BYTES)
    except OSError as error:
        raise UsageError(
            "the requests cannot be read", subject=str(args.requests), found=error.strerror
        ) from error
    requests = read_requests(data)
    only = requests[0].name.lower() if requests else None
    found = answers(registrar(args, only), requests)
    if args.format == "json":
        print(json.dumps({"schema": 1, "answers": [_json(one) for one in found]}, indent=1))
    else:
        for one in found:
            _say(one)
    return 1 if any(one.state.is_refused for one in found) else 0


def _json(one: Answer) -> dict[str, str]:
    return {
        "model": one.request.name,
        "version": one.request.version,
        "reference": one.reference,
        "state": one.state.value,
    }


def _say(one: Answer) -> None:
    from hauberk.trust.registry.requests import State

    asked = f"{one.request.name} version {one.request.version} ({one.request.asked_by})"
    print(f"{asked}: {one.reference or 'unknown here'}, {one.state.value}")
    if one.state in (State.OPEN, State.WAITING):
        print(f"  next: hauberk registry promote {one.reference}")
