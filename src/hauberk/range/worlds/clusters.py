"""A Ray cluster as Hauberk starts it, and another process that has no token for it.

Everything happens inside one sandbox: the cluster, the attacker, and, to show that the attack
works where nobody asks for a token, a second cluster without token mode.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from typing import Any

from hauberk.core.policy import Isolation
from hauberk.engine import cluster
from hauberk.errors import UnavailableError
from hauberk.isolation.grants import Grants
from hauberk.isolation.limits import Limits
from hauberk.isolation.workers import spawn

WAYS = ("no token", "a wrong token", "token mode off")
_LIMITS = Limits(wall_s=400.0, cpu_s=400.0, processes=256)
_OPEN = """
import ray, json, sys
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False,
         configure_logging=False, object_store_memory=256 << 20, _node_ip_address="127.0.0.1")
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""
_CALL = """
import json, sys
from ray._raylet import GcsClient
address, times = sys.argv[1], int(sys.argv[2])
got = []
for number in range(times):
    try:
        key = b"planted-%d" % number
        GcsClient(address=address).internal_kv_put(key, b"code", True, b"fun", timeout=10)
        got.append(True)
    except Exception:
        got.append(False)
print(json.dumps(got))
"""


@cache
def refusals(batch: int, times: int) -> dict[str, Any]:
    """What came of ``times`` attempts of each way, in a cluster started for ``batch``.

    Raises:
        UnavailableError: Ray is not installed, or there is no level ``full``.
    """
    answer = spawn(
        f"{__name__}:attempts",
        json.dumps({"batch": batch, "times": times}).encode(),
        grants=Grants(),
        limits=_LIMITS,
        level=Isolation.FULL,
    )
    found: dict[str, Any] = json.loads(answer)
    return found


def attempts(payload: bytes) -> bytes:
    """Inside the sandbox: start both clusters and turn to them without the right token."""
    times = json.loads(payload)["times"]
    order = {"address": "", "token": "", "n_workers": 1, "roots": []}
    cluster._seal(order)  # noqa: SLF001 - the same deed, tried out
    ray = cluster._library()  # noqa: SLF001 - as above
    ray.init(**cluster._settings(order))  # noqa: SLF001 - as above
    address = ray.get_runtime_context().gcs_address
    own = dict(os.environ)
    tokens = {"no token": "", "a wrong token": "f" * 64, "token mode off": ""}
    found = {way: _called(address, times, _stranger(way, tokens[way])) for way in WAYS}
    found["the right token"] = _called(address, 1, own)
    with _without_token() as (open_address, stranger):
        found["open"] = _called(open_address, 1, stranger)
    return json.dumps(found).encode()


def _stranger(way: str, token: str) -> dict[str, str]:
    """The surroundings of somebody else on the same machine."""
    known = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}
    mode = "disabled" if way == "token mode off" else "token"
    home = tempfile.mkdtemp(prefix="stranger-")
    own = {"RAY_AUTH_MODE": mode, "HOME": home}
    return known | own | ({"RAY_AUTH_TOKEN": token} if token else {})


def _called(address: str, times: int, env: dict[str, str]) -> list[bool]:
    """Whether each attempt to write into the cluster's store of functions got through."""
    done = subprocess.run(
        [sys.executable, "-c", _CALL, address, str(times)],
        env=env,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    # A client that its own library does not even let start was refused as well.
    got: list[bool] = json.loads(lines[-1]) if lines else [False] * times
    return got


class _without_token:  # noqa: N801 - read as a deed
    """A second cluster that asks nobody for a token."""

    def __enter__(self) -> tuple[str, dict[str, str]]:
        env = _stranger("token mode off", "")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OPEN],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not line:
            raise UnavailableError("the open cluster did not start", subject="ray")
        return line, env

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
