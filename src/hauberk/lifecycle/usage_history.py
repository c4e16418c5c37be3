"""What earlier runs of a step used, kept where no step can write it.

The history is an entry of the authenticated cache under the step and its command, so that a
step can neither read nor forge what it will be compared with. Only runs on as much input, give
or take a tenth, are compared. What is kept is in seconds of a machine of pace 1, see
`hauberk.lifecycle.pacing`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hauberk.errors import TrustError
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.lifecycle.plan import Step
    from hauberk.lifecycle.workshop import Workshop

MAX_RUNS = 32
_AS_MUCH = 0.1


def note(
    step: Step, shop: Workshop, inputs: Mapping[str, Digest], cpu_s: float, pace: float
) -> tuple[float, ...]:
    """Keep what this run used, and give what earlier ones on as much input would have used now.

    Args:
        pace: How slow the machine was, 1 for the usual.
    """
    size = sum(shop.store.blobs.size(digest) for digest in inputs.values())
    key = digest_bytes(canonical_json({"paced history": step.name, "command": step.table.run}))
    runs = _read(shop, key)
    shop.cache.put(key, json.dumps([*runs, (size, cpu_s / pace)][-MAX_RUNS:]).encode())
    return tuple(used * pace for held, used in runs if abs(held - size) <= _AS_MUCH * size)


def _read(shop: Workshop, key: Digest) -> list[tuple[int, float]]:
    try:
        entry = shop.cache.get(key)
    except TrustError as error:
        shop.say("cache-refused", f"the history of a step was refused: {error.message}")
        return []
    return [(int(size), float(used)) for size, used in json.loads(entry)] if entry else []
