"""What every implementation of `Executor` does. A new one adds a line to `WORLDS`."""

import threading

import pytest

from hauberk.core.ports import Executor
from hauberk.trust.executors import SerialExecutor, ThreadExecutor

WORLDS = {
    "serial": SerialExecutor,
    "one thread": lambda: ThreadExecutor(1),
    "threads": lambda: ThreadExecutor(4),
    "threads, one ahead": lambda: ThreadExecutor(3, ahead=1),
}


@pytest.fixture(params=sorted(WORLDS))
def executor(request):
    return WORLDS[request.param]()


def test_it_is_an_executor(executor):
    assert isinstance(executor, Executor)


def test_results_come_in_the_order_of_the_shards(executor):
    late = threading.Event()

    def task(number):
        if number == 0:
            late.wait(0.05)
        return bytes([number])

    assert list(executor.map(task, range(50))) == [bytes([number]) for number in range(50)]


def test_no_shards_give_no_results(executor):
    assert list(executor.map(bytes, [])) == []


def test_the_first_error_in_order_is_raised(executor):
    def task(number):
        return bytes([10 // (number - 3)]) if number >= 3 else b"ok"

    results = executor.map(task, range(10))
    assert [next(results) for _ in range(3)] == [b"ok"] * 3
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_work_ends_when_nobody_takes_more(executor):
    begun = []

    def task(number):
        begun.append(number)
        return b""

    results = executor.map(task, range(1000))
    next(iter(results))
    results.close()
    assert len(begun) <= 20


def test_no_more_than_the_bound_is_begun_ahead():
    begun = []
    results = ThreadExecutor(2, ahead=3).map(lambda n: begun.append(n) or b"", range(100))
    for taken in range(1, 30):
        next(results)
        assert len(begun) <= taken + 3
    results.close()
