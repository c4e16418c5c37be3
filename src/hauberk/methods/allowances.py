"""Comments by which people allow a finding: ``allow: code/committed-secrets reason``.

``hauberk: allow code/committed-secrets because ...`` says the same.

A comment counts on its own line and on the line below it. It needs a reason; without one
it allows nothing.
"""

from __future__ import annotations

import re

_MARK = "allow"


def allowed_lines(text: str, control: str) -> frozenset[int]:
    """Lines of ``text``, from 1, on which ``control`` keeps silent.

    >>> sorted(allowed_lines("x = 1  # allow: code/a the vendor's own sample", "code/a"))
    [1, 2]
    >>> allowed_lines("x = 1  # allow: code/a", "code/a")
    frozenset()
    """
    if _MARK not in text or control not in text:
        return frozenset()
    rule = re.compile(
        r"(?:#|//|;|--|<!--|\*)[ \t]*(?:hauberk:[ \t]*)?allow:?[ \t]*"
        rf"{re.escape(control)}[ \t]+(?=\w)"
    )
    lines = [n for n, line in enumerate(text.split("\n"), start=1) if rule.search(line)]
    return frozenset(lines) | {line + 1 for line in lines}
