"""Gates by ``assert``, and the switches with which Python leaves every assertion out.

``python -O`` and ``PYTHONOPTIMIZE`` make a gate of assertions say yes to everything; nobody who
reads the gate sees it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.commands import continued, unlisted
from hauberk.methods.code.insider_rules import constant_number, is_figure, is_measured
from hauberk.methods.code.python_index import Index
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

LEFT_OUT = rule(
    "insider-patterns/asserts-left-out",
    "high",
    "runs a check with its assertions left out",
    "Run it without -O and PYTHONOPTIMIZE; let gates raise or exit by themselves.",
    "CWE-617",
    review=True,
)
BY_ASSERT = rule(
    "insider-patterns/gate-by-assert",
    "medium",
    "lets an assertion decide on a measured figure, which python -O leaves out",
    "Raise or exit where the figure is too low.",
    "CWE-617",
    review=True,
)

_OPTIMISED = expression(
    r"(?i)\bpython[\d.]*(?:\s+-(?!m\b|c\b)[a-z]+(?:\s+(?:ignore|error|default|utf8|dev))?)*?\s+-(?-i:[A-Za-z]*O{1,2}[A-Za-z]*)\b"
    r"[^\n;&|]{0,160}?(?:gate|check|valid|verif|eval|promot|release|accept|audit|quality|fair|test)"
)
_SWITCHED = expression(r"\bPYTHONOPTIMIZE[\"']?[ \t]*[=: ][ \t]*[\"']?[12x]\b")
_COMMENT = expression(r"^[ \t]*(?:#|//)")


def optimised_hits(file: SourceFile) -> Iterator[Hit]:
    """Commands and settings of one file that leave assertions out."""
    text = file.text
    if "-O" not in text and "PYTHONOPTIMIZE" not in text:
        return
    place = 0
    for line in unlisted(continued(text)).split("\n"):
        number = text.count("\n", 0, place) + 1
        place += len(line) + 1
        plain = re.sub(r"[\"',\[\]]", " ", line) if "-O" in line else line
        found = _OPTIMISED.search(plain) or _SWITCHED.search(line)
        if found is not None and not _COMMENT.match(line):
            yield Hit(LEFT_OUT, number, " ".join(found[0].split())[:60])


def asserted_gates(index: Index) -> Iterator[Hit]:
    """Assertions on measured figures in a module that is run as a program."""
    if not any(_is_main(node) for node in index.each(ast.If)):
        return
    for node in index.each(ast.Assert):
        for part in ast.walk(node.test):
            if isinstance(part, ast.Compare) and _judges(index, part):
                yield Hit(BY_ASSERT, node.lineno, ast.unparse(node.test)[:60])
                break


def _is_main(node: ast.If) -> bool:
    return isinstance(node.test, ast.Compare) and (
        ast.unparse(node.test) in {"__name__ == '__main__'", "'__main__' == __name__"}
    )


def _judges(index: Index, compare: ast.Compare) -> bool:
    """Whether a figure is held against a bound that is no trivial one."""
    if not isinstance(compare.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        return False
    sides = (compare.left, compare.comparators[0])
    numbers = [constant_number(index, side) for side in sides]
    figures = [side for side in sides if is_figure(side) or is_measured(index, side)]
    return bool(figures) and all(number is None or 0 < abs(number) < 1 for number in numbers)
