"""Ask a bundle over its protocol in a worker: its graph is foreign, so it does not run here."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from hauberk.core.artifact import Digest


def ask(payload: bytes) -> bytes:
    """Load a bundle as a server would, ask it a few rows, compare.

    Args:
        payload: JSON with ``folder``, ``pin`` (digest of its manifest), ``rows``,
            ``expected``, ``tolerance`` and ``over_socket``.

    Returns:
        JSON with the fields of `guard.smoke.Smoke`.
    """
    from hauberk.guard import bundle
    from hauberk.guard.smoke import smoke

    request = json.loads(payload)
    loaded = bundle.load(Path(request["folder"]), verify=bundle.pinned(Digest(request["pin"])))
    asked = smoke(
        loaded,
        request["rows"],
        request["expected"],
        output=loaded.schema.outputs[-1].name,
        tolerance=request["tolerance"],
        over_socket=request["over_socket"],
    )
    return json.dumps(asdict(asked)).encode()
