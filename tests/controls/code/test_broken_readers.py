"""What happens to a tree where a rule breaks on one file."""

from __future__ import annotations

from hauberk.controls.code.code_execution import CodeExecution
from hauberk.controls.code.insider_patterns import InsiderPatterns
from hauberk.core.finding import Outcome
from hauberk.engine import assess
from hauberk.formats.source import open_tree
from hauberk.methods.code import reading
from hauberk.range.planted import single

BOUND_IN_TEST = """
def f(rows):
    if (n := 3) > len(rows):
        rows = rows[:n]
    if n == 4:
        return rows
    return None
"""
DANGEROUS = "import os\nimport sys\nos.system(sys.argv[1])\n"


def test_a_name_bound_in_a_condition_is_followed():
    found = assess(InsiderPatterns(), single("train.py", BOUND_IN_TEST))
    assert found.outcome is Outcome.CLEAN, found.reason


def test_one_file_that_breaks_a_rule_is_failed_and_the_others_are_judged(tmp_path, monkeypatch):
    plain = reading.is_test

    def breaking(path):
        if path.name == "odd.py":
            raise IndexError("list index out of range")
        return plain(path)

    monkeypatch.setattr(reading, "is_test", breaking)
    (tmp_path / "odd.py").write_text("odd = 20317\n", "utf-8")
    (tmp_path / "tool.py").write_text(DANGEROUS, "utf-8")
    found = assess(CodeExecution(), open_tree(tmp_path, history=False))
    assert found.outcome is Outcome.FAILED
    assert "odd.py" in found.reason
    assert [item.path for item in found.findings] == ["tool.py"]


def test_names_that_stand_for_many_others_are_followed_once():
    lines = "".join(
        f"a{n} = f(a{n - 1}, a{n - 2}, a{n - 3}, a{n - 1}.x)\n" * 5 for n in range(4, 24)
    )
    texts = "".join(f"b{n} = b{n - 1} + 'x' + g()\n" * 5 for n in range(1, 16))
    formats = "".join(f"c{n} = f'" + f"{{c{n - 1}}}" * 30 + "'\n" for n in range(1, 14))
    ends = "exec(a23)\nimport requests\nrequests.get(b15)\nexec(c13)\n"
    tree = single("bomb.py", lines + texts + "c0 = 'x'\n" + formats + ends)
    assert assess(CodeExecution(), tree).outcome is Outcome.FLAGGED
