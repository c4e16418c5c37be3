from __future__ import annotations

from hauberk.lifecycle.experiment.versioned_data import Difference, difference_of

OLD = [["f1", "r1a"], ["f2", "r2a"], ["f3", "r3a"], ["f3", "r3a"]]


def test_nothing_changed_is_all_kept() -> None:
    assert difference_of(OLD, OLD) == Difference(added=0, removed=0, relabelled=0, kept=4)


def test_another_label_on_the_same_features_is_relabelled() -> None:
    new = [["f1", "r1b"], *OLD[1:]]
    assert difference_of(OLD, new) == Difference(added=0, removed=0, relabelled=1, kept=3)


def test_copies_count_one_by_one() -> None:
    new = [*OLD, ["f3", "r3a"], ["f9", "r9"]]
    assert difference_of(OLD, new) == Difference(added=2, removed=0, relabelled=0, kept=4)
    assert difference_of(new, OLD) == Difference(added=0, removed=2, relabelled=0, kept=4)
