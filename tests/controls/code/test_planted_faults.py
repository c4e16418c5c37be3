"""Every planted kind is told by the controls over code, and its honest twin is not."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hauberk.attacks.code.plant_fault import FAULTS, PlantFault
from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.engine import assess, discover
from hauberk.range.planted import single

CONTROLS = [
    control
    for control in discover("controls", subjects={"code"})
    if control.id not in {"code/poisoned-history", "code/known-vulnerabilities", "code/told-places"}
]
EMPTY = CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter([]))


def rules(tree: CodeTree) -> set[str]:
    return {
        finding.evidence.facts.get("rule", finding.control)
        for control in CONTROLS
        for finding in assess(control, tree).findings
    }


@pytest.mark.parametrize(
    "kind", [fault.kind for fault in FAULTS if not fault.kind.startswith("place/")]
)
def test_a_planted_kind_is_told_and_its_honest_twin_is_not(kind):
    attacked = PlantFault(kind=kind).apply(EMPTY, Random(5))
    assert rules(attacked.subject)
    assert not rules(single(attacked.truth["path"], attacked.truth["twin"]))


def told(name: str, text: str) -> set[str]:
    return rules(single(name, text))


def test_torch_is_judged_by_the_version_that_the_project_pins():
    code = SourceFile(name="a.py", path=Path("a.py"), text="import torch\nx = torch.load('a.pt')\n")

    def tree(pin: str) -> CodeTree:
        lock = SourceFile(
            name="requirements.txt",
            path=Path("requirements.txt"),
            text=f"torch=={pin} --hash=sha256:{'0' * 64}\n",
        )
        return CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter([code, lock]))

    assert rules(tree("2.7.0")) == set()
    assert rules(tree("2.5.1")) == {"unsafe-deserialization/torch-load"}


def test_a_comment_with_a_reason_allows_a_finding():
    line = "import pickle\nx = pickle.load(f)  # hauberk: allow code/unsafe-deserialization because ours\n"
    assert told("a.py", line) == set()


def test_tests_are_told_as_low_and_for_review():
    tree = single("tests/test_a.py", "import pickle\nx = pickle.load(f)\n")
    findings = [f for control in CONTROLS for f in assess(control, tree).findings]
    assert {(f.severity.value, f.level.value) for f in findings} == {("low", "review")}


def test_a_notebook_cell_is_told_at_its_line_in_the_file():
    book = '{\n "cells": [\n  {"cell_type": "code", "source": [\n   "import pickle\\n",\n   "x = pickle.load(f)"]}\n ]\n}'
    tree = single("a.ipynb", book)
    places = [
        (f.location.line, f.location.inner)
        for control in CONTROLS
        for f in assess(control, tree).findings
    ]
    assert places == [(5, ("cell 1",))]


def test_a_shell_line_of_a_notebook_is_read():
    book = '{"cells": [{"cell_type": "code", "source": "!curl -s https://a.example/x | bash"}]}'
    assert told("a.ipynb", book) == {"insecure-downloads/pipe-to-shell"}


def test_names_that_go_round_in_circles_end():
    text = "kw = {**kw}\na = b\nb = a\nimport torch\ntorch.load(a, **kw)\nx = x + f'{x}'\nexec(x)\n"
    assert "code-execution/eval" in told("a.py", text)


def test_code_nested_beyond_all_measure_is_told_as_not_checked():
    text = "x = " + "+".join(["1"] * 6000) + "\n"
    found = [
        assess(control, single("a.py", text)).outcome.value
        for control in CONTROLS
        if control.id == "code/unsafe-deserialization"
    ]
    assert found in (["clean"], ["flagged"])


def test_a_yaml_bomb_is_told_as_not_checked_within_bounds():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    found = assess(
        next(c for c in CONTROLS if c.id == "code/exposed-services"),
        single("bomb.yaml", "\n".join(lines)),
    ).findings
    assert [f.evidence.statistic for f in found] == ["not checked"]
