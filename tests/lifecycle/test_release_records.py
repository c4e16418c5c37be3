"""A channel never goes back behind what the log calls done, wherever a run was killed."""

import itertools
import os

import pytest

from hauberk.errors import TrustError, UsageError
from hauberk.lifecycle import releases
from hauberk.lifecycle.release_records import (
    Release,
    Told,
    channel_of,
    done,
    meant,
    told,
    unfinished,
)
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.store import Store

PROJECT = "loans"
CHANNEL = channel_of(PROJECT, releases.STAGING)
STEP = digest_bytes(b"a signed step")


def release(number, text=b""):
    return Release(channel=CHANNEL, digest=digest_bytes(b"%d" % number + text), number=number)


def say_meant(store, one):
    store.log.append([meant("r-1", one, [STEP])])


def point(store, one):
    releases.publish(store, PROJECT, one.digest, [STEP], one.number)


def say_done(store, one):
    store.log.append([canonical_json(done("r-1", one))])


STEPS = (say_meant, point, say_done)


def judged(store):
    """The number of the release that a reader is given."""
    found = releases.required(store, PROJECT)
    releases.refuse_older(store, PROJECT, found, found.sequence)
    return found.sequence


def released(store, *numbers):
    for number in numbers:
        for step in STEPS:
            step(store, release(number))


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path)


def test_releases_one_after_the_other_are_given_to_readers(store):
    for number in (1, 2, 5):
        released(store, number)
        assert judged(store) == number
        assert unfinished(told(store, PROJECT, "staging")) == ""


@pytest.mark.parametrize("n_steps", [0, 1, 2, 3])
@pytest.mark.parametrize("before", [0, 1])
def test_a_run_killed_between_any_two_steps_leaves_a_project_that_is_not_refused(
    store, before, n_steps
):
    released(store, *range(1, before + 1))
    for step in STEPS[:n_steps]:
        step(store, release(before + 1))
    now = before + (n_steps >= 2)
    if now:
        assert judged(store) == now
    else:
        with pytest.raises(UsageError, match="nothing has been released"):
            judged(store)
    told_of = unfinished(told(store, PROJECT, "staging"))
    assert (f"version {before + 1}" in told_of) == (n_steps in (1, 2))


class Dying:
    """A hook that ends the process before the ``last``-th write."""

    def __init__(self, last):
        self.left = last

    def __call__(self, step):
        self.left -= 1
        if self.left < 0:
            os._exit(9)


def release_twice(folder, hook):
    store = Store.open(folder, before=hook)
    for number in (1, 2):
        released(store, number)
        store.log.checkpoint(lambda _: b"\xe2\x80\x94 demo AAAAAAA=\n")


def dies(folder, n_writes):
    child = os.fork()
    if child == 0:
        try:
            release_twice(folder, Dying(n_writes))
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def test_death_before_any_write_is_healed_by_the_next_release(tmp_path):
    for n_writes in itertools.count():
        folder = tmp_path / str(n_writes)
        folder.mkdir()
        if not dies(folder, n_writes):
            break
        store = Store.open(folder)
        found = releases.staged(store, PROJECT)
        if found is not None:
            assert judged(store) == found.sequence
        following = max(found.sequence if found else 0, told(store, PROJECT, "staging").highest) + 1
        released(store, following)
        assert judged(store) == following
        assert unfinished(told(store, PROJECT, "staging")) == ""
    assert n_writes > 20


def test_emptied_pointers_are_no_new_project(store):
    released(store, 1)
    name = f"releases/{PROJECT}/staging"
    store.pointers.swap(name, None, expect=store.pointers.get(name).tag)
    with pytest.raises(TrustError, match="less than was released") as refused:
        judged(store)
    assert "removed or emptied" in refused.value.found


@pytest.mark.parametrize("cut_short", [False, True])
def test_a_pointer_turned_back_is_refused(store, cut_short):
    released(store, 1, 2)
    if cut_short:
        say_meant(store, release(3))
    point(store, release(1))
    with pytest.raises(TrustError, match="less than was released") as refused:
        judged(store)
    assert refused.value.exit_code == 1
    assert "release 1" in refused.value.found


def test_another_release_of_the_same_number_is_refused(store):
    released(store, 1)
    point(store, release(1, b"another"))
    with pytest.raises(TrustError, match="less than was released"):
        judged(store)


def test_a_forged_record_of_an_older_release_does_not_make_it_the_last(store):
    released(store, 1, 2)
    point(store, release(1))
    say_done(store, release(1))
    with pytest.raises(TrustError, match="less than was released"):
        judged(store)


def test_the_next_release_after_a_forgery_is_believed(store):
    released(store, 1, 2)
    point(store, release(1))
    released(store, told(store, PROJECT, "staging").highest + 1)
    assert judged(store) == 3


def test_other_projects_channels_and_writers_are_passed_over(store):
    elsewhere = Release(channel="other/staging", digest=digest_bytes(b"x"), number=9)
    for record in (b'"release-done"', b'["release-done"]', b"not \xff json", canonical_json({})):
        store.log.append([record])
    say_done(store, elsewhere)
    assert told(store, PROJECT, "staging") == Told()
    released(store, 1)
    assert judged(store) == 1


@pytest.mark.parametrize(
    "record",
    [
        b'{"kind":"release-done"}',
        b'{"kind":"release-done","number":-1}',
        b'{"kind":"release-done","channel":7,"number":1,"release":"x","run":"r"}',
        b'{"kind":"release-meant","steps":[1]}',
        b'{"kind":"release-done",',
        b'{"envelope":"release-done","kind":"release-done"}',
    ],
)
def test_a_record_of_a_release_that_no_run_writes_is_refused_as_what_it_is(store, record):
    released(store, 1)
    store.log.append([record])
    with pytest.raises(TrustError, match="no run writes") as refused:
        judged(store)
    assert refused.value.subject == "record 2 of the log"
