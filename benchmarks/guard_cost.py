"""What the guard costs per request in each profile, beside the same server without one.

Run ``python benchmarks/guard_cost.py [--seconds 2]``. All sides run in one process, take turns,
and are called as ASGI applications, so that what is compared is the application and not the
socket. The unguarded server decodes with msgspec, runs the same model and answers; it checks
nothing. Reported is processor time per request, what each profile adds, and the controls that
it asks; then the same with padded answers, binary against JSON at 1,000 rows, the memory of
10,000 known clients, and honest latency over a real socket while an attacker floods the door.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hauberk.core.artifact import Exchange
from hauberk.core.control import Tier
from hauberk.formats import v2, v2_binary
from hauberk.formats.http import Call, json_call
from hauberk.guard.app import App
from hauberk.guard.bundle import Bundle
from hauberk.guard.identity import keyring_of, new_key
from hauberk.guard.loopback import Socket
from hauberk.guard.policy import GuardPolicy, with_profile
from hauberk.guard.service import Surroundings, further_watches, open_service
from hauberk.range.worlds import served
from hauberk.trust.client_state import MemoryClientState
from hauberk.trust.log import Log

PATH = "/v2/models/classifier/infer"
OK = 200
ROWS = 1000
OPEN = GuardPolicy(rate_per_s=1e9, burst=1e9, compute_share=1e9, compute_burst_s=1e9)
Ask = Callable[[], Awaitable[int]]


class Tensor(msgspec.Struct):
    """One input, as the lean server reads it."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(msgspec.Struct):
    """One request, as the lean server reads it."""

    inputs: list[Tensor]


def lean(bundle: Bundle) -> Any:
    """An ASGI application that decodes, runs the model and answers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(bundle.model, options)
    decoder, encoder = msgspec.json.Decoder(Request), msgspec.json.Encoder()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        tensor = decoder.decode(body).inputs[0]
        rows = np.array(tensor.data, np.float32).reshape(tensor.shape)
        label, scores = session.run(None, {tensor.name: rows})
        answer = {
            "model_name": "classifier",
            "outputs": [
                {"name": n, "shape": a.shape, "datatype": d, "data": a.ravel().tolist()}
                for n, d, a in (("label", "INT64", label), ("scores", "FP32", scores))
            ],
        }
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": encoder.encode(answer)})

    return app


def body_of(n_rows: int) -> bytes:
    """A request of ``n_rows``."""
    values = np.random.default_rng(1).uniform(-9, 9, 2 * n_rows).round(6).tolist()
    shape, kind = (n_rows, 2), v2.Datatype.FP32
    tensor = v2.Tensor(name="x", datatype=kind, shape=shape, values=values)
    return v2.write_request(v2.Request(inputs=(tensor,)))


def binary_of(n_rows: int) -> tuple[bytes, tuple[bytes, bytes]]:
    """The same request with a raw tensor, and the header that says so."""
    rows = np.random.default_rng(1).uniform(-9, 9, 2 * n_rows).astype("<f4").tobytes()
    head = {"name": "x", "shape": [n_rows, 2], "datatype": "FP32"}
    head["parameters"] = {"binary_data_size": len(rows)}
    top = {"inputs": [head], "parameters": {"binary_data_output": True}}
    text = json.dumps(top).encode()
    return text + rows, (v2_binary.HEADER.encode(), str(len(text)).encode())


def asker(app: Any, body: bytes, key: Any = "", more: str = "") -> Ask:
    """Calls the application once; gives the status."""
    extra, key = ([key], more) if isinstance(key, tuple) else ([], key)
    headers = [
        *extra,
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"authorization", f"Bearer {key}".encode()),
        (b"user-agent", b"benchmark"),
        (b"accept", b"*/*"),
    ]
    scope = {"type": "http", "method": "POST", "raw_path": PATH.encode(), "query_string": b"",
             "headers": headers}  # fmt: skip
    message = {"type": "http.request", "body": body, "more_body": False}

    async def receive() -> Any:
        return message

    async def ask() -> int:
        statuses: list[int] = []

        async def send(sent: Any) -> None:
            statuses.append(sent.get("status", 0))

        await app(scope, receive, send)
        return statuses[0]

    return ask


async def processor_us(ask: Ask, seconds: float) -> float:
    """Microseconds of processor time per request."""
    count, started, wall = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - wall < seconds:
        for _ in range(20):
            await asyncio.sleep(0)  # each request of a connection comes in a round of its own
            status = await ask()
            assert status == OK, status
        count += 20
    return (time.process_time() - started) / count * 1e6


async def processor_us_together(ask: Ask, seconds: float, at_once: int = 32) -> float:
    """The same with so many requests in flight, which share what one write of the log costs."""
    count, started, wall = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - wall < seconds:
        statuses = await asyncio.gather(*(ask() for _ in range(at_once)))
        assert set(statuses) == {OK}, statuses
        count += at_once
    return (time.process_time() - started) / count * 1e6


async def compare(sides: dict[str, Ask], seconds: float, rounds: int = 5) -> dict[str, float]:
    """Best of some rounds in which the sides take turns."""
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(rounds):
        for name, ask in sides.items():
            best[name] = min(best[name], await processor_us(ask, seconds / rounds))
    return best


def overhead(bundle: Bundle, folder: Path, seconds: float) -> None:
    """Print the processor time per request of all sides, and the controls of each profile."""
    key, line = new_key("benchmark")
    watches = further_watches()
    services = {}
    for tier in Tier:
        profiled = replace(bundle, policy=with_profile(bundle.policy, tier))
        log = None if tier is Tier.LEAN else Log.open(folder / f"log-{tier}")
        world = Surroundings(keyring=keyring_of(line), log=log, watches=watches)
        services[tier] = open_service(profiled, world)
        judges = services[tier].desk.judges
        asked = [watch.id for watch in (*judges.before, *judges.after)]
        stations = ["identity", "schema", "budgets"] + (["log"] if log else [])
        print(f"{tier}: {', '.join(stations + asked)}")
    print(f"{'rows':>6} {'side':>10} {'us':>9} {'added us':>9} {'ratio':>6}")
    for n_rows in (1, 32, 1000):
        body = body_of(n_rows)
        sides = {"unguarded": asker(lean(bundle), body)} | {
            tier.value: asker(App(service, None), body, key) for tier, service in services.items()
        }
        if n_rows == ROWS:
            sides["lean, binary"] = asker(App(services[Tier.LEAN], None), *binary_of(n_rows), key)
        best = asyncio.run(compare(sides, seconds))
        for side, found in best.items():
            added = found - best["unguarded"]
            ratio = found / best["unguarded"]
            print(f"{n_rows:>6} {side:>10} {found:>9.1f} {added:>9.1f} {ratio:>6.2f}")
    together = {
        name: asyncio.run(processor_us_together(asker(app, body_of(1), own), seconds))
        for name, app, own in (
            ("unguarded", lean(bundle), ""),
            ("strict", App(services[Tier.STRICT], None), key),
        )
    }
    added = together["strict"] - together["unguarded"]
    print(f"32 at once, one row each: strict adds {added:.1f} us to {together['unguarded']:.1f}")
    for service in services.values():
        service.close()


def memory() -> None:
    """Print what 10,000 known clients hold, each with the memory of all controls."""
    state = MemoryClientState()
    world = Surroundings(state=state, watches=further_watches())
    with tempfile.TemporaryDirectory() as name:
        service = open_service(served.write_classifier(Path(name) / "m", OPEN), world)
    body = body_of(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def ask_all() -> None:
        for number in range(10_000):
            exchange = Exchange(
                name="classifier", principal=f"key:{number:016x}", at=time.time(), request=body,
                role="default",
            )  # fmt: skip
            await service.infer(exchange, time.perf_counter())

    asyncio.run(ask_all())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"10,000 known clients: {grown:.0f} MB more memory, {len(state)} principals held")


def latency(folder: Path, seconds: float) -> None:
    """Print an honest client's latency without and during a flood; each has its own process."""
    keys = [new_key(name) for name in ("honest", "attacker")]
    (folder / "keys").write_text("\n".join(line for _, line in keys))
    served.write_classifier(folder / "served", GuardPolicy())
    command = [sys.executable, "-m", "hauberk.cli", "serve", str(folder / "served"), "--unsigned"]
    command += ["--port", "0", "--keys", str(folder / "keys")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        port = port_of(server)
        door = Socket(port=port)
        honest = json_call(PATH, body_of(1), {"authorization": f"Bearer {keys[0][0]}"})
        before = waits(door.call, honest, seconds)
        flood = [sys.executable, __file__, "--flood", str(port), keys[1][0]]
        with subprocess.Popen(flood) as attacker:
            time.sleep(1)
            during = waits(door.call, honest, seconds)
            attacker.kill()
        server.terminate()
    for name, found in (("alone", before), ("during a flood", during)):
        p99 = found[int(len(found) * 0.99)] * 1e3
        middle = statistics.median(found) * 1e3
        print(f"honest latency {name}: median {middle:.2f} ms, p99 {p99:.2f} ms ({len(found)})")
    print(f"ratio of p99: {during[int(len(during) * 0.99)] / before[int(len(before) * 0.99)]:.2f}")


def port_of(server: subprocess.Popen[str]) -> int:
    """Where the server says that it listens."""
    said = iter(server.stdout or ())
    line = next(line for line in said if line.startswith("ready:"))
    return int(line.split("/v2")[0].rsplit(":", 1)[1])


def waits(call: Callable[[Call], Any], honest: Call, seconds: float) -> list[float]:
    """Sorted latencies of an honest client that asks a hundred times a second."""
    found = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        answer = call(honest)
        assert answer.status == OK, answer
        found.append(answer.seconds)
        time.sleep(0.01)
    return sorted(found)


def flood(port: int, key: str) -> None:
    """Large, deep and many requests on twenty connections, until killed."""
    headers = {"authorization": f"Bearer {key}"}
    deep = json_call(PATH, b"[" * 100_000, headers)
    large = json_call(PATH, body_of(1000), headers)
    many = json_call(PATH, json.dumps({"inputs": [{}] * 10_000}).encode(), headers)
    door = Socket(port=port)
    while True:
        door.together([deep, large, many, large] * 5)


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="per side and size")
    parser.add_argument("--flood", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flood:
        flood(int(arguments.flood[0]), arguments.flood[1])
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overhead(served.write_classifier(folder / "a", OPEN), folder, seconds)
        memory()
        latency(folder, max(seconds, 5.0))


if __name__ == "__main__":
    main()
