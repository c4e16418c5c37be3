"""Kill writers at any moment: what was acknowledged is there, nothing half-written is."""

import contextlib
import errno
import itertools
import os
import random
import resource
import signal
import subprocess
import time

import pytest

from hauberk.errors import TrustError, UnavailableError
from hauberk.trust.blobs import DirectoryBlobs
from hauberk.trust.cache import Cache
from hauberk.trust.log import Log
from hauberk.trust.pointers import SqlitePointers
from hauberk.trust.store import Store

ROUNDS = int(os.environ.get("HAUBERK_CRASH_ROUNDS", "60"))
DEMO_SIGNATURE = b"\xe2\x80\x94 demo AAAAAAA=\n"


def fork(work, *args):
    """Run ``work`` in a forked process, which ends with 0 if it ends by itself."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work(*args)
        code = 0
    finally:
        os._exit(code)


def exit_code(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write_for_ever(project, who, out):
    """Say what was acknowledged, after it was, one line in one write."""
    store = Store.open(project)
    for n in itertools.count():
        content = f"{who}/{n}".encode()
        say(out, "blob", store.blobs.put([content, bytes(5000)]))
        say(out, "pointer", add_one(store.pointers))
        receipt = store.log.append([content + b"/0", content + b"/1"])
        say(out, "log", receipt.first_index, content.decode())
        if n % 5 == 4:
            store.log.checkpoint(lambda _text: DEMO_SIGNATURE)


def say(out, *words):
    os.write(out, (" ".join(map(str, words)) + "\n").encode())


def add_one(pointers):
    """Add one to the pointer that all writers share; the value that it then has."""
    while True:
        current = pointers.get("counter")
        value = 1 if current is None else int(current.value) + 1
        tag = None if current is None else current.tag
        with contextlib.suppress(TrustError):
            pointers.swap("counter", str(value).encode(), expect=tag)
            return value


def killed_after(project, names, seconds):
    """What writers that run at the same time said before they were killed."""
    reading, writing = os.pipe()
    children = [fork(write_for_ever, project, name, writing) for name in names]
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = [pipe.readline()]
        time.sleep(seconds)
        for child in children:
            os.kill(child, signal.SIGKILL)
        said += pipe.readlines()
    assert [exit_code(child) for child in children] == [-signal.SIGKILL] * len(names)
    return [line.split() for line in said]


def check_intact(project, said):
    """Everything acknowledged is in the store; everything in the store is whole."""
    store = Store.open(project)
    for digest in store.blobs.list():
        store.blobs.check(digest)
    assert {words[1] for words in said if words[0] == "blob"} <= set(store.blobs.list())
    counts = [int(words[1]) for words in said if words[0] == "pointer"]
    assert len(counts) == len(set(counts))
    current = store.pointers.get("counter")
    assert (0 if current is None else int(current.value)) >= max(counts, default=0)
    records = list(store.log.records())
    for _, first, content in (words for words in said if words[0] == "log"):
        assert records[int(first) : int(first) + 2] == [
            f"{content}/0".encode(),
            f"{content}/1".encode(),
        ]
    assert len(records) % 2 == 0
    assert store.log.verify().is_clean
    assert list(store.tmp.iterdir()) == []


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path):
    """Two at once, again and again on one store; the moment differs from round to round."""
    moments = random.Random(7)
    said = []
    for number in range(ROUNDS):
        names = [f"{number}-{who}" for who in range(2)]
        said += killed_after(tmp_path, names, moments.random() * 0.03)
        if number % 20 == 0:
            check_intact(tmp_path, said)
    check_intact(tmp_path, said)


# Death between any two steps ---------------------------------------------------------------


class Dying:
    """A hook that ends the process before the ``last``-th step."""

    def __init__(self, last):
        self.left = last

    def __call__(self, step):
        self.left -= 1
        if self.left < 0:
            os._exit(9)


def dies(work, *args):
    """Run ``work`` in a process of its own; whether its hook ended it."""
    code = exit_code(fork(work, *args))
    assert code in (0, 9)
    return code == 9


def steps_of(work):
    """How often ``work`` asks its hook."""
    count = [0]

    def hook(step):
        count[0] += 1

    work(hook)
    return count[0]


def make_store(path, hook):
    store = Store.open(path, before=hook)
    store.blobs.put_all([[b"one"], [b"two"]])
    store.pointers.swap("name", b"value", expect=None)
    store.log.append([b"record"])
    store.log.checkpoint(lambda _text: DEMO_SIGNATURE)
    store.write(store.runs / "1" / "record.json", b"{}")
    store.materialize(next(store.blobs.list()), path / "copy")


def test_a_death_before_any_step_leaves_a_store_that_goes_on(tmp_path):
    (tmp_path / "whole").mkdir()
    total = steps_of(lambda hook: make_store(tmp_path / "whole", hook))
    assert total > 40
    for last in range(total):
        project = tmp_path / str(last)
        project.mkdir()
        assert dies(make_store, project, Dying(last))
        store = Store.open(project)
        for digest in store.blobs.list():
            store.blobs.check(digest)
        assert list(store.log.records()) in ([], [b"record"])
        assert store.log.verify().is_clean
        assert [path.read_bytes() for path in store.runs.glob("*/*")] in ([], [b"{}"])
        assert list(store.tmp.iterdir()) == []
        assert [path.read_bytes() for path in project.glob("copy")] in ([], [b"one"], [b"two"])
        store.blobs.put_all([[b"one"], [b"two"]])
        assert store.log.append([b"next"]).size in (1, 2)


def test_a_death_while_a_torn_commit_is_set_aside_loses_nothing(tmp_path):
    def torn_log(path):
        Log.open(path).append([b"acknowledged"])
        with next(path.glob("*.segment")).open("ab") as file:
            file.write(b"HKc1 torn")

    def reopen(path, hook):
        Log.open(path, before=hook)

    torn_log(tmp_path / "whole")
    for last in range(steps_of(lambda hook: reopen(tmp_path / "whole", hook))):
        path = tmp_path / str(last)
        torn_log(path)
        assert dies(reopen, path, Dying(last))
        assert list(Log.open(path).records()) == [b"acknowledged"]


# A disk that is full -----------------------------------------------------------------------


class Full:
    """A hook that finds the disk full before one kind of step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, step):
        if step == self.step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["create", "write", "sync", "make-folder", "rename"])
def test_a_full_disk_leaves_no_half_blob(tmp_path, step):
    DirectoryBlobs(tmp_path / "blobs").put([b"earlier"])
    blobs = DirectoryBlobs(tmp_path / "blobs", before=Full(step))
    with pytest.raises(UnavailableError, match="full"):
        blobs.put([b"too much"])
    assert len(list(blobs.list())) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def is_refused(work):
    """Whether ``work`` ends with a typed error where files may have 20 kB at most."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        with pytest.raises(UnavailableError):
            work()

    return exit_code(fork(limited)) == 0


def test_a_file_that_grows_too_large_leaves_nothing_half_written(tmp_path):
    store = Store.open(tmp_path)
    kept = store.blobs.put([b"kept"])
    store.log.append([b"kept"])
    assert is_refused(lambda: store.blobs.put([bytes(30_000)]))
    assert is_refused(lambda: store.log.append([bytes(30_000)]))
    assert is_refused(lambda: store.pointers.swap("big", bytes(30_000), expect=None))
    assert is_refused(lambda: store.write(store.runs / "r", bytes(30_000)))
    assert is_refused(lambda: Cache(store, bytes(32)).put(kept, bytes(30_000)))
    again = Store.open(tmp_path)
    assert list(again.blobs.list()) == [kept]
    assert list(again.log.records()) == [b"kept"]
    assert again.pointers.get("big") is None
    assert list(again.runs.iterdir()) == []
    assert Cache(again, bytes(32)).get(kept) is None


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 256 kB; only root may mount one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(tiny_disk):
    store = Store.open(tiny_disk)
    blobs, sizes = [], [0]

    def write(number):
        blobs.append(store.blobs.put([bytes([number]) * 8000]))
        sizes.append(store.log.append([bytes(3000)]).size)

    with pytest.raises(UnavailableError):
        list(map(write, range(256)))
    with pytest.raises(UnavailableError):
        store.log.append([bytes(100_000)])
    with pytest.raises(UnavailableError):
        store.pointers.swap("a", bytes(100_000), expect=None)
    again = Store.open(tiny_disk)
    assert set(blobs) <= set(again.blobs.list())
    for digest in again.blobs.list():
        again.blobs.check(digest)
    assert len(list(again.log.records())) >= sizes[-1]
    assert again.log.verify().is_clean
    again.blobs.delete(blobs[0])
    assert again.log.append([b"more"]).size > sizes[-1]


# Two at once -------------------------------------------------------------------------------


def test_swaps_of_many_processes_count_each_time(tmp_path):
    def work():
        for _ in range(10):
            add_one(SqlitePointers(tmp_path / "p"))

    children = [fork(work) for _ in range(4)]
    assert [exit_code(child) for child in children] == [0] * 4
    assert SqlitePointers(tmp_path / "p").get("counter").value == b"40"


def test_appends_of_many_processes_all_arrive(tmp_path):
    def work(who):
        log = Log.open(tmp_path / "log", segment_bytes=2000)
        for number in range(20):
            receipt = log.append([f"{who}/{number}".encode()])
            assert next(log.records(receipt.first_index)) == f"{who}/{number}".encode()

    Log.open(tmp_path / "log", segment_bytes=2000)
    children = [fork(work, who) for who in range(4)]
    assert [exit_code(child) for child in children] == [0] * 4
    log = Log.open(tmp_path / "log")
    assert sorted(log.records()) == sorted(
        f"{who}/{number}".encode() for who in range(4) for number in range(20)
    )
    assert log.verify().is_clean
