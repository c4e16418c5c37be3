"""A full disk, a clock that jumps, and a monitor that was away."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import pytest
from tests.monitor.test_watching import DAY_S, NOW, pushed, rows, world

from hauberk.errors import TrustError, UnavailableError
from hauberk.monitor.store import FILE

__all__ = ["world"]

PAGE = 4096


@contextmanager
def full_disk(room=PAGE):
    """Nothing is written beyond the first bytes of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_trouble_and_nothing_is_lost_or_doubled(world):
    world.put("a.parquet", rows(1, 300, at=NOW))
    monitor = world.open()
    monitor.tick()
    late = [rows(2 + i, 100, at=NOW - i * DAY_S) for i in range(20)]
    for number, table in enumerate(late):
        world.put(f"b{number}.parquet", table)
    data = pushed(world, monitor, n=2000)
    with full_disk():
        monitor.tick()
        assert "tables" in monitor.troubles
        with pytest.raises(UnavailableError):
            monitor.push(data)
    assert monitor.push(data).sequence == 1
    monitor.tick()
    monitor.tick()
    assert monitor.troubles == {}
    found = monitor.store.hour("loans", 0, int(NOW // 3600))
    assert (found[""].rows, found["r1"].rows) == (300 + 20 * 100, 2000)


def test_tables_that_a_full_disk_left_out_are_taken_in_when_there_is_room(world):
    """Small writes still succeed, as on a disk whose last pages are used up one by one."""
    world.put("a.parquet", rows(1, 300, at=NOW))
    monitor = world.open()
    monitor.tick()
    for number in range(8):
        world.put(f"b{number}.parquet", rows(2 + number, 300, at=NOW - number * DAY_S))
    with full_disk((world.folder / "state" / FILE).stat().st_size):
        monitor.tick()
        assert "tables" in monitor.troubles
    monitor.tick()
    assert monitor.troubles == {}
    assert monitor.store.hour("loans", 0, int(NOW // 3600))[""].rows == 300 * 9
    assert not any(cause.startswith("unreadable") for cause in world.causes(monitor))


def test_a_clock_that_was_set_back_stops_nothing_and_counts_nothing_twice(world):
    world.put("a.parquet", rows(1, 300, at=NOW))
    monitor = world.open()
    monitor.tick()
    world.now = NOW - 3 * DAY_S
    world.put("b.parquet", rows(2, 100, at=NOW - 4 * DAY_S))
    monitor.tick()
    with pytest.raises(TrustError, match="refused"):
        monitor.push(pushed(world, monitor))
    world.now = NOW + 60
    monitor.tick()
    assert monitor.troubles == {}
    found = monitor.store.hour("loans", 0, int(NOW // 3600))
    assert found[""].rows == 400
    assert monitor.push(pushed(world, monitor)).sequence == 1


def test_a_store_with_predictions_that_wait_for_labels_is_opened_again_as_it_was(world):
    world.put("a.parquet", rows(1, 300, at=NOW))
    monitor = world.open()
    monitor.tick()
    assert monitor.push(pushed(world, monitor)).sequence == 1
    again = world.open()
    again.tick()
    assert world.causes(again) == set()
    assert list((world.folder / "state").glob("*.damaged-*")) == []
    assert again.store.hour("loans", 0, int(NOW // 3600))["r1"].rows == 400


@pytest.mark.parametrize("place", [0.1, 0.4, 0.7])
def test_a_store_with_a_damaged_page_is_set_aside_and_made_again(world, place):
    for number in range(5):
        world.put(f"a{number}.parquet", rows(number, 300, at=NOW - number * DAY_S))
    world.open().tick()
    path = world.folder / "state" / FILE
    data = bytearray(path.read_bytes())
    start = int(len(data) * place) // PAGE * PAGE
    data[start : start + PAGE] = bytes([0xA5]) * PAGE
    path.write_bytes(data)
    monitor = world.open()
    monitor.tick()
    found = monitor.store.hour("loans", 0, int(NOW // 3600))
    assert found[""].rows == 1500
    assert world.causes(monitor) == {"monitor/store rebuilt"}
    assert len(list((world.folder / "state").glob("*.damaged-*"))) == 1
