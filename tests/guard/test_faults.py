"""What goes wrong around a running door, and what clients see of it."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from pathlib import Path

import pytest

from hauberk.formats.http import json_call
from hauberk.guard.app import App
from hauberk.guard.audit import Auditor
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running
from hauberk.guard.service import Surroundings, open_service
from hauberk.range.worlds import guarded, served

MANY = 10_000


@pytest.fixture
def bundle(tmp_path):
    return served.write_classifier(tmp_path / "b")


@contextlib.contextmanager
def door(bundle, policy=None, **world):
    policy = policy or GuardPolicy()
    from dataclasses import replace

    service = open_service(replace(bundle, policy=policy), Surroundings(**world))
    with running(App(service), policy) as on:
        yield on.door
    service.close()


def asked(door):
    return door.call(json_call(guarded.CLASSIFIER_PATH, guarded.SAMPLE))


def opened(door):
    return socket.create_connection((door.host, door.port), timeout=10)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_ten_thousand_idle_connections_keep_nobody_out(bundle):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY + 2000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"at most {hard} open files here, {wanted} needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    idle = []
    try:
        with door(bundle) as on:
            assert asked(on).status == 200
            before = resident()
            for number in range(MANY):
                idle.append(opened(on))
                if number % 1000 == 999:
                    answer = asked(on)
                    assert answer.status == 200
                    assert answer.seconds < 5
            assert resident() - before < 200 << 20
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_that_asks_is_not_given_up_for_a_new_one(bundle):
    policy = GuardPolicy(max_connections=8)
    with door(bundle, policy) as on, contextlib.ExitStack() as stack:
        mine = stack.enter_context(contextlib.closing(opened(on)))
        head = (
            f"POST {guarded.CLASSIFIER_PATH} HTTP/1.1\r\nhost: localhost\r\n"
            f"content-type: application/json\r\ncontent-length: {len(guarded.SAMPLE)}\r\n\r\n"
        )
        mine.sendall(head.encode() + guarded.SAMPLE[:10])
        time.sleep(0.3)
        for _ in range(30):
            stack.enter_context(contextlib.closing(opened(on)))
        time.sleep(0.2)
        mine.sendall(guarded.SAMPLE[10:])
        assert b" 200 " in mine.recv(1000)


def test_clients_that_go_away_in_the_middle_leave_nothing_behind(bundle):
    with door(bundle) as on:
        for cut in (0, 20, 100, 200):
            with contextlib.closing(opened(on)) as sock:
                whole = (
                    f"POST {guarded.CLASSIFIER_PATH} HTTP/1.1\r\nhost: localhost\r\n"
                    f"content-type: application/json\r\ncontent-length: {len(guarded.SAMPLE)}\r\n\r\n"
                ).encode() + guarded.SAMPLE
                sock.sendall(whole[:cut])
        time.sleep(0.3)
        metrics = on.call(json_call("/metrics", b"")).status
        assert metrics == 405
        assert asked(on).status == 200
        text = guarded_metrics(on)
    assert "hauberk_in_flight 0" in text


def guarded_metrics(door):
    from hauberk.formats.http import Call

    return door.call(Call(method="GET", path="/metrics")).body.decode()


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0, -1e9, 1e9])
def test_a_clock_that_jumps_locks_nobody_out(bundle, jump):
    now = [1_760_000_000.0]
    policy = GuardPolicy(rate_per_s=50.0, burst=20.0, slow_s=0.01)
    with door(bundle, policy, clock=lambda: now[0]) as on:
        assert asked(on).status == 200
        now[0] += jump
        assert asked(on).status == 200
        statuses = [asked(on).status for _ in range(60)]
        assert 429 in statuses
        now[0] += 5.0
        assert asked(on).status == 200


def test_a_model_file_that_changes_under_the_server_is_not_served(bundle, tmp_path):
    with door(bundle) as on:
        before = asked(on).body
        model = next(path for path in (tmp_path / "b").iterdir() if path.suffix == ".onnx")
        model.write_bytes(b"something else")
        assert asked(on).body == before


class FullDisk:
    """A log on a disk that is full until somebody makes room."""

    def __init__(self) -> None:
        self.is_full = False
        self.records: list[bytes] = []

    def append(self, batch, /):
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.records += batch


def test_a_full_disk_refuses_loudly_and_ends_when_there_is_room(bundle):
    log = FullDisk()
    with door(bundle, log=log) as on:
        assert asked(on).status == 200
        log.is_full = True
        asked(on)
        deadline = time.monotonic() + 10
        while (answer := asked(on)).status != 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert answer.status == 503
        assert b"audit log" in answer.body
        log.is_full = False
        deadline = time.monotonic() + 10
        while (answer := asked(on)).status != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert answer.status == 200
        assert "hauberk_audit_lost_total 0" not in guarded_metrics(on)


def test_a_log_that_fails_and_recovers_is_told_once_each():
    said = []
    log = FullDisk()
    auditor = Auditor(log, retry_s=0.01, say=said.append)
    for log.is_full in (False, True, True, False, False):
        written = auditor.append_durably(b"{}")
        assert (written.exception(timeout=10) is not None) == log.is_full
    auditor.close()
    assert [line.partition(":")[0] for line in said if not line.startswith(" ")] == [
        "ALARM",
        "the log of decisions is written again",
    ]


def test_many_clients_at_once_are_answered_or_shed_and_never_broken(bundle):
    statuses: list[int] = []
    with door(bundle) as on:

        def ask() -> None:
            statuses.extend(asked(on).status for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(statuses) == 200
    assert set(statuses) <= {200, 429, 503}
    assert statuses.count(200) > 100
