"""What one answer costs behind the guard, beside other model servers, and how throughput grows.

Run ``python benchmarks/guard_peers.py [--peers VENV]... [--requests 600] [--rounds 5]``, where a
virtual environment holds ``mlserver`` or ``bentoml`` with numpy and onnxruntime (they do not stand
beside each other, nor beside this project). All sides serve the same ONNX model with one thread,
are asked over HTTP on loopback by one client that keeps its connection, and take turns. Counted is
the processor time of a server's whole process tree, as the kernel has it; start-up and
warm-up are left out. The guard is the one that ``hauberk serve`` starts, with keys and a log.

Then requests per second with one worker and with two, asked by two clients in processes of their
own: on two processors, clients and servers share them, which a larger machine does not ask for.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hauberk.core.control import Tier
from hauberk.guard.identity import new_key
from hauberk.guard.policy import GuardPolicy, with_profile
from hauberk.range.worlds import served

OPEN = GuardPolicy(rate_per_s=1e9, burst=1e9, compute_share=1e9, compute_burst_s=1e9)
START_S = 90.0
WARM = 200

MLSERVER = """
import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Classifier(MLModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession("model.onnx", options)
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        label, scores = self.session.run(None, {"x": rows})
        named = {"label": label, "scores": scores}
        outputs = [NumpyCodec.encode_output(name, array) for name, array in named.items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""

BENTOML = """
import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1)
class Classifier:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession("model.onnx", options)

    @bentoml.api
    def infer(self, x: list[list[float]]) -> dict:
        label, scores = self.session.run(None, {"x": np.array(x, np.float32)})
        return {"label": label.tolist(), "scores": scores.tolist()}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A server that runs.

    Attributes:
        pid: Of the process that started all others of it.
        body: Makes a request of so many rows.
    """

    name: str
    pid: int
    port: int
    path: str
    body: Callable[[int], bytes]
    headers: dict[str, str]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def rows_of(n_rows: int) -> list[list[float]]:
    """The same rows for every side."""
    return np.random.default_rng(1).uniform(-9, 9, (n_rows, 2)).round(6).tolist()


def v2_body(n_rows: int) -> bytes:
    """A request of the Open Inference Protocol."""
    flat = [value for row in rows_of(n_rows) for value in row]
    tensor = {"name": "x", "shape": [n_rows, 2], "datatype": "FP32", "data": flat}
    return json.dumps({"inputs": [tensor]}).encode()


def bento_body(n_rows: int) -> bytes:
    """A request of bentoml's own form."""
    return json.dumps({"x": rows_of(n_rows)}).encode()


def tree(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def processor_s(pid: int) -> float:
    """Processor seconds of the threads of a process tree so far, to the nanosecond."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_mb(pid: int) -> float:
    """Memory of a process tree that no other process holds, in MB."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(x.split()[1]) for x in lines if x.startswith("Private"))
    return total / 1024


def ask(side: Side, body: bytes, n_requests: int) -> None:
    """So many requests, one after the other, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", side.port, timeout=20)
    headers = {"content-type": "application/json", **side.headers}
    for _ in range(n_requests):
        connection.request("POST", side.path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.client.OK:
            raise SystemExit(f"{side.name} answered {answer.status}: {said[:300]!r}")
    connection.close()


def await_answer(side: Side, process: subprocess.Popen[bytes]) -> None:
    """Wait until it answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            ask(side, side.body(1), 1)
        except (OSError, http.client.HTTPException, SystemExit):
            time.sleep(0.3)
        else:
            return
    ask(side, side.body(1), 1)


@contextlib.contextmanager
def running(command: list[str], folder: Path, side: Side) -> Iterator[Side]:
    """A server, until the block ends."""
    with (folder / f"{side.name}.log").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, env=_environment(folder)
        )
    try:
        here = replace(side, pid=process.pid)
        await_answer(here, process)
        yield here
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(folder: Path) -> dict[str, str]:
    more = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(folder)}
    return {**os.environ, **more, "BENTOML_DO_NOT_TRACK": "true"}


def guard(folder: Path, tier: Tier, workers: int = 1) -> contextlib.AbstractContextManager[Side]:
    """The guard in one of its profiles."""
    name = f"hauberk-{tier.value}-{workers}"
    place = folder / name
    served.write_classifier(place, with_profile(OPEN, tier))
    key, line = new_key("benchmark")
    (folder / f"{name}.keys").write_text(line)
    port = free_port()
    command = [sys.executable, "-m", "hauberk.cli", "serve", str(place), "--unsigned"]
    command += ["--port", str(port), "--keys", str(folder / f"{name}.keys")]
    command += ["--workers", str(workers), "--log", str(folder / f"{name}.decisions")]
    side = Side(
        name=name, pid=0, port=port, path="/v2/models/classifier/infer", body=v2_body,
        headers={"authorization": f"Bearer {key}"},
    )  # fmt: skip
    return running(command, folder, side)


def mlserver(folder: Path, program: Path) -> contextlib.AbstractContextManager[Side]:
    """MLServer with a runtime of its users, in one process, as its documentation has it."""
    place = folder / "mlserver"
    place.mkdir()
    port = free_port()
    settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings |= {"parallel_workers": 0, "host": "127.0.0.1", "debug": False}
    (place / "settings.json").write_text(json.dumps(settings))
    model = {"name": "classifier", "implementation": "classifier.Classifier"}
    (place / "model-settings.json").write_text(json.dumps(model))
    (place / "classifier.py").write_text(MLSERVER)
    (place / "model.onnx").write_bytes(served.classifier())
    side = Side(
        name="mlserver", pid=0, port=port, path="/v2/models/classifier/infer", body=v2_body,
        headers={},
    )  # fmt: skip
    return running([str(program), "start", "."], place, side)


def bentoml(folder: Path, program: Path) -> contextlib.AbstractContextManager[Side]:
    """BentoML with one worker."""
    place = folder / "bentoml"
    place.mkdir()
    port = free_port()
    (place / "service.py").write_text(BENTOML)
    (place / "model.onnx").write_bytes(served.classifier())
    side = Side(name="bentoml", pid=0, port=port, path="/infer", body=bento_body, headers={})
    command = [str(program), "serve", "service:Classifier", "--port", str(port)]
    return running([*command, "--host", "127.0.0.1"], place, side)


def compare(sides: list[Side], n_rows: int, n_requests: int, rounds: int) -> None:
    """Print the processor time of each side, and how often it is that of the guard in watch."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for side in sides:
        ask(side, side.body(n_rows), max(WARM, n_requests // 4) if n_rows == 1 else 20)
    for _ in range(rounds):
        for side in sides:
            before = processor_s(side.pid)
            ask(side, side.body(n_rows), n_requests)
            found[side.name].append((processor_s(side.pid) - before) / n_requests * 1e6)
    watch = found[f"hauberk-{Tier.WATCH.value}-1"]
    for side in sides:
        own = found[side.name]
        ratio = statistics.median(a / b for a, b in zip(own, watch, strict=True))
        memory = resident_mb(side.pid)
        print(
            f"{n_rows:>6} {side.name:>18} {statistics.median(own):>9.0f} us"
            f" {min(own):>9.0f} least {ratio:>7.2f} times watch {memory:>6.0f} MB",
            flush=True,
        )


def per_second(side: Side, n_clients: int, n_requests: int) -> float:
    """Answers per second to so many clients in processes of their own."""
    command = [sys.executable, __file__, "--client", str(side.port), str(n_requests)]
    command.append(side.headers["authorization"])
    clients = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(n_clients)
    ]
    spans = [tuple(map(float, client.communicate()[0].split())) for client in clients]
    began, ended = min(a for a, _ in spans), max(b for _, b in spans)
    return n_clients * n_requests / (ended - began)


def throughput(folder: Path, n_requests: int) -> None:
    """Print answers per second with one worker and with two."""
    with guard(folder, Tier.WATCH, 1) as one, guard(folder, Tier.WATCH, 2) as two:
        ratios = []
        for _ in range(3):
            rates = [per_second(side, 4, n_requests) for side in (one, two)]
            ratios.append(rates[1] / rates[0])
            print(f"answers per second, 4 clients: 1 worker {rates[0]:.0f}, 2 {rates[1]:.0f}")
        print(f"2 workers answer {statistics.median(ratios):.2f} times as many", flush=True)


def client(port: int, n_requests: int, authorization: str) -> None:
    """Ask, and print when that began and ended."""
    headers = {"authorization": authorization}
    side = Side(name="worker", pid=0, port=port, path="/v2/models/classifier/infer",
                body=v2_body, headers=headers)  # fmt: skip
    ask(side, v2_body(1), 50)
    began = time.time()
    ask(side, v2_body(1), n_requests)
    print(began, time.time())


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="append", default=[], type=Path, metavar="VENV")
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        port, n_requests, authorization = arguments.client
        client(int(port), int(n_requests), authorization)
        return
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        sides = [stack.enter_context(guard(folder, tier)) for tier in Tier]
        for starts in (mlserver, bentoml):
            for venv in arguments.peers:
                program = (venv / "bin" / starts.__name__).absolute()
                if program.exists():
                    sides.append(stack.enter_context(starts(folder, program)))
        compare(sides, 1, arguments.requests, arguments.rounds)
        compare(sides, 1000, max(arguments.requests // 10, 1), arguments.rounds)
    with tempfile.TemporaryDirectory() as name:
        throughput(Path(name), arguments.requests)


if __name__ == "__main__":
    main()
