"""Ways around the search for special cases that are closed, and costs that stay bounded."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hauberk.attacks.code.hide_override import HideOverride
from hauberk.controls.code.identifier_overrides import IdentifierOverrides
from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.methods.override_forms import FORMS


def told(text: str) -> int:
    file = SourceFile(name="a.py", path=Path("a.py"), text=text)
    tree = CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter([file]))
    return len(list(IdentifierOverrides().check(tree)))


EMPTY = CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter([]))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_known_form_is_found_and_its_honest_twin_is_not(form):
    attacked = HideOverride(form=form).apply(EMPTY, Random(7))
    assert list(IdentifierOverrides().check(attacked.subject))
    assert told(attacked.truth["clean"]) == 0


def test_a_nested_helper_carries_the_case_to_where_it_counts():
    text = (
        'def _known(k):\n    return k == "AC-90871"\n\n'
        "def _fix(k):\n    return _known(k)\n\n"
        "label = 1 if _fix(row.account_id) else label\n"
    )
    assert told(text) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "a = b\nb = a\n" + "if a == 'AC-90871':\n    label = 1\n",
        "".join(f"x{n} = x{n - 1} + x{n - 1}\n" for n in range(1, 60)),
        "x = x + [x, x, x, x]\n" * 50 + "y = account_id in x\n",
        "if a == 1:\n    pass\n" + "elif a == 2:\n    label = 1\n" * 80,
    ],
)
def test_circles_and_towers_of_names_end(text):
    assert told(text) <= 1
