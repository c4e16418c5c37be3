"""A leader waits for callers that come back, and stops waiting for those that do not."""

from hauberk.trust.gathering import Gathering


def test_the_first_commit_waits_for_nobody():
    assert not Gathering().begin(1)


def test_a_lone_caller_is_never_waited_for():
    gathering = Gathering()
    for _ in range(3):
        gathering.committed(released=1, waiting=0, seconds=1.0)
        assert not gathering.begin(1)


def test_as_many_are_waited_for_as_there_were():
    gathering = Gathering()
    gathering.committed(released=3, waiting=2, seconds=1.0)
    assert gathering.begin(2)
    gathering.arrived(3)
    gathering.arrived(5)
    gathering.wait()  # all came: it ends at once, and the next one waits again
    gathering.committed(released=5, waiting=0, seconds=1.0)
    assert gathering.begin(1)
    assert not gathering.begin(5)


def test_after_a_wait_in_vain_some_commits_do_not_wait():
    gathering = Gathering()
    gathering.committed(released=2, waiting=0, seconds=0.0)
    assert gathering.begin(1)
    gathering.wait()
    assert [gathering.begin(1) for _ in range(17)] == [False] * 16 + [True]
