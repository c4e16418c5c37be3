"""The driver of a Ray cluster; runs in a sandbox without keys and never in our process.

Without an address it starts a cluster of its own inside the sandbox, whose network is a
loopback that nobody else can reach. Ray's token mode is forced, the token lies in a file of
mode 0600, and the dashboard stays off. Ray hands results on as pickles: a hostile worker can
run code here, where there is nothing to take and nowhere to go, and what leaves is bytes.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.isolation.supervision import PACKAGE

_START_S = 120
"""A cluster on a busy machine takes more than Ray's own half minute to start."""

_STORE_BYTES = 256 << 20
"""Shared memory of a cluster of our own; answers are small."""


def drive(payload: bytes) -> bytes:
    """Let a cluster work the shards of an order out.

    Args:
        payload: JSON: ``address``, ``token``, ``task``, ``n_workers``, ``wall_s``, ``roots``
            and ``shards``.

    Returns:
        The answers in their order, as `executors.packed` writes them.

    Raises:
        ArtifactError: A worker answered with something else than bytes.
        UnavailableError: Ray is missing, the cluster refused, died or took too long.
    """
    from hauberk.engine.executors import packed

    order = json.loads(payload)
    _seal(order)
    ray = _library()
    try:
        ray.init(**_settings(order))
    except Exception as error:  # noqa: BLE001 - Ray raises whatever it likes
        raise UnavailableError(
            "the cluster cannot be reached or started",
            subject=order["address"] or "ray",
            found=type(error).__name__,
            hint="see whether its token is the one that was given",
        ) from None
    return packed(_answers(ray, order))


def work(task: str, payload: bytes) -> bytes:
    """The worker's side: call ``task`` with ``payload``."""
    module, _, name = task.partition(":")
    answer: bytes = getattr(importlib.import_module(module), name)(payload)
    return answer


def _library() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise UnavailableError(
            "Ray is not installed", subject="ray", hint="pip install ray, for the same Python"
        ) from None


def _seal(order: Any) -> None:
    """Token mode, a token that is this user's alone, and nothing that calls home."""
    folder = Path(tempfile.mkdtemp(prefix="token-"))
    token = folder / "token"
    descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(order["token"] or secrets.token_hex(32))
    roots = [str(PACKAGE.parent), *order["roots"]]
    os.environ.update(
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(token),
        RAY_USAGE_STATS_ENABLED="0",
        RAY_DISABLE_DOCKER_CPU_WARNING="1",
        RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
        RAY_raylet_start_wait_time_s=str(_START_S),
        PYTHONPATH=os.pathsep.join(roots),
    )
    sys.path.extend(root for root in roots if root not in sys.path)


def _settings(order: Any) -> dict[str, Any]:
    quiet = {"log_to_driver": False, "configure_logging": False}
    if order["address"]:
        return {"address": f"ray://{order['address']}", **quiet}
    return {
        "address": "local",
        "num_cpus": order["n_workers"],
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
        "_node_ip_address": "127.0.0.1",
        **quiet,
    }


def _answers(ray: Any, order: Any) -> list[bytes]:
    called = ray.remote(max_retries=0, num_cpus=1)(work)
    waiting = [called.remote(order["task"], shard.encode()) for shard in order["shards"]]
    try:
        answers = ray.get(waiting, timeout=order["wall_s"])
    except Exception as error:  # noqa: BLE001 - workers choose what is raised here
        raise UnavailableError(
            "a worker of the cluster failed, died or took too long",
            subject=order["address"] or "ray",
            found=type(error).__name__[:100],
            hint="nothing of the other answers was used",
        ) from None
    for place, answer in enumerate(answers):
        if type(answer) is not bytes:
            raise ArtifactError(
                "a worker answered with something else than bytes",
                subject=f"part {place}",
                expected="bytes",
                found=type(answer).__name__[:100],
            )
    return list(answers)
