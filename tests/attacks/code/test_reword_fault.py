"""Drawn faults parse, differ from their twins in the one thing, and most of them are told."""

import ast
from pathlib import Path
from random import Random

import pytest

from hauberk.attacks.code.reword_fault import GROUPS, RewordFault
from hauberk.core.artifact import CodeTree
from hauberk.engine.assess import assess
from hauberk.engine.discover import discover
from hauberk.range.planted import single

EMPTY = CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter([]))


def drawn(group, seed):
    attacked = RewordFault(group=group).apply(EMPTY, Random(seed))
    return next(iter(attacked.subject.files())).text, attacked.truth


@pytest.mark.parametrize("group", ["method", "insider"])
@pytest.mark.parametrize("seed", range(40))
def test_a_drawn_text_and_its_twin_are_python_and_differ(group, seed):
    text, truth = drawn(group, seed)
    assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(truth["twin"]))


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_the_same_seed_draws_the_same_text(group):
    assert drawn(group, 7) == drawn(group, 7)


@pytest.mark.parametrize("group", ["method", "insider", "automation"])
def test_most_draws_are_told_and_their_twins_are_not(group):
    found = discover("controls", ("code",))

    def told(path, text):
        return any(assess(control, single(path, text)).findings for control in found)

    draws = [drawn(group, seed) for seed in range(60, 100)]
    assert sum(told(truth["path"], text) for text, truth in draws) >= 34
    assert sum(told(truth["path"], truth["twin"]) for _, truth in draws) <= 1
