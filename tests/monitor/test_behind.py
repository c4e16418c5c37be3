"""Calls that are made later, in their order, by a thread or by whoever needs them."""

from __future__ import annotations

import threading
import time

from hauberk.monitor import behind
from hauberk.monitor.behind import Behind


def test_calls_are_made_in_order_by_whoever_catches_up():
    made = []
    later = Behind(threading.Lock(), 1000)
    for number in range(10):
        later.put(1, made.append, number)
    assert (made, len(later)) == ([], 10)
    later.catch_up()
    assert (made, len(later)) == (list(range(10)), 0)


def test_a_thread_makes_them_once_there_are_enough():
    made = []
    later = Behind(threading.Lock(), 5)
    for number in range(5):
        later.put(1, lambda n: made.append((n, threading.current_thread().name)), number)
    deadline = time.monotonic() + 10
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [number for number, _ in made] == list(range(5))
    assert all(name.startswith("hauberk-counting") for _, name in made)


def test_whoever_brings_them_never_waits_for_the_thread():
    lock = threading.Lock()
    later = Behind(lock, 1)
    with lock:
        started = time.monotonic()
        for _ in range(100):
            later.put(1, int)
        assert time.monotonic() - started < 1


def test_a_call_that_fails_does_not_end_the_thread():
    made = []
    later = Behind(threading.Lock(), 1)
    later.put(1, int, "x")
    deadline = time.monotonic() + 10
    while not made and time.monotonic() < deadline:
        later.put(1, made.append, 1)
        time.sleep(0.01)
    assert made


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(behind, "MAX_WAITING", 10)
    later = Behind(threading.Lock(), 10**9)
    for _ in range(100):
        later.put(1, int)
    assert len(later) <= 10
