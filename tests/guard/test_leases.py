"""Work that is not done anew for every request: leases, turns, first steps, gathered records."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hauberk.controls.exchange.costly_inputs import CostlyInputs
from hauberk.controls.exchange.oversized_requests import OversizedRequests
from hauberk.core.artifact import Exchange
from hauberk.guard.audit import Auditor
from hauberk.guard.begun import Begun
from hauberk.guard.leases import Leases
from hauberk.guard.turns import Turns
from hauberk.trust.client_state import MemoryClientState


class Counted(MemoryClientState):
    """Counts how often it is asked."""

    asked = 0

    def update(self, principal, key, change):
        self.asked += 1
        return super().update(principal, key, change)


def exchange(at=0.0, principal="p"):
    return Exchange(name="m", principal=principal, at=at, request=b"")


def leases(burst=1000.0, rate=1e-9, burst_s=10.0):
    budget = OversizedRequests(burst=burst, rate_per_s=rate)
    return Leases(budget, CostlyInputs(share=1e-9, burst_s=burst_s))


def test_a_sender_far_from_its_budget_is_not_looked_up_each_time():
    state, held = Counted(), leases()
    assert [held.charge(exchange(), state) for _ in range(8)] == [None] * 8
    assert state.asked <= 3


@pytest.mark.parametrize("burst", [5.0, 50.0, 1000.0])
def test_a_sender_gets_its_budget_and_at_most_a_hundredth_more(burst):
    state, held = MemoryClientState(), leases(burst=burst)
    passed = sum(held.charge(exchange(), state) is None for _ in range(int(2 * burst)))
    assert burst <= passed + 1
    assert passed <= 1.01 * burst + 1


def test_two_processes_share_one_budget():
    state, one, other = MemoryClientState(), leases(burst=300.0), leases(burst=300.0)
    passed = sum(
        held.charge(exchange(), state) is None for _ in range(300) for held in (one, other)
    )
    assert passed <= 1.02 * 300 + 2


def test_what_was_spent_is_booked_when_a_lease_ends():
    state, held = MemoryClientState(), leases(burst=100_000.0)
    for _ in range(500):
        held.charge(exchange(), state)
    held.charge(exchange(at=2.0), state)
    left = OversizedRequests(burst=100_000.0, rate_per_s=1e-9).spend(exchange(at=2.0), 0.0, state)
    assert left == pytest.approx(100_000 - 501)


def test_time_beyond_a_lease_is_booked_at_once():
    state, held = MemoryClientState(), leases(burst_s=1.0)
    held.charge(exchange(), state)
    held.settle(exchange(), 3.0, state)
    assert held.charge(exchange(), state).status == 429


def test_a_clock_that_is_set_back_ends_a_lease():
    state, held = Counted(), leases()
    held.charge(exchange(at=100.0), state)
    before = state.asked
    held.charge(exchange(at=50.0), state)
    assert state.asked > before


def test_turns_of_one_principal_come_one_after_the_other_and_others_go_on():
    async def run():
        turns, seen = Turns(), []

        async def work(name, number):
            async with turns.of(name):
                seen.append((name, number, "in"))
                await asyncio.sleep(0)
                seen.append((name, number, "out"))

        await asyncio.gather(*(work(name, n) for n in range(3) for name in "ab"))
        return seen, len(turns)

    seen, left = asyncio.run(run())
    assert left == 0
    for name in "ab":
        own = [(number, what) for who, number, what in seen if who == name]
        assert own == [(n, what) for n in range(3) for what in ("in", "out")]
    assert seen[1][0] != seen[0][0]


def test_a_turn_that_is_given_up_leaves_nothing_behind():
    async def run():
        turns = Turns()

        async def wait():
            async with turns.of("a"):
                await asyncio.sleep(60)

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(turns)

    assert asyncio.run(run()) == 0


def test_what_is_there_at_once_is_had_at_once_and_the_rest_is_awaited():
    async def later(value):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return value

    async def at_once():
        return 1

    async def run():
        first, second = Begun(at_once()), Begun(later(2))
        return first.is_done, first.value, second.is_done, await second

    assert asyncio.run(run()) == (True, 1, False, 2)


def test_a_begun_thing_hears_of_its_end():
    ended = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def run():
        begun = Begun(forever())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await begun

    asyncio.run(run())
    assert ended == [1]


def test_an_error_of_a_begun_thing_is_heard():
    async def broken():
        await asyncio.sleep(0)
        raise ValueError("x")

    async def run():
        await Begun(broken())

    with pytest.raises(ValueError, match="x"):
        asyncio.run(run())


class Batches:
    """A log that keeps its batches, and says when the first was written."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.written = threading.Event()

    def append(self, batch):
        self.batches.append(list(batch))
        self.written.set()


def test_records_that_nobody_waits_for_gather():
    log = Batches()
    auditor = Auditor(log, gather_s=60.0)
    for number in range(20):
        auditor.append(b"%d" % number)
    auditor.close()
    assert [len(batch) for batch in log.batches] == [20]


def test_a_record_that_somebody_waits_for_takes_the_others_along_at_once():
    log = Batches()
    auditor = Auditor(log, gather_s=60.0)
    auditor.append(b"1")
    auditor.append_durably(b"2").result(timeout=30)
    assert [record for batch in log.batches for record in batch] == [b"1", b"2"]
    auditor.close()
