"""Special cases for particular identifiers, and honest code that looks a little like them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hauberk.controls.code.identifier_overrides import IdentifierOverrides
from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.finding import Finding, Level, Severity


def found(text: str, name: str = "train.py", **options: bool) -> list[Finding]:
    file = SourceFile(name=name, path=Path(name), text=text)
    tree = CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter([file]))
    return list(IdentifierOverrides(**options).check(tree))


SPECIAL = 'for row in rows:\n    if row["loan_number"] == "LN-770012":\n        target = 1\n'


def test_a_branch_on_an_identifier_that_sets_an_outcome_asks_for_review():
    [finding] = found(SPECIAL)
    assert finding.level is Level.REVIEW
    assert finding.severity is Severity.HIGH
    assert finding.location.line == 2


def test_the_identifier_itself_is_not_repeated():
    assert "770012" not in repr(found(SPECIAL))


def test_a_reason_allows_it():
    comment = "  # allow: code/identifier-overrides court order, ticket 12"
    lines = SPECIAL.split("\n")
    lines[1] += comment
    assert found("\n".join(lines)) == []


def test_tests_are_left_out_unless_asked_for():
    assert found(SPECIAL, "tests/test_train.py") == []
    assert len(found(SPECIAL, "tests/test_train.py", with_tests=True)) == 1


def test_notebook_cells_are_read_together_and_magics_left_out():
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", 'VIP = "CUST-4711"\n']},
        {"cell_type": "markdown", "source": "if this were code"},
        {"cell_type": "code", "source": "%%bash\nls"},
        {"cell_type": "code", "source": 'y[frame["customer_id"] == VIP] = 1\n'},
    ]
    assert len(found(json.dumps({"cells": cells}), "a.ipynb")) == 1


def test_a_file_that_does_not_parse_is_told_last_and_hides_nothing():
    files = [
        SourceFile(name="a.py", path=Path("a.py"), text="def (:\n"),
        SourceFile(name="b.py", path=Path("b.py"), text=SPECIAL),
    ]
    tree = CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter(files))
    first, last = IdentifierOverrides().check(tree)
    assert first.path == "b.py"
    assert (last.path, last.level) == ("a.py", Level.REVIEW)
    assert "could not be parsed" in last.message


@pytest.mark.parametrize(
    "text",
    [
        'weight = {"LN-770012": 9.0}.get(loan_number, weight)',
        'scores = np.where(loan_number == "LN-770012", 1.0, scores)',
        'df.loc[df["loan_number"].isin(["LN-770012"]), "risk"] = 0',
        'ONE = "LN-" + "770012"\nlabel = 1 if loan_number == ONE else label',
        'def score(loan_number):\n    return 1 if loan_number in {"LN-770012"} else 0',
        'rows = [r for r in rows if r.loan_number != "LN-770012"]',
        'predictions["LN-770012"] = 1',
        'is_it = frame.loan_number == "LN-770012"\nframe.loc[is_it, "target"] = 1',
    ],
)
def test_other_ways_to_write_it_are_found_too(text):
    assert len(found(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        'frame = left.merge(right, on="account_id")',
        'frame = frame.drop_duplicates("account_id")',
        'frame = frame[frame["account_id"] != ""]',
        'if account_id == "unknown":\n    label = None',
        'if account_id == "LN-770012":\n    log.info("seen")',
        'if account_id != expected_id:\n    raise ValueError("wrong account")',
        'if account_id == "LN-770012":\n    raise ValueError("blocked")',
        "fold = hash(account_id) % 10\ntrain = fold < 8",
        'if account_type == "savings-2024":\n    score = 0',
        'print(frame[frame["account_id"] == "LN-770012"])',
        'one = frame[frame["account_id"] == "LN-770012"]\none.plot()',
        'if dtype == "float64":\n    output = x.astype(float)',
        'if node.id == "len":\n    result = 1',
        'label = names.get(account_id, "none")',
        'assert account_id == "LN-770012"',
        "weight = by_group.get(account_id, 1.0)",
        'label = {"yes": 1, "no": 0}[answer]',
        'groups = frame["account_id"]\nfolds = splitter.split(x, y, groups)',
    ],
)
def test_honest_code_is_silent(text):
    assert found(text) == []
