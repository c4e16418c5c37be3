"""Several processes behind one door, and one that is killed while it works."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cli.test_guard import running

from hauberk.cli import main
from hauberk.range.worlds import guarded, served
from hauberk.trust.keys import generate
from hauberk.trust.log import Log
from hauberk.trust.requests import Request, seal_request


@pytest.fixture
def folder(tmp_path):
    served.write_classifier(tmp_path / "bundle")
    return tmp_path / "bundle"


def _worker_pids(parent: int) -> list[int]:
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:  # noqa: PTH123
        return [int(pid) for pid in file.read().split()]


def test_a_budget_is_one_budget_whichever_worker_answers(folder, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"schema": 1, "rate_per_s": 0.001, "burst": 5, "slow_s": 0.01}))
    words = ["serve", str(folder), "--unsigned", "--policy", str(policy), "--workers", "2"]
    with running(*words) as on:
        on.read_until("2 workers")
        statuses = [on.ask().status for _ in range(16)]
        on.stop()
    assert statuses.count(200) == 4  # a request costs a little more than one unit
    assert set(statuses) == {200, 429}


def test_a_worker_that_is_killed_loses_no_acknowledged_decision_and_starts_again(folder, tmp_path):
    log = tmp_path / "log"
    words = ["serve", str(folder), "--unsigned", "--profile", "strict", "--log", str(log)]
    acknowledged = []
    over = threading.Event()

    def load(on):
        while not over.is_set():
            try:
                acknowledged.append(on.ask().status)
            except OSError:
                continue

    with running(*words, "--workers", "2") as on:
        on.read_until("2 workers")
        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(load, on)
            while acknowledged.count(200) < 20:
                over.wait(0.05)
            victim = _worker_pids(on.process.pid)[0]
            os.kill(victim, signal.SIGKILL)
            on.read_until("it starts again")
            seen = len(acknowledged)
            while len(acknowledged) < seen + 20:
                over.wait(0.05)
            over.set()
        code, _ = on.stop()
    decisions = [record for record in Log.open(log).records() if b'"kind":"decision"' in record]
    assert code == 130
    assert len(decisions) >= acknowledged.count(200) > 40
    assert victim not in _worker_pids(os.getpid())


@pytest.mark.parametrize("workers", ["0", "-1", "1000"])
def test_a_number_of_workers_that_cannot_be_is_refused(folder, workers):
    assert main(["serve", str(folder), "--unsigned", "--workers", workers]) == 2


def test_a_monitor_s_request_to_scale_brings_a_worker_and_its_end_takes_it_away(folder, tmp_path):
    key, now = generate(), int(time.time())
    (tmp_path / "monitor.pub.pem").write_text(key.public.pem)
    requests = tmp_path / "requests"
    requests.mkdir()
    asked = Request(
        action="scale",
        model="loans",
        number=1,
        at=now,
        until=now + 3600,
        signals=(("telemetry", "slow"), ("log", "slow")),
    )
    words = ["serve", str(folder), "--unsigned", "--max-workers", "2", "--monitored", "loans"]
    words += ["--requests", str(requests), "--monitor-key", str(tmp_path / "monitor.pub.pem")]
    with running(*words) as on:
        on.read_until("1 workers")
        (requests / "scale-1.json").write_bytes(seal_request(asked, key))
        on.read_until("2 workers: a monitor asks for more")
        assert len(_worker_pids(on.process.pid)) == 2
        assert on.ask().status == 200
        (requests / "scale-1.json").unlink()
        on.read_until("1 workers: requests for more have ended")
        assert on.ask().status == 200
        code, _ = on.stop()
    assert code == 130


def test_a_signal_while_workers_still_start_ends_those_that_start_after_it(folder):
    with running("serve", str(folder), "--unsigned", "--workers", "4") as on:
        code, _ = on.stop()  # the first is ready, the others are not
    assert code == 130


def test_nobody_is_let_into_a_queue_that_no_worker_looks_at_any_more(folder):
    """While workers end their requests the parent would hold the door, and reset who waits there."""
    head = f"POST {guarded.CLASSIFIER_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 70\r\n"
    kind = "content-type: application/json\r\n\r\n{"
    with running("serve", str(folder), "--unsigned", "--workers", "2") as on:
        on.read_until("2 workers")
        with socket.create_connection(("127.0.0.1", on.door.port), timeout=20) as slow:
            slow.sendall((head + kind).encode())
            time.sleep(0.2)
            on.process.send_signal(signal.SIGTERM)
            time.sleep(1.0)  # the body is waited for: three seconds
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", on.door.port), timeout=5)
            assert on.process.poll() is None
        code, _ = on.stop()
    assert code == 130
