"""Commits under crashes, full disks and two writers; and any sequence of additions."""

import errno
import itertools
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.trust.versions.keeping import HAND, NAME, ROOT, add, contents, verified

from hauberk.errors import HauberkError, TrustError, UnavailableError
from hauberk.trust.store import Store
from hauberk.trust.versions.commit import repair
from hauberk.trust.versions.lineage import at, pointer_name


class Crash(BaseException):
    """The process is gone."""


class Breaking:
    """A hook that breaks before the n-th step."""

    def __init__(self, at, error):
        self.left, self.error, self.asked = at, error, 0

    def __call__(self, step):
        self.asked += 1
        self.left -= 1
        if self.left == 0:
            raise self.error


def was_whole(folder, data, hook):
    """Whether the commit reached its end, which it may do only where nothing broke."""
    try:
        add(Store.open(folder, before=hook), data)
    except (Crash, HauberkError):
        return False
    assert hook.left > 0
    return True


def prepared(folder):
    folder.mkdir()
    data = folder / "d"
    data.mkdir()
    (data / "a.csv").write_bytes(b"one\n" * 500)
    add(Store.open(folder), data)
    (data / "a.csv").write_bytes(b"one\n" * 499 + b"two\n")
    (data / "b.csv").write_bytes(b"new")
    return data


@pytest.mark.parametrize("error", [Crash(), OSError(errno.ENOSPC, "full")], ids=["crash", "full"])
def test_a_commit_cut_short_anywhere_loses_nothing_and_shows_nothing_half(tmp_path, error):
    # How many steps a commit takes varies with the digests: two blobs may share a folder.
    for step in itertools.count(1, 2):
        folder = tmp_path / f"s{step}"
        data = prepared(folder)
        hook = Breaking(step, error)
        if was_whole(folder, data, hook):
            assert 20 < hook.asked < step
            break
        store = Store.open(folder)
        repair(NAME, store, ROOT, HAND)
        found = verified(store)
        assert contents(store, at(found, "1")) == {"a.csv": b"one\n" * 500}
        assert found.version.number in (1, 2)
        if found.version.number == 2:
            assert len(contents(store, found.version)) == 2
        assert add(store, data, message="again").number == found.version.number + 1
        assert len(contents(store, verified(store).version)) == 2


def test_a_commit_cut_short_between_log_and_name_is_refused_until_it_is_mended(tmp_path):
    data = prepared(tmp_path / "p")
    store = Store.open(tmp_path / "p")
    add(store, data)
    pointer = store.pointers.get(pointer_name(NAME))
    store.pointers.swap(pointer_name(NAME), None, expect=pointer.tag)
    with pytest.raises(TrustError, match="does not name the newest"):
        verified(store)
    repair(NAME, store, ROOT, HAND)
    assert verified(store).version.number == 2


def test_two_writers_take_turns_and_both_versions_are_kept(tmp_path):
    folder = tmp_path / "p"
    data = prepared(folder)
    failures = []

    def write():
        try:
            add(Store.open(folder), data)
        except HauberkError as error:  # pragma: no cover - told below
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert verified(Store.open(folder)).version.number == 5


def test_a_store_that_is_taken_makes_a_writer_wait_and_then_say_so(tmp_path):
    data = prepared(tmp_path / "p")
    store = Store.open(tmp_path / "p")
    with (
        store.lock(),
        pytest.raises(UnavailableError),
        Store.open(tmp_path / "p").lock(timeout_s=0),
    ):
        pass
    assert add(store, data).number == 2


class Sequences(RuleBasedStateMachine):
    """Whatever is added, in whatever order, every version stays what it was."""

    counter = itertools.count()
    base = None

    def __init__(self):
        super().__init__()
        self.folder = self.base / f"m{next(self.counter)}"
        (self.folder / "d").mkdir(parents=True)
        self.files = {}
        self.versions = []
        self.store = Store.open(self.folder)

    def _write(self, name, data):
        self.files[name] = data
        (self.folder / "d" / name).write_bytes(data)

    @rule(name=st.sampled_from(["a", "b"]), data=st.binary(max_size=60), times=st.integers(1, 300))
    def write(self, name, data, times):
        self._write(name, data * times)

    @rule(name=st.sampled_from(["a", "b"]), place=st.integers(0, 10**6), data=st.binary(max_size=9))
    def insert(self, name, place, data):
        old = self.files.get(name, b"")
        place %= len(old) + 1
        self._write(name, old[:place] + data + old[place:])

    @rule(name=st.sampled_from(["a", "b"]))
    def remove(self, name):
        self.files.pop(name, None)
        (self.folder / "d" / name).unlink(missing_ok=True)

    @rule()
    def keep(self):
        if self.files:
            version = add(self.store, self.folder / "d")
            self.versions.append((version, dict(self.files)))

    @rule()
    def reopen(self):
        self.store = Store.open(self.folder)

    @invariant()
    def every_version_is_what_it_was(self):
        if not self.versions:
            return
        found = verified(self.store)
        assert [v.digest for v in found.lineage] == [v.digest for v, _ in self.versions]
        for version, files in self.versions[-3:]:
            assert contents(self.store, version) == files


def test_every_sequence_of_additions_keeps_all_versions(tmp_path):
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("Machine", (Sequences,), {"base": tmp_path})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=8, stateful_step_count=12, deadline=None)
    )


@pytest.mark.parametrize(
    ("projects", "is_taken"),
    [
        ((None, None), True),
        ((None, ROOT.project), True),
        ((ROOT.project, ROOT.project), True),
        (("another", "another"), False),
        ((ROOT.project, "another"), False),
        ((ROOT.project, None), False),
    ],
    ids=["older tool", "newer tool", "own", "foreign", "turned foreign", "forgotten"],
)
def test_versions_of_another_project_are_none_of_this_one(tmp_path, projects, is_taken):
    data, store = tmp_path / "d", Store.open(tmp_path)
    data.mkdir()

    def filled():
        for number, project in enumerate(projects):
            (data / "a.csv").write_bytes(b"one\n" * (500 + number))
            add(store, data, project=project)
        return verified(store)

    if is_taken:
        assert filled().version.number == 2
    else:
        with pytest.raises(TrustError, match="another project's"):
            filled()
