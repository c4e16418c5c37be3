"""A served model with one honest client, without and during a flood; each has its own process.

``python -m hauberk.range.worlds.flooded PORT KEY`` floods until it is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from hauberk.errors import UnavailableError
from hauberk.formats.http import Call, json_call
from hauberk.guard.identity import new_key
from hauberk.guard.loopback import Socket
from hauberk.guard.policy import GuardPolicy
from hauberk.range.worlds import served

PATH = "/v2/models/classifier/infer"
N_COLUMNS = 2
SETTLED_S = 1.0
"""Before the honest client's waits are counted: what the flood's first budget lets through."""

_PACE_S = 0.01
_OK = 200
_CONNECTIONS = 20
_ROWS = 1_000


def waits(seed: int, seconds: float) -> tuple[list[float], list[float]]:
    """How long an honest client waits, in seconds, alone and during a flood.

    Raises:
        UnavailableError: The server does not start, or does not answer.
    """
    with _server() as (port, keys):
        rng = Random(seed)
        row = [round(rng.uniform(-1, 1), 4) for _ in range(N_COLUMNS)]
        honest = json_call(PATH, _body(row), _bearer(keys[0]))
        alone = _asked(port, honest, seconds)
        flood = [sys.executable, "-m", __name__, str(port), keys[1]]
        with subprocess.Popen(flood) as attacker:
            try:
                time.sleep(SETTLED_S)
                during = _asked(port, honest, seconds)
                if attacker.poll() is not None:
                    raise UnavailableError("the flood ended before the honest client did")
            finally:
                attacker.kill()
    return alone, during


def _body(values: list[float]) -> bytes:
    shape = [len(values) // N_COLUMNS, N_COLUMNS]
    tensor = {"name": "x", "shape": shape, "datatype": "FP32", "data": values}
    return json.dumps({"inputs": [tensor]}).encode()


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@contextmanager
def _server() -> Iterator[tuple[int, list[str]]]:
    """Where a server of the classifier listens, and the keys of two clients."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys = [new_key(client) for client in ("honest", "attacker")]
        (folder / "keys").write_text("\n".join(line for _, line in keys))
        served.write_classifier(folder / "served", GuardPolicy())
        command = [sys.executable, "-m", "hauberk.cli", "serve", str(folder / "served")]
        command += ["--unsigned", "--port", "0", "--keys", str(folder / "keys")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                said = (line for line in server.stdout or () if line.startswith("ready:"))
                line = next(said, None)
                if line is None:
                    raise UnavailableError("the server does not start here")
                port = int(line.split("/v2")[0].rsplit(":", 1)[1])
                yield port, [key for key, _ in keys]
            finally:
                server.terminate()


def _asked(port: int, honest: Call, seconds: float) -> list[float]:
    """What a hundred requests a second wait; every one of them is answered."""
    door, found = Socket(port=port), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        answer = door.call(honest)
        if answer.status != _OK:
            raise UnavailableError("an honest request was not answered", found=str(answer.status))
        found.append(answer.seconds)
        time.sleep(_PACE_S)
    return sorted(found)


def flood(port: int, key: str) -> None:
    """Large, deep and many-headed requests on twenty connections, until killed."""
    large = _body([0.1] * (_ROWS * N_COLUMNS))
    bodies = (b"[" * 100_000, large, json.dumps({"inputs": [{}] * 10_000}).encode(), large)
    calls = [json_call(PATH, body, _bearer(key)) for body in bodies]
    door = Socket(port=port)
    while True:
        with suppress(OSError, UnavailableError):  # a connection that is cut does not end a flood
            door.together(calls * (_CONNECTIONS // len(calls)))


if __name__ == "__main__":
    flood(int(sys.argv[1]), sys.argv[2])
