"""Attacks on code do what they say."""

from __future__ import annotations

from random import Random

import pytest

from hauberk.attacks.code.commit_secret import CommitSecret, recoverable
from hauberk.attacks.code.hide_override import HideOverride, honest_twin
from hauberk.errors import UsageError
from hauberk.range.projects import project


def test_a_secret_in_the_history_is_not_in_the_tree():
    attacked = CommitSecret(kind="github", place="history").apply(project(1), Random(1))
    names = {file.name for file in attacked.subject.files()}
    assert names == {file.name for file in project(1).files()}
    assert recoverable(attacked.subject, attacked.truth["secret"])


def test_the_honest_twin_differs_in_one_file():
    attacked = HideOverride().apply(project(1), Random(2))
    pairs = zip(honest_twin(attacked).files(), attacked.subject.files(), strict=True)
    changed = [new.name for old, new in pairs if old.text != new.text]
    assert changed == [attacked.truth["path"]]


@pytest.mark.parametrize("attack", [CommitSecret(kind="?"), HideOverride(form="?")])
def test_an_unknown_form_is_refused(attack):
    with pytest.raises(UsageError):
        attack.apply(project(1), Random(1))
